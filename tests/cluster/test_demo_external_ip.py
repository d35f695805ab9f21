"""The demo of external addresses proves what it says, and leaves nothing behind."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from demo_runs import start

from moorage_testing import lab
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Run
from moorage_testing.waiting import PATIENCE

MOVED = (
    r"10\.99\.8\.1 went from node\d to node\d; the client had no answer for [\d.]+ s, and never two"
)
TOLD = (
    r"10\.99\.8\.1 is on node\d, and the client is answered by it",
    MOVED,
    r"10\.99\.8\.1 stays on node\d \[.* stayed so",
    MOVED,
    r"nobody has 10\.99\.8\.1",
)


@pytest.fixture
def run() -> Iterator[Run]:
    with Run.open() as opened:
        yield opened


@pytest.fixture
def possible() -> None:
    """Where nodes can have networks of their own."""
    try:
        with lab.start(1):
            pass
    except lab.LabUnavailableError as error:
        if os.environ.get("CI") and os.geteuid() == 0:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.mark.usefixtures("possible")
def test_the_client_sees_the_address_move_and_is_never_answered_by_two(
    run: Run,
    cluster: EmbeddedCluster,  # noqa: ARG001 - for what its fixture does where tools are missing
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    demo = start(run, tmp_path_factory.mktemp("external-ip"), "--part", "external-ip", "--fast")
    assert demo.exit_code(3 * PATIENCE) == 0, demo.text
    steps = [line for line in demo.lines if re.match(r"external-ip \d/5 ", line)]
    assert len(steps) == len(TOLD)
    for line, told in zip(steps, TOLD, strict=True):
        assert re.search(told, line), line
    assert demo.lines[-1].startswith("All 5 steps were seen everywhere, ")
    assert list(demo.folder.iterdir()) == []


def test_without_iproute2_it_says_in_one_line_what_it_needs(
    run: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("bare")
    demo = start(run, folder, "--part", "external-ip", PATH=str(folder))
    assert demo.exit_code() == 1
    (line,) = demo.lines
    assert line.startswith("this part needs nodes with networks of their own: root on Linux, with")
