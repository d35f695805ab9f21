"""From any start, with accidents after any action, it comes to rest and nothing is lost."""

from __future__ import annotations

import os

import pytest
from accidents import Crash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loop_writes import WriteStatus
from random_life import ADDRESSES, Run
from random_nodes import NODES
from simulation import Simulation

from moorage_core.actions import LabelNode, Mutate, UnlabelNode

RUNS = int(os.environ.get("MOORAGE_RANDOM_RUNS", "10000"))


@pytest.mark.timeout(1200)
def test_random_runs_lose_nothing_and_come_to_rest() -> None:
    """T9: none lost, none on two nodes, nothing planned at rest; a failure names its seed."""
    for seed in range(RUNS):
        run = Run(seed)
        try:
            run.live()
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


@pytest.mark.parametrize("seed", [3442, 12_235_300, 12_239_682, 50_035_768, 50_121_746])
def test_harm_07_lives_that_once_left_a_node_without_an_address(seed: int) -> None:
    """Two addresses were on one machine, or what a cloud called failed came true."""
    Run(seed).live()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(min_value=10**6, max_value=10**9))
def test_random_runs_from_seeds_nobody_chose(seed: int) -> None:
    Run(seed).live()


@pytest.mark.parametrize("kind", [LabelNode, UnlabelNode, WriteStatus, Mutate])
def test_d1_a_crash_after_every_single_action_converges(kind: type) -> None:
    """Kill the process after the n-th action of every kind during a move, for every n."""
    crashes = 0
    for number in range(10):
        simulation = Simulation()
        for name in NODES[:3]:
            simulation.add_node(name)
        simulation.allocate("a", *ADDRESSES[:2])
        simulation.settle()
        before = len(simulation.cloud.mutations)
        simulation.change_node("n1", unschedulable=True)
        left = [number]

        def crash(action: object, left: list[int] = left) -> None:
            if isinstance(action, kind):
                left[0] -= 1
                if left[0] < 0:
                    left[0] = 1000
                    raise Crash

        simulation.after = crash
        try:
            simulation.settle()
        except Crash:
            crashes += 1
            simulation.crash()
            simulation.settle()
        assert simulation.where(ADDRESSES[0]) == "n3"
        assert len(simulation.cloud.mutations) - before <= 2  # the move, and at most one repeat
        assert simulation.where(ADDRESSES[1]) == "n2"
        if crashes == number:  # there are no more actions of this kind to die of
            break
    assert 1 <= crashes < 10
