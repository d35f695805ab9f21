"""The demo of danm proves what it says, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from demo_runs import start

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Run
from moorage_testing.waiting import PATIENCE

TOLD = (
    r"web-\S+ runs on node-\d with 10\.88\.0\.5",
    r"web-\S+ waits on node-\d; 10\.88\.0\.5 is not freed",
    r"web-\S+ runs on node-\d with 10\.88\.0\.5",
    r"web-\S+ waits on node-\d; 10\.88\.0\.5 is not freed",
    r"web-\S+ runs on node-\d with 10\.88\.0\.5",
)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


def test_a_static_address_comes_back_from_a_dead_node_and_never_from_an_ill_one(
    run: Run,
    cluster: EmbeddedCluster,  # noqa: ARG001 - for what its fixture does where tools are missing
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    demo = start(run, tmp_path_factory.mktemp("danm"), "--part", "danm", "--fast")
    assert demo.exit_code(3 * PATIENCE) == 0, demo.text
    steps = [line for line in demo.lines if re.match(r"danm \d/5 ", line)]
    assert len(steps) == len(TOLD)
    for line, told in zip(steps, TOLD, strict=True):
        assert re.search(told, line), line
    assert demo.lines[-1].startswith("All 5 steps were seen everywhere, ")
    assert list(demo.folder.iterdir()) == []
