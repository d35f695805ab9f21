"""The rules of one wanted address where time or an earlier mutation decides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import (
    IP1,
    NOW,
    UPTIME,
    allocation,
    in_flight,
    node,
    node_ref,
    observed_with,
    record,
)

from moorage_core.actions import Reread
from moorage_core.decide.address import decide_address
from moorage_core.decide.case import Case, Step, locate
from moorage_core.decide.targets import Targets
from moorage_core.model import (
    AddressRecord,
    CloudState,
    ForeignPolicy,
    Mutation,
    Phase,
    Present,
)
from moorage_domain.nodes import Node
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder

CORDONED = node("n1", unschedulable=True)


def held_by(holder: MachineHolder | OtherHolder | None) -> Present:
    return Present(CloudAddress(IP1, "reservation-1", holder, "token-1"))


ON_N1 = held_by(MachineHolder("vm-n1"))
FREE = held_by(None)
STRANGER = held_by(MachineHolder("vm-stranger"))


def decided(about: AddressRecord, state: CloudState, *nodes: Node, **fields: Any) -> Step:
    fields.setdefault("one", allocation(IP1))
    fields.setdefault("counted", {"n1": True})
    given = observed_with(*nodes, records=(about,), **fields)
    return decide_address(Case(about, state, locate(about, state, given), given, Targets(given)))


def verifying(operation: str, age: float = 0.0) -> AddressRecord:
    """A mutation to n1 that the cloud has accepted and that ended some seconds ago."""
    return record(
        IP1, "n1", phase=Phase.VERIFYING, reason="Verifying", operation=operation, since=NOW - age
    )


# While a mutation is under way.


@pytest.mark.parametrize("state", [ON_N1, FREE, STRANGER])
def test_nothing_is_begun_while_a_mutation_is_in_flight_though_the_cloud_state_is_fresh(
    state: CloudState,
) -> None:
    one = record(IP1, "n1", phase=Phase.ATTACHING, operation="move/r1")
    nodes = (CORDONED, node("n2"))
    assert decided(one, state, *nodes, in_flight=in_flight(Mutation.MOVE)) == Step(one)
    idle = decided(one, state, *nodes)
    assert idle.mutate is not None or idle.record != one


def test_what_the_cloud_knows_the_mutation_by_is_written_down_as_soon_as_it_is_known() -> None:
    one = record(IP1, "n1", phase=Phase.ATTACHING, operation="move/r1", handle="operation-1")
    same = decided(one, ON_N1, node("n1"), in_flight=in_flight(Mutation.MOVE))
    assert same.record is one
    newer = decided(
        one, ON_N1, node("n1"), in_flight=in_flight(Mutation.MOVE), handles={IP1: "operation-2"}
    )
    assert newer == Step(replace(one, handle="operation-2", observed_at=NOW))


# When nodes are avoided.


def test_without_a_target_the_next_pass_is_when_the_first_node_is_not_avoided_any_more() -> None:
    avoided = {IP1: {"uid-n1": UPTIME - 5, "uid-n2": UPTIME + 9, "uid-n3": UPTIME + 7}}
    nodes = (CORDONED, node("n2"), node("n3"))
    step = decided(record(IP1, "n1"), ON_N1, *nodes, avoided=avoided)
    assert step.mutate is None
    assert step.record is not None
    assert (step.record.reason, step.wait) == ("NoEligibleNode", 7.0)


@pytest.mark.parametrize("since", [0.0, 5.0])
def test_avoidance_that_is_over_is_not_waited_for(since: float) -> None:
    avoided = {IP1: {"uid-n1": UPTIME - since}}
    step = decided(record(IP1, "n1"), ON_N1, CORDONED, avoided=avoided)
    assert (step.mutate, step.wait) == (None, None)


# Until the cloud shows what it accepted.


@pytest.mark.parametrize(
    ("age", "pause"),
    [(-1.0, 0.2), (0.0, 0.2), (1.0, 0.7), (3.0, 1.7), (3.6, 2.0), (10.0, 2.0), (29.5, 2.0)],
)
def test_an_address_is_read_again_ever_later_while_the_cloud_does_not_show_the_change(
    age: float, pause: float
) -> None:
    one = verifying("attach/r1", age)
    step = decided(one, FREE, node("n1"))
    assert (step.record, step.mutate) == (one, None)
    assert step.reread is not None
    assert step.reread.ip == IP1
    assert step.reread.after == pytest.approx(pause)
    assert step.wait == pytest.approx(pause)


@pytest.mark.parametrize("age", [30.0, -1.5])
def test_the_cloud_is_believed_after_a_while_and_where_our_time_proves_nothing(age: float) -> None:
    step = decided(verifying("attach/r1", age), FREE, node("n1"))
    assert step.reread is None
    assert step.mutate is not None
    assert step.mutate.mutation is Mutation.ATTACH


def test_a_strangers_machine_in_an_old_cloud_state_is_waited_out_after_our_move() -> None:
    one = verifying("move/r1")
    anyone = allocation(IP1, foreign=ForeignPolicy.ALWAYS)
    step = decided(one, STRANGER, node("n1"), one=anyone)
    assert step == Step(one, reread=Reread(IP1, 0.2), wait=0.2)


def test_a_stranger_that_may_keep_it_is_left_alone_at_once() -> None:
    step = decided(verifying("move/r1"), STRANGER, node("n1"))
    assert step.record is not None
    assert (step.record.reason, step.record.node_ref) == ("InUseByForeign", None)
    assert (step.mutate, step.reread) == (None, None)


def test_a_service_of_the_cloud_is_never_taken_from_whatever_the_policy_says() -> None:
    anyone = allocation(IP1, foreign=ForeignPolicy.ALWAYS)
    balancer = held_by(OtherHolder("load balancer lb-1"))
    step = decided(AddressRecord(IP1), balancer, node("n1"), one=anyone)
    assert step.mutate is None
    assert step.record is not None
    assert step.record.reason == "InUseByForeign"


def test_a_detach_is_shown_once_nobody_holds_the_address() -> None:
    one = verifying("detach/r1")
    here = decided(one, ON_N1, node("n1"))
    assert (here.record, here.reread) == (one, Reread(IP1, 0.2))
    shown = decided(one, FREE, node("n1"))
    assert shown.reread is None
    assert shown.mutate is not None


def test_an_attach_is_shown_once_its_own_target_holds_the_address() -> None:
    nodes = (node("n1"), node("n2"))
    elsewhere = decided(verifying("attach/r1"), held_by(MachineHolder("vm-n2")), *nodes)
    assert elsewhere.reread is not None
    shown = decided(verifying("attach/r1"), ON_N1, *nodes)
    assert shown.record is not None
    assert (shown.record.phase, shown.record.node_ref) == (Phase.BOUND, node_ref("n1"))
    assert shown.reread is None


# When most of the pool is down.


def test_while_most_of_the_pool_is_down_an_address_stays_with_a_pass_once_a_minute() -> None:
    nodes = [node(name, ready=False) for name in ("n1", "n2", "n3")]
    since = {each.uid: UPTIME - 100 for each in nodes}
    step = decided(record(IP1, "n1"), ON_N1, *nodes, not_ready_since=since)
    assert step.record is not None
    assert (step.record.phase, step.record.reason) == (Phase.HOLDING, "MassNotReady")
    assert (step.record.node_ref, step.mutate, step.wait) == (node_ref("n1"), None, 60.0)


# On the node's machine, but not on the node's own private address.

BESIDE = held_by(MachineHolder("vm-n1", "nic-2", "interface nic-2"))


def beside(one: AddressRecord, *nodes: Node, **fields: Any) -> Step:
    return decided(one, BESIDE, *nodes, **fields)


def test_harm_08_an_address_beside_the_nodes_own_is_no_bound_one() -> None:
    step = beside(record(IP1, "n1"), node("n0"), node("n1"))
    assert step.record is not None
    assert step.mutate is not None
    assert (step.record.phase, step.record.reason) == (Phase.ATTACHING, "Misplaced")
    assert step.record.message == (
        "moving it to node n1: it is on interface nic-2 of node n1, not on the node's own address"
    )
    assert (step.mutate.mutation, step.mutate.machine_id) == (Mutation.MOVE, "vm-n1")


def test_harm_08_where_its_place_is_taken_it_goes_to_another_node() -> None:
    refused = {IP1: {"uid-n1": UPTIME + 60}}
    step = beside(record(IP1, "n1"), node("n0"), node("n1"), avoided=refused)
    assert step.mutate is not None
    assert step.mutate.machine_id == "vm-n0"


def test_harm_08_where_no_node_is_left_it_stays_and_is_not_bound() -> None:
    refused = {IP1: {"uid-n1": UPTIME + 60}}
    step = beside(record(IP1, "n1"), node("n1"), avoided=refused)
    assert step.record is not None
    assert step.mutate is None
    assert (step.record.phase, step.record.reason) == (Phase.WAITING, "NoEligibleNode")
    assert "interface nic-2 of node n1, where it is of no use" in step.record.message


def test_harm_08_a_cordoned_node_gives_it_up_without_waiting_for_pods() -> None:
    step = beside(record(IP1, "n1"), node("n0"), node("n1", unschedulable=True), busy=["n1"])
    assert step.mutate is not None
    assert (step.mutate.mutation, step.mutate.machine_id) == (Mutation.MOVE, "vm-n0")


def test_harm_08_a_finished_move_that_the_cloud_does_not_show_yet_is_not_begun_again() -> None:
    one = verifying("move/r1")
    step = beside(one, node("n1"))
    assert (step.mutate, step.record) == (None, one)
