"""A live release is changed: no address moves."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.tests.installation import CHART, NAMESPACE, Installation
from moorage_testing.prometheus import operator

ROOT = CHART.parents[1]
LABEL = "app.kubernetes.io/part-of=moorage"


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


@pytest.fixture
def monitored(bound: Installation) -> Iterator[Installation]:
    """Where the kinds of the Prometheus operator are."""
    bound.kubectl.apply(*operator.crds())
    bound.kubectl.run("wait", "--for=condition=Established", "crd", "--all")
    yield bound
    bound.upgrade()
    names = [one["metadata"]["name"] for one in operator.crds()]
    bound.kubectl.run("delete", "crd", *names)


def test_all_that_can_be_switched_on_comes_and_goes(monitored: Installation) -> None:
    node, writes = monitored.holder, monitored.cloud_writes
    toggles = ("podMonitor", "serviceMonitor", "prometheusRule", "dashboard")
    kinds = ",".join((*(f"{kind.lower()}s" for kind in operator.KINDS), "configmaps"))

    def there() -> set[str]:
        made = monitored.kubectl.items(kinds, "-n", NAMESPACE, "-l", LABEL)
        return {one["kind"] for one in made}

    monitored.upgrade(monitored.values(**{name: {"enabled": True} for name in toggles}))
    assert there() == {*operator.KINDS, "ConfigMap"}
    monitored.upgrade()
    assert there() == set()
    monitored.wait_working()
    assert (monitored.wait_bound(), monitored.cloud_writes) == (node, writes)
