"""The examples that others copy stay small enough to be read at once."""

from __future__ import annotations

import pytest

from .files import ROOT

MOST_LINES = {"example_controller.py": 150, "example_agent.py": 60}


@pytest.mark.parametrize("name", MOST_LINES)
def test_an_example_is_short(name: str) -> None:
    text = (ROOT / "tests" / "cluster" / name).read_text("utf-8")
    assert len(text.splitlines()) <= MOST_LINES[name]
