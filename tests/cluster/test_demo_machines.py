"""The demo of machines proves what it says, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from demo_runs import start

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Run
from moorage_testing.waiting import PATIENCE

TOLD = (
    r"20 VMs run; the first starts with ip=10\.77\.0\.\d+::10\.77\.0\.1:255\.255\.255\.224:::none",
    r"(10\.77\.0\.\d+(, | rest)){6}, 9 are free",
    r"3 wait; worker-\d\d-claim-0-0: no address of IPPool workers is free; .* comes free at 20",
    r"26 VMs run, nobody waits, 3 are free",
    r"all 29 addresses are free",
)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


def test_machines_get_keep_release_and_reuse_addresses(
    run: Run,
    cluster: EmbeddedCluster,  # noqa: ARG001 - for what its fixture does where tools are missing
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    demo = start(run, tmp_path_factory.mktemp("machines"), "--part", "machines", "--fast")
    assert demo.exit_code(3 * PATIENCE) == 0, demo.text
    steps = [line for line in demo.lines if re.match(r"machines \d/5 ", line)]
    assert len(steps) == len(TOLD)
    for line, told in zip(steps, TOLD, strict=True):
        assert re.search(told, line), line
    assert demo.lines[-1].startswith("All 5 steps were seen everywhere, ")
    assert list(demo.folder.iterdir()) == []


@pytest.mark.parametrize("flags", [("--part", "moon"), ("--part", "machines", "--cloud", "aws")])
def test_a_part_has_options_of_its_own(
    run: Run, tmp_path_factory: pytest.TempPathFactory, flags: tuple[str, ...]
) -> None:
    demo = start(run, tmp_path_factory.mktemp("wrong"), *flags)
    assert demo.exit_code() == 2
    assert "error: " in demo.lines[-1]
