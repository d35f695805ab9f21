"""What ``kubectl get`` and ``describe`` show of an allocation whose addresses others move."""

from __future__ import annotations

import pytest
from core_builders import IP1, IP2, node_ref, record, tainted
from loop_writes import WriteStatus
from simulation import Simulation

from moorage_api.netipallocation import DEFINITION
from moorage_core.decide.moments import clock
from moorage_core.model import AddressRecord, ForeignPolicy, Phase
from moorage_core.status import placement


@pytest.fixture
def bound() -> Simulation:
    """Two addresses at rest on n1 and n2; n3 is free."""
    simulation = Simulation()
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    simulation.events.clear()
    return simulation


def test_harm_27_an_address_that_somebody_moved_is_a_warning_from_where_to_where(
    bound: Simulation,
) -> None:
    began = bound.record("a", IP1).since
    bound.cloud.assign(IP1, "vm-n3")
    bound.settle(60)
    told = "somebody else moved it from node n1 to node n3, where it stays"
    assert bound.events == [f"Warning MovedByOthers: {IP1}: {told}"]
    moved = bound.record("a", IP1)
    assert (moved.phase, moved.node_ref and moved.node_ref.name) == (Phase.BOUND, "n3")
    # Both times say when it came there.
    assert began < moved.since == moved.observed_at


def test_a_move_of_our_own_is_no_warning(bound: Simulation) -> None:
    bound.change_node("n1", taints=tainted("node.kubernetes.io/out-of-service"))
    bound.settle()
    assert bound.where(IP1) == "n3"
    assert not [one for one in bound.events if "MovedByOthers" in one]


def test_a_node_that_is_registered_again_is_no_move(bound: Simulation) -> None:
    bound.remove_node("n1")
    bound.add_node("n1")
    bound.settle()
    assert bound.where(IP1) == "n1"
    assert not [one for one in bound.events if "MovedByOthers" in one]


def test_harm_27_where_the_policy_spares_a_machine_the_reason_stays_and_is_told_once() -> None:
    simulation = Simulation()
    simulation.add_node("n1")
    simulation.cloud.add_machine("stranger", cluster="other")
    simulation.cloud.add_address(IP1)
    simulation.cloud.assign(IP1, "stranger")
    simulation.allocate("a", IP1, foreign=ForeignPolicy.IF_UNMANAGED)
    simulation.settle()
    found = simulation.record("a", IP1)
    assert (found.phase, found.reason) == (Phase.BLOCKED, "InUseByForeign")
    assert found.message == (
        f"machine stranger holds {IP1} and belongs to cluster other; spec.foreignPolicy"
        " IfUnmanaged leaves it alone"
    )
    shown: set[str] = set()
    simulation.after = lambda _: shown.add(simulation.record("a", IP1).reason)
    simulation.work(300)
    assert shown == {"InUseByForeign"}
    told = [one for one in simulation.events if "InUseByForeign" in one]
    assert len(told) == 1
    # What belongs to nobody is taken, as the policy says.
    simulation.cloud.add_machine("alone")
    simulation.cloud.assign(IP1, "alone")
    simulation.settle(300)
    assert simulation.where(IP1) == "n1"


def on_its_way(phase: Phase, operation: str = "") -> AddressRecord:
    """A record of an address on its way from n1 to n2."""
    return record(IP1, "n2", phase=phase, previous=node_ref("n1"), operation=operation)


@pytest.mark.parametrize(
    ("one", "holder"),
    [
        (record(IP1, "n1"), "n1"),
        (record(IP1, "n1", phase=Phase.UNKNOWN), "n1"),
        (AddressRecord(IP1, Phase.WAITING, previous=node_ref("n1")), "-"),
        (on_its_way(Phase.PREPARING), "n1"),
        (on_its_way(Phase.ATTACHING, "move/r"), "n1"),
        (on_its_way(Phase.ATTACHING, "attach/r"), "-"),
        (on_its_way(Phase.VERIFYING, "attach/r"), "n2"),
        (on_its_way(Phase.BLOCKED, "move/r"), "n1"),
    ],
)
def test_harm_27_placement_says_who_has_it_now(one: AddressRecord, holder: str) -> None:
    assert placement((one,)) == f"{IP1}={holder}"


def test_harm_27_placement_of_many_addresses_is_one_line() -> None:
    many = [record(f"203.0.113.{n}", f"n{n}") for n in range(12)]
    assert placement(many).startswith("203.0.113.0=n0, 203.0.113.1=n1, ")
    assert placement(many).endswith("203.0.113.9=n9, and 2 more")
    assert placement(()) == ""


def test_harm_27_the_wide_columns_are_those_a_person_asks_for() -> None:
    wide = [column.name for column in DEFINITION.columns if column.wide]
    assert wide == ["Region", "Placement", "Message"]


def test_harm_19_a_gone_node_is_said_by_the_clock_and_read_often_for_its_machine(
    bound: Simulation,
) -> None:
    bound.work(1.0)
    bound.remove_node("n1")
    bound.work(1.0)
    gone = bound.now - 1.0
    found = bound.record("a", IP1)
    assert found.reason == "NodeGone"
    assert found.message == (
        f"the Node object n1 is gone since {clock(gone)}; its machine had the address when the"
        f" cloud was last read; it moves at {clock(gone + 60)} UTC, or as soon as the machine has"
        " lost it"
    )
    assert bound.where(IP1) == "vm-n1"
    bound.cloud.terminate("vm-n1")
    # Without a word from the cluster: the cloud is read every 30 s, and more often now.
    bound.work(5.0)
    assert bound.where(IP1) == "n3"
    assert f"Normal Attaching: {IP1}: giving it to node n3" in bound.events


def test_a_gone_node_whose_machine_keeps_the_address_is_written_once(bound: Simulation) -> None:
    bound.remove_node("n1")
    bound.work(1.0)
    bound.writes.clear()
    bound.work(57.0)
    assert [one for one in bound.writes if isinstance(one, WriteStatus)] == []
    bound.work(5.0)
    assert bound.where(IP1) == "n3"
