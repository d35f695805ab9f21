"""Restore: which nodes get a public address of their own again, when, and what it waits for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    IP3,
    NOW,
    UPTIME,
    allocation,
    node,
    node_ref,
    observed_with,
    record,
)

from moorage_core.decide.address import settle_on_fit_node
from moorage_core.decide.case import Case, Step, locate
from moorage_core.decide.restore import (
    hand_over,
    pending_restores,
    refused_restores,
    restorable_now,
    restore,
    restore_refused_target,
)
from moorage_core.decide.targets import Targets
from moorage_core.model import (
    Absent,
    AddressRecord,
    Awaited,
    CloudState,
    Mutation,
    NodeReference,
    Outcome,
    Phase,
    Present,
    Unread,
)
from moorage_core.reasons import DENIED
from moorage_domain.nodes import Node
from moorage_provider.errors import MachineUnfit
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder

N1, N2, N3 = node_ref("n1"), node_ref("n2"), node_ref("n3")
NODES = (node("n1"), node("n2"), node("n3"))


def held_by(holder: MachineHolder | OtherHolder | None) -> Present:
    return Present(CloudAddress(IP1, "reservation-1", holder, "token-1"))


ON_N1 = held_by(MachineHolder("vm-n1"))
FREE = held_by(None)


def case(
    one: AddressRecord, state: CloudState = ON_N1, nodes: tuple[Node, ...] = NODES, **fields: Any
) -> Case:
    given = observed_with(*nodes, one=allocation(IP1), records=(one,), **fields)
    return Case(one, state, locate(one, state, given), given, Targets(given))


def now(one: Case) -> tuple[NodeReference, ...]:
    return restorable_now(one, one.record)


def bound(*pending: NodeReference, **fields: Any) -> AddressRecord:
    """An address on n1, for which these nodes gave their own address up."""
    return record(IP1, "n1", restore_pending=pending, **fields)


def after(**uptimes: float) -> dict[str, Any]:
    """When a node's address may be restored, by node name."""
    return {"restore_after": {IP1: {f"uid-{name}": moment for name, moment in uptimes.items()}}}


# Which nodes.


def test_the_nodes_the_address_has_left_are_restored_the_one_that_holds_it_is_not() -> None:
    assert pending_restores(case(bound(N1, N2, N3))) == (N2, N3)


@pytest.mark.parametrize(
    "state",
    [FREE, Absent(), Awaited(), Unread(DENIED, "no"), held_by(OtherHolder("load balancer"))],
)
def test_where_no_machine_holds_the_address_every_node_is_restored(state: CloudState) -> None:
    assert pending_restores(case(bound(N1, N2), state)) == (N1, N2)


def test_a_node_without_a_machine_of_this_cloud_is_not_restored() -> None:
    gone = replace(N3, provider_id="memory://vm-never")
    assert pending_restores(case(bound(gone, N2))) == (N2,)


def test_a_deleted_node_object_whose_machine_is_known_is_restored() -> None:
    machine_of = {each.provider_id: f"vm-{each.name}" for each in NODES}
    assert pending_restores(case(bound(N3), nodes=NODES[:2], machine_of=machine_of)) == (N3,)


def test_without_a_pending_restore_no_node_is_restored() -> None:
    one = case(bound())
    assert (pending_restores(one), now(one)) == ((), ())


# When.


def test_a_node_whose_restore_failed_waits_for_its_time() -> None:
    waiting = after(n2=UPTIME + 0.5)
    assert now(case(bound(N2, N3), **waiting)) == (N3,)
    assert pending_restores(case(bound(N2, N3), **waiting)) == (N2, N3)


def test_a_restore_is_due_at_the_very_moment() -> None:
    assert now(case(bound(N2), **after(n2=UPTIME))) == (N2,)


def test_the_pause_of_another_address_holds_no_restore_back() -> None:
    other: dict[str, Any] = {"restore_after": {IP2: {"uid-n2": UPTIME + 60}}}
    assert now(case(bound(N2), **other)) == (N2,)


