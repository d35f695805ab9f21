"""A move on each emulated cloud, by its real SDK: one intention, begun for a fit target only."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from accidents import ApiError
from emulated_cloud import EmulatedCloud, emptied
from loop_writes import WriteStatus
from simulation import Simulation
from test_random_runs import cloud, kind  # noqa: F401  # fixtures

from moorage_core.actions import Mutate, UnlabelNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop_writes import Write

    from moorage_provider.protocol import Provider
    from moorage_testing.clouds.memory import MemoryCloud

IP = "203.0.113.10"


@pytest.fixture
def drained(
    cloud: tuple[EmulatedCloud, Provider],  # noqa: F811  # the fixture
) -> Iterator[Simulation]:
    """An address on n1, which is cordoned; n2 is free. Nothing has been done about it yet."""
    emulated, provider = cloud
    with emptied(emulated):
        simulation = Simulation(cast("MemoryCloud", emulated), provider)
        for name in ("n1", "n2"):
            simulation.add_node(name)
        simulation.allocate("a", IP)
        simulation.settle()
        assert simulation.where(IP) == "n1"
        simulation.writes.clear()
        simulation.change_node("n1", unschedulable=True)
        yield simulation


def test_harm_17_once_a_move_has_begun_no_status_must_be_written_to_end_it(
    drained: Simulation,
) -> None:
    def refuse(write: Write) -> None:
        """The API server stops once the intention of the move is stored, and the label is off."""
        if isinstance(write, WriteStatus) and any(
            isinstance(one, UnlabelNode) for one in drained.writes
        ):
            raise ApiError

    drained.before = refuse
    for _ in range(4):
        try:
            drained.work(5.0)
        except ApiError:
            continue
    assert drained.where(IP) == "n2"
    drained.before = lambda _: None
    drained.settle()
    assert set(drained.labelled()) == {"n2"}


def test_harm_15_for_an_unfit_target_no_label_comes_off(
    drained: Simulation,
    cloud: tuple[EmulatedCloud, Provider],  # noqa: F811  # the fixture
) -> None:
    cloud[0].world.stop(drained.machine_of(drained.nodes["n2"]))
    drained.settle(seconds=600.0)
    assert any(isinstance(one, Mutate) for one in drained.writes)
    assert not any(isinstance(one, UnlabelNode) for one in drained.writes)
    assert drained.where(IP) == "n1"
    assert set(drained.labelled()) == {"n1"}
