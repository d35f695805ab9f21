"""The demo of endpoints proves what it says, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from demo_runs import start

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Run
from moorage_testing.waiting import PATIENCE

THREE = r"it leads to (192\.168\.7\.\d(, )?){3}"
TOLD = (
    r"it leads to (\d+\.\d+\.\d+\.\d+(, )?){3}, by Kubernetes",
    rf"{THREE}; a reader of all slices never saw fewer than 3 addresses",
    r"192\.168\.7\.\d is not ready; it leads to (192\.168\.7\.\d(, )?){2} ",
    THREE,
    r"192\.168\.7\.4 in place of 192\.168\.7\.\d; the reader never saw fewer than [23] ",
    r"the net-attach-def is being deleted, held by its finalizer \[.* stayed so",
    r"the net-attach-def went with the last pod",
)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


def test_a_service_is_handed_over_without_a_gap_and_its_network_goes_with_the_last_pod(
    run: Run,
    cluster: EmbeddedCluster,  # noqa: ARG001 - for what its fixture does where tools are missing
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    demo = start(run, tmp_path_factory.mktemp("endpoints"), "--part", "endpoints", "--fast")
    assert demo.exit_code(3 * PATIENCE) == 0, demo.text
    steps = [line for line in demo.lines if re.match(r"endpoints \d/7 ", line)]
    assert len(steps) == len(TOLD)
    for line, told in zip(steps, TOLD, strict=True):
        assert re.search(told, line), line
    assert demo.lines[-1].startswith("All 7 steps were seen everywhere, ")
    assert list(demo.folder.iterdir()) == []