def test_harm_07_what_failed_before_this_process_began_may_still_come_true() -> None:
    """The process that saw it fail knew for how long; this one looks on for that long at most."""
    failed = bound(N2, attempts=1, last_failure="no answer")
    assert now(case(failed, working_seconds=29.0)) == ()
    assert pending_restores(case(failed, working_seconds=29.0)) == (N2,)
    assert now(case(failed, working_seconds=30.0)) == (N2,)
    assert now(case(bound(N2), working_seconds=0.0)) == (N2,)


def test_what_failed_in_this_process_is_restored_when_that_says_so() -> None:
    failed = bound(N2, attempts=1, last_failure="unfit")
    outcomes = {IP1: Outcome(Mutation.ATTACH, "a", MachineUnfit("no"), "uid-n2")}
    assert now(case(failed, working_seconds=1.0, outcomes=outcomes)) == (N2,)
    waiting = after(n2=UPTIME + 0.5)
    assert now(case(failed, working_seconds=1.0, outcomes=outcomes, **waiting)) == ()


def test_the_next_pass_is_when_an_earlier_failure_is_over() -> None:
    failed = case(bound(N2, attempts=1), working_seconds=20.0)
    assert restore(failed, Step(failed.record)).wait == 10.0


# One after the other, beside a step that needs nothing more.


def test_the_first_due_restore_is_begun_and_the_address_stays_where_it_is() -> None:
    one = bound(N2, N3)
    step = restore(case(one), Step(one, wait=7.0))
    assert step.record is not None
    assert step.mutate is not None
    assert (step.mutate.mutation, step.mutate.node_ref) == (Mutation.RESTORE, N2)
    assert (step.mutate.machine_id, step.mutate.ip, step.mutate.allocation) == ("vm-n2", IP1, "a")
    assert step.record == replace(
        one, operation=f"compensate/{step.mutate.request_id}", observed_at=NOW
    )


def test_restores_of_two_nodes_have_request_ids_of_their_own() -> None:
    first = restore(case(bound(N2)), Step(bound(N2))).mutate
    second = restore(case(bound(N3)), Step(bound(N3))).mutate
    again = restore(case(bound(N2)), Step(bound(N2))).mutate
    assert first is not None
    assert second is not None
    assert first.request_id != second.request_id
    assert again == first


def test_a_node_that_must_wait_does_not_hold_the_next_one_back() -> None:
    one = bound(N2, N3)
    step = restore(case(one, **after(n2=UPTIME + 60)), Step(one))
    assert step.mutate is not None
    assert step.mutate.node_ref == N3


@pytest.mark.parametrize(
    ("wait", "expected"), [(None, 20.0), (5.0, 5.0), (30.0, 20.0), (20.0, 20.0)]
)
def test_while_all_must_wait_the_earliest_moment_counts(
    wait: float | None, expected: float
) -> None:
    one = bound(N2, N3)
    waiting = after(n2=UPTIME + 60, n3=UPTIME + 20)
    assert restore(case(one, **waiting), Step(one, wait=wait)) == Step(one, wait=expected)


def test_a_node_that_is_not_restored_any_more_is_not_waited_for() -> None:
    one = bound(N1, N2)
    waiting = after(n1=UPTIME + 5, n2=UPTIME + 60)
    assert restore(case(one, **waiting), Step(one)) == Step(one, wait=60.0)


def test_nothing_is_restored_for_an_address_that_is_forgotten() -> None:
    assert restore(case(bound(N2)), Step(None)) == Step(None)


def test_a_step_without_pending_restores_stays_as_it_is() -> None:
    step = Step(bound(), wait=3.0)
    assert restore(case(bound()), step) is step
    own = Step(bound(N1), wait=3.0)
    assert restore(case(bound(N1)), own) is own


# A target that gave its own address up and cannot have the reserved one.


def prepared(*pending: NodeReference, **fields: Any) -> AddressRecord:
    """An address on its way to n2."""
    given = {"phase": Phase.PREPARING, "operation": "prepared/uid-n2", "previous": N1}
    return record(IP1, "n2", restore_pending=pending, **(given | fields))


