"""A node that is NotReady may recover: until its time is over people read when that is."""

from __future__ import annotations

import pytest
from core_builders import IP1, IP2
from loop_writes import WriteStatus
from simulated_cluster import START
from simulation import Simulation

from moorage_core.decide.moments import clock, steady
from moorage_core.model import AddressRecord, Phase


@pytest.fixture
def bound() -> Simulation:
    """An address at rest on n1; n2 is free."""
    simulation = Simulation()
    simulation.add_node("n1")
    simulation.add_node("n2")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.events.clear()
    simulation.writes.clear()
    return simulation


def test_harm_24_it_says_since_when_and_when_the_address_moves(bound: Simulation) -> None:
    bound.change_node("n1", ready=False)
    bound.settle(1)
    began = bound.now - 1
    told = (
        f"node n1 is NotReady since {clock(began)}, the address moves at {clock(began + 40)} UTC"
        " unless it recovers"
    )
    ready, _, degraded, _ = bound.stored["a"].conditions[:4]
    assert (ready.status, ready.reason) == ("False", "NodeNotReady")
    assert ready.message == f"0 of 1 addresses are on their nodes: {IP1}: {told}"
    assert (degraded.status, degraded.reason) == ("True", "NodeNotReady")
    assert bound.events == [f"Warning NodeNotReady: {IP1}: {told}"]
    # Nothing leaves yet, the label neither.
    assert (bound.where(IP1), list(bound.labelled())) == ("n1", ["n1"])
    assert bound.record("a", IP1).phase is Phase.HOLDING


def test_harm_24_it_is_written_once_while_it_lasts(bound: Simulation) -> None:
    bound.change_node("n1", ready=False)
    for _ in range(12):
        bound.work(3.1)
        bound.pass_over("a")
    assert len([one for one in bound.writes if isinstance(one, WriteStatus)]) == 1
    bound.settle(4)
    assert bound.where(IP1) == "n2"


def test_harm_24_a_recovery_starts_the_time_anew(bound: Simulation) -> None:
    for _ in range(5):
        bound.change_node("n1", ready=False)
        bound.settle(35)
        assert bound.record("a", IP1).reason == "NodeNotReady"
        bound.change_node("n1", ready=True)
        bound.settle(5)
        assert bound.record("a", IP1).reason == "Bound"
    assert bound.where(IP1) == "n1"


def test_harm_24_a_cordoned_node_that_is_not_ready_is_no_place_to_serve_from(
    bound: Simulation,
) -> None:
    bound.busy.add("n1")
    bound.change_node("n1", unschedulable=True)
    bound.settle(1)
    assert bound.record("a", IP1).reason == "WorkloadRunning"
    bound.change_node("n1", ready=False)
    bound.settle(1)
    found = bound.record("a", IP1)
    assert found.reason == "NodeNotReady"
    assert found.message.startswith("node n1 is cordoned; pods still run there; it is NotReady")
    assert bound.stored["a"].conditions[0].status == "False"


def test_harm_24_with_most_of_the_pool_nothing_is_promised_to_move() -> None:
    simulation = Simulation()
    for name in ("n1", "n2", "n3", "n4"):
        simulation.add_node(name)
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    for name in ("n1", "n2", "n3"):
        simulation.change_node(name, ready=False)
    simulation.settle(1)
    assert simulation.record("a", IP1).reason == "MassNotReady"
    simulation.settle(100)
    assert simulation.where(IP1) == "n1"


@pytest.mark.parametrize("ahead", [-1.0, -0.6, 0.0, 0.7, 1.4])
def test_a_second_more_or_less_is_no_news(ahead: float) -> None:
    def message(moment: float) -> str:
        return f"at {clock(moment)}"

    told = AddressRecord(IP1, message=message(START))
    assert steady(told, START + ahead, message) == told.message
    assert steady(told, START + 5.0, message) == message(START + 5.0)
