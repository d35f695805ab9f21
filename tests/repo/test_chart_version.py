"""A chart that changed since the last release has a higher version; all charts have the root's."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import yaml
from e2e.images.build import version

from .files import ROOT, shown

CHARTS = sorted((ROOT / "charts").rglob("Chart.yaml"))


def git(*arguments: str) -> str | None:
    """What git answers; ``None`` where it cannot."""
    ended = subprocess.run(  # noqa: S603 - our own arguments
        ("git", *arguments),  # noqa: S607 - whichever git there is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout.strip() if ended.returncode == 0 else None


def numbers(text: str) -> tuple[int, ...]:
    """A version as it compares."""
    return tuple(map(int, text.removeprefix("v").split(".")))


def stale(changed: str, released: str, current: str) -> bool:
    """Whether a chart of which these files changed still has the version of a release."""
    return bool(changed) and numbers(current) <= numbers(released)


@pytest.mark.parametrize("path", CHARTS, ids=shown)
def test_a_chart_has_the_version_of_the_project(path: Any) -> None:
    chart = yaml.safe_load(path.read_text("utf-8"))
    assert str(chart["version"]) == version()
    assert str(chart.get("appVersion", version())) == version()


def test_what_changed_since_a_release_has_a_higher_version() -> None:
    assert stale("charts/moorage/values.yaml", "v0.1.0", "0.1.0")
    assert not stale("charts/moorage/values.yaml", "v0.9.0", "0.10.0")
    assert not stale("", "v0.1.0", "0.1.0")
    # Before the first release there is nothing to compare with.
    tag = git("describe", "--tags", "--abbrev=0", "--match=v[0-9]*")
    if tag:
        assert not stale(git("diff", "--name-only", tag, "--", "charts") or "", tag, version())