def refused(
    one: AddressRecord, state: CloudState = FREE, target: Node = NODES[1], **fields: Any
) -> Step | None:
    return restore_refused_target(case(one, state, (NODES[0], target, NODES[2]), **fields))


def is_restored(step: Step | None) -> bool:
    """Whether n2 is restored; anything else than that or nothing is a failure."""
    if step is None:
        return False
    assert step.mutate is not None
    assert step.record is not None
    assert (step.mutate.mutation, step.mutate.node_ref) == (Mutation.RESTORE, N2)
    assert (step.record.phase, step.record.reason) == (Phase.COMPENSATING, "Compensating")
    return True


def test_a_target_that_can_still_have_the_address_keeps_waiting_for_it() -> None:
    assert not is_restored(refused(prepared(N2)))


@pytest.mark.parametrize(
    "target",
    [
        node("n2", unschedulable=True),
        node("n2", ready=False),
        node("n2", "karpenter.sh/disrupted"),
        node("n2", "node.kubernetes.io/out-of-service"),
        node("n2", deleting=True),
        node("n2", labels={"pool": "b"}),
        node("n2", uid="uid-of-another"),
    ],
)
def test_a_target_that_cannot_have_the_address_any_more_is_restored_first(target: Node) -> None:
    assert is_restored(refused(prepared(N2), target=target))


def test_a_target_whose_node_object_is_gone_is_restored_first() -> None:
    machine_of = {each.provider_id: f"vm-{each.name}" for each in NODES}
    without = case(prepared(N2), FREE, (NODES[0], NODES[2]), machine_of=machine_of)
    assert is_restored(restore_refused_target(without))


def test_a_target_that_refused_the_address_is_restored_while_it_is_avoided() -> None:
    def avoided(until: float, ip: str = IP1) -> Step | None:
        return refused(prepared(N2), avoided={ip: {"uid-n2": until}})

    assert is_restored(avoided(UPTIME + 1))
    assert not is_restored(avoided(UPTIME))
    assert not is_restored(avoided(UPTIME + 1, IP2))


CORDONED = node("n2", unschedulable=True)


@pytest.mark.parametrize(
    ("one", "state", "fields"),
    [
        (replace(prepared(N2), node_ref=None), FREE, {}),
        (prepared(), FREE, {}),
        (prepared(N3), FREE, {}),
        (prepared(N2), held_by(MachineHolder("vm-n2")), {}),
        (prepared(N2), Awaited(), {}),
        (prepared(N2), Absent(), {}),
        (prepared(N2), FREE, after(n2=UPTIME + 9)),
    ],
    ids=[
        "no target", "it gave nothing up", "another one did", "it has the address",
        "being read", "no such address", "too early",
    ],
)  # fmt: skip
def test_a_cordoned_target_is_not_restored(
    one: AddressRecord, state: CloudState, fields: dict[str, Any]
) -> None:
    assert refused(one, state, CORDONED, **fields) is None


def test_a_cordoned_target_is_restored_where_nothing_speaks_against_it() -> None:
    assert is_restored(refused(prepared(N2), FREE, CORDONED, **after(n2=UPTIME)))


# A node that was given another address meanwhile.


def test_harm_07_what_a_node_is_owed_goes_over_to_the_address_that_it_has_now() -> None:
    left = record(IP1, "n2", restore_pending=(N1, N2, N3))
    now_there = record(IP2, "n1", restore_pending=(N1,))
    released = record(IP3, phase=Phase.RELEASING, restore_pending=(N1,))
    records = {one.ip: one for one in (left, now_there, released)}
    handed = hand_over(records, NOW)
    owed = {ip: one.restore_pending for ip, one in handed.items()}
    assert owed == {IP1: (N2, N3), IP2: (N1,), IP3: ()}
    assert hand_over(handed, NOW) == handed


