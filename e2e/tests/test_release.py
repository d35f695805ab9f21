"""A live release is changed: no address moves."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from e2e.tests.installation import CHART, NAMESPACE, Installation

ROOT = CHART.parents[1]


def git(*arguments: str) -> bytes:
    """What a command of git prints; ``b""`` = it fails."""
    return subprocess.run(  # noqa: S603 - fixed
        ["git", *arguments],  # noqa: S607 - wherever it is installed
        cwd=ROOT, capture_output=True, check=False,
    ).stdout  # fmt: skip


@pytest.fixture
def previous_chart(tmp_path: Path) -> Path:
    """The chart before its last change."""
    commits = git("log", "--format=%H", "-n2", "--", "charts/moorage").split()
    if len(commits) < 2:
        pytest.skip("this clone knows no older chart")
    archive = git("archive", commits[1].decode(), "charts/moorage")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(tmp_path, filter="data")
    return tmp_path / "charts" / "moorage"


def test_an_upgrade_from_the_previous_chart_and_back_moves_nothing(
    bound: Installation, previous_chart: Path
) -> None:
    node, writes = bound.holder, bound.cloud_writes
    bound.upgrade(chart=previous_chart)
    bound.wait_working()
    bound.upgrade(None, "--reset-then-reuse-values", "--wait", "--timeout", "180s")
    bound.wait_working()
    bound.run_helm("rollback", "moorage", "--wait", "--timeout", "180s")
    bound.wait_working()
    assert bound.wait_bound() == node
    assert bound.cloud_writes == writes


def test_a_new_revision_of_the_pods_is_rolled_out(bound: Installation) -> None:
    node, writes = bound.holder, bound.cloud_writes
    bound.upgrade(bound.values(podLabels={"team": "network"}), "--wait", "--timeout", "180s")
    pods = bound.wait_working()
    assert {one["metadata"]["labels"].get("team") for one in pods} == {"network"}
    assert bound.wait_bound() == node
    assert bound.cloud_writes == writes


def test_a_part_switched_off_and_on_leaves_the_address_where_it_is(bound: Installation) -> None:
    node, writes = bound.holder, bound.cloud_writes
    bound.upgrade({**bound.values(), "core": {**bound.values()["core"], "enabled": False}})
    bound.wait(lambda: not bound.pods, "the controller to be gone")
    assert (bound.holder, bound.cloud_writes) == (node, writes)
    bound.upgrade()
    bound.wait_working()
    assert bound.wait_bound() == node
    assert bound.cloud_writes == writes


def test_the_dashboard_comes_and_goes(bound: Installation) -> None:
    label = ("configmaps", "-n", NAMESPACE, "-l", "grafana_dashboard=1")
    bound.upgrade(bound.values(dashboard={"enabled": True}))
    (found,) = bound.kubectl.items(*label)
    assert "moorage" in "".join(found["data"].values())
    bound.upgrade()
    assert not bound.kubectl.items(*label)
