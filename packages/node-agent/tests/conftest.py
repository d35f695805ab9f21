"""Fixtures for the agent's hands in a lab of network namespaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moorage_testing.lab import Lab
from moorage_testing.pytest_plugin import start_lab


@pytest.fixture(scope="module")
def shared_lab() -> Iterator[Lab]:
    with start_lab(2) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """Two nodes and a client; at the end with nothing but the stations' own addresses."""
    yield shared_lab
    shared_lab.heal()