def test_harm_07_what_a_node_is_owed_goes_over_to_the_address_that_is_about_to_leave_it() -> None:
    """Put there by hand, beside the one that is released: the node must not stay without any."""
    released = record(IP1, "n1", phase=Phase.RELEASING, restore_pending=(N1,))
    leaving = record(IP2, "n2", phase=Phase.ATTACHING, previous=N1)
    handed = hand_over({IP1: released, IP2: leaving}, NOW)
    assert {ip: one.restore_pending for ip, one in handed.items()} == {IP1: (), IP2: (N1,)}
    # What is there to stay comes first.
    there = record(IP1, "n1", restore_pending=(N1,))
    assert hand_over({IP1: there, IP2: leaving}, NOW)[IP1].restore_pending == (N1,)


def test_harm_07_what_a_node_is_owed_goes_over_to_the_address_beside_its_own() -> None:
    """Put there by hand, it keeps the cloud from lending one: it is owed until that one leaves."""
    released = record(IP1, "n1", phase=Phase.RELEASING, restore_pending=(N1,))
    beside = record(IP2, "n1", phase=Phase.WAITING, reason="NoEligibleNode")
    handed = hand_over({IP1: released, IP2: beside}, NOW)
    assert {ip: one.restore_pending for ip, one in handed.items()} == {IP1: (), IP2: (N1,)}
    # One in the place that it should have comes first.
    held = record(IP1, "n1", phase=Phase.HOLDING, restore_pending=(N1,))
    assert hand_over({IP1: held, IP2: beside}, NOW)[IP1].restore_pending == (N1,)


def test_harm_07_what_an_older_allocation_has_taken_over_is_left_where_it_is() -> None:
    conflict = record(IP1, reason="Conflict", restore_pending=(N1,))
    records = {IP1: conflict, IP2: record(IP2, "n1")}
    assert hand_over(records, NOW) == records


@pytest.mark.parametrize("taken", [{"n2": "b"}, {}])
def test_harm_07_a_node_that_has_another_address_is_restored_once_that_has_left(
    taken: dict[str, str],
) -> None:
    one = case(bound(N2), taken=taken)
    assert now(one) == (() if taken else (N2,))
    step = restore(one, Step(one.record))
    assert (step.mutate is None, step.wait) == (bool(taken), 60.0 if taken else None)


def test_harm_07_while_a_lost_answer_may_come_true_nobody_is_restored() -> None:
    begun = bound(N2, phase=Phase.ATTACHING, operation="attach/r1", since=NOW - 10)
    one = case(begun, FREE)
    assert now(one) == ()
    assert restore(one, Step(begun)) == Step(begun, wait=20.0)
    assert now(case(replace(begun, since=NOW - 30), FREE)) == (N2,)
    assert now(case(replace(begun, attempts=1), FREE)) == (N2,)


# The cloud refuses before people act.


def test_harm_07_a_refused_restore_is_a_reason_of_its_own() -> None:
    why = "the credentials lack ec2:ModifyNetworkInterfaceAttribute"
    refused: dict[str, Any] = {"restore_refused": {IP1: {"uid-n2": why}}}
    one = case(bound(N1, N2), **refused, **after(n2=UPTIME + 30))
    assert refused_restores(one) == f"node n2 has no public address of its own any more: {why}"
    step = settle_on_fit_node(one)
    assert step is not None
    assert step.record is not None
    assert (step.record.phase, step.record.reason) == (Phase.BOUND, "NodeNotRestored")
    assert step.record.message == f"on node n1; {refused_restores(one)}"
    assert refused_restores(case(bound(N1, N3), **refused)) == ""


def test_harm_07_a_node_that_is_refused_its_own_address_may_have_another_meanwhile() -> None:
    pending = record(IP1, "n1", restore_pending=(N2,))
    other = record(IP2)

    def picked(**fields: Any) -> Node | None:
        given = observed_with(
            *NODES[:2], one=allocation(IP1, IP2), records=(pending, other), **fields
        )
        targets = Targets(given)
        targets.assume("n1", IP1)
        return targets.pick(other)

    assert picked() is None
    assert picked(restore_refused={IP1: {"uid-n2": "no right"}}) == NODES[1]
