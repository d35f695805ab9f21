"""How a mutation is begun: what is written down, what is asked, and under which request id."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import IP1, NOW, allocation, node, node_ref, observed_with, record

from moorage_core import reasons
from moorage_core.actions import Mutate
from moorage_core.decide.begin import (
    Why,
    address_of,
    attach_next,
    begin,
    begin_detach,
    begin_restore,
)
from moorage_core.decide.case import (
    Case,
    Foreign,
    Holder,
    Nobody,
    OnGone,
    OnNode,
    Step,
    reference_to,
)
from moorage_core.decide.targets import Targets
from moorage_core.model import Absent, AddressRecord, ForeignPolicy, Mutation, Phase, Present
from moorage_provider.protocol import CloudAddress, MachineHolder
from moorage_testing.clouds.memory import TWO_STEPS

N1, N2 = node("n1"), node("n2")
P2 = reference_to(N2)
ADDRESS = CloudAddress(IP1, "eipalloc-1", MachineHolder("vm-n1"), "token-1")
AT_REST = record(IP1, "n1", since=5.0)


def case(
    one: AddressRecord = AT_REST,
    holder: Holder | None = None,
    fence: str = "token-1",
    **fields: Any,
) -> Case:
    observed = observed_with(N2, one=allocation(IP1, **fields), records=(one,))
    cloud_state = Present(replace(ADDRESS, token=fence))
    return Case(one, cloud_state, holder or OnNode(N1), observed, Targets(observed))


def seen(uid: str, one: AddressRecord = AT_REST) -> Case:
    """A case whose target was seen a moment ago with an address of its own."""
    found = case(one)
    return replace(found, observed=replace(found.observed, own_addresses={IP1: uid}))


def asked(step: Step) -> Mutate:
    assert step.mutate is not None
    return step.mutate


def request_of(one: Case, mutation: Mutation = Mutation.MOVE) -> str:
    return asked(begin(one, mutation, P2, Why(reasons.MOVING))).request_id


def test_the_intention_says_all_that_the_next_pass_needs_after_a_crash() -> None:
    step = begin(case(), Mutation.MOVE, P2, Why(reasons.MOVING))
    mutate = asked(step)
    assert mutate == Mutate(
        Mutation.MOVE, "a", IP1, ADDRESS, node_ref("n2"), "vm-n2", mutate.request_id,
        previous=node_ref("n1"), allocation_uid="uid-a",
    )  # fmt: skip
    assert step.record == AddressRecord(
        IP1, Phase.ATTACHING, "Moving", "moving it from node n1 to node n2",
        node_ref("n2"), node_ref("n1"), "eipalloc-1", f"move/{mutate.request_id}", 0, 0.0, NOW, NOW,
    )  # fmt: skip
    assert (step.wait, step.reread) == (None, None)


@pytest.mark.parametrize(
    ("mutation", "phase"),
    [
        (Mutation.PREPARE, Phase.PREPARING),
        (Mutation.ATTACH, Phase.ATTACHING),
        (Mutation.MOVE, Phase.ATTACHING),
        (Mutation.RESTORE, Phase.COMPENSATING),
    ],
)
def test_every_mutation_has_its_phase(mutation: Mutation, phase: Phase) -> None:
    step = begin(case(), mutation, P2, Why(reasons.MOVING))
    assert step.record is not None
    assert step.record.phase is phase


def test_where_a_move_takes_two_steps_it_begins_with_the_first() -> None:
    observed = replace(case().observed, capabilities=TWO_STEPS)
    step = begin(replace(case(), observed=observed), Mutation.MOVE, P2, Why(reasons.MOVING))
    assert step.record is not None
    assert step.record.phase is Phase.DETACHING
    assert step.record.operation == asked(step).operation


def test_the_second_step_is_what_a_successor_would_begin() -> None:
    move = asked(begin(case(), Mutation.MOVE, P2, Why(reasons.MOVING)))
    free = replace(ADDRESS, holder=None, token="token-2")  # noqa: S106  # of a cloud state
    halfway = record(IP1, "n2", phase=Phase.DETACHING, previous=node_ref("n1"))
    successor = replace(case(halfway, Nobody()), cloud_state=Present(free))
    attach = asked(begin(successor, Mutation.ATTACH, P2, Why(reasons.MOVING)))
    assert attach_next(move, free) == attach


@pytest.mark.parametrize(
    ("mutation", "told", "would"),
    [
        (
            Mutation.PREPARE,
            "clearing the interface of node n2 for it",
            f"clear the interface of node n2 for {IP1}",
        ),
        (Mutation.ATTACH, "giving it to node n2", f"give {IP1} to node n2"),
        (Mutation.MOVE, "moving it from node n1 to node n2", f"move {IP1} to node n2"),
        (
            Mutation.RESTORE,
            "giving node n2 a public address of its own again",
            "give node n2 a public address of its own again",
        ),
    ],
)
def test_harm_19_a_mutation_is_told_by_what_it_does(
    mutation: Mutation, told: str, would: str
) -> None:
    step = begin(case(), mutation, P2, Why(reasons.MOVING))
    assert step.record is not None
    assert (step.record.message, str(asked(step))) == (told, would)


def test_a_repeat_has_the_same_request_id_and_anything_else_another() -> None:
    first = request_of(case())
    assert request_of(case()) == first
    others = {
        request_of(case(), Mutation.ATTACH),
        request_of(case(fence="token-2")),
        request_of(case(record(IP1, "n1", attempts=1))),
        request_of(case(uid="uid-another")),
        asked(
            begin(case(), Mutation.MOVE, reference_to(node("n2", uid="again")), Why(reasons.MOVING))
        ).request_id,
    }
    assert len(others | {first}) == 6


def test_where_it_comes_from_is_where_the_cloud_shows_it_or_where_it_was() -> None:
    def previous(holder: Holder, one: AddressRecord = AT_REST) -> object:
        step = begin(case(one, holder), Mutation.ATTACH, P2, Why(reasons.MOVING))
        assert step.record is not None
        return step.record.previous

    assert previous(OnGone(node_ref("gone"))) == node_ref("gone")
    assert previous(Nobody()) is None
    assert previous(Nobody(), record(IP1, "n2", previous=node_ref("n1"))) == node_ref("n1")


def test_the_message_of_the_next_attempt_names_the_failure_before() -> None:
    failed = AddressRecord(IP1, Phase.ATTACHING, "MachineUnfit", "vm-n1 is stopped", attempts=1)
    failed = replace(failed, last_failure="vm-n1 is stopped")
    step = begin(case(failed, Nobody()), Mutation.ATTACH, P2, Why(reasons.ATTACHING))
    assert step.record is not None
    assert step.record.message == "giving it to node n2; the last try failed: vm-n1 is stopped"
    assert (step.record.attempts, step.record.next_attempt) == (1, 0.0)


def test_what_there_is_to_say_beside_the_reason_is_in_the_message() -> None:
    why = Why(reasons.DRAINED, "node n1 is cordoned")
    step = begin(case(), Mutation.MOVE, P2, why)
    assert step.record is not None
    assert step.record.reason == "Drained"
    assert step.record.message == "moving it from node n1 to node n2: node n1 is cordoned"


@pytest.mark.parametrize("policy", ForeignPolicy)
def test_a_stranger_is_asked_whose_it_is_only_where_that_decides(policy: ForeignPolicy) -> None:
    stranger = Foreign("machine vm-x", machine=True)
    step = begin(case(holder=stranger, foreign=policy), Mutation.MOVE, P2, Why(reasons.MOVING))
    assert asked(step).only_unmanaged is (policy is ForeignPolicy.IF_UNMANAGED)
    ours = begin(case(foreign=policy), Mutation.MOVE, P2, Why(reasons.MOVING))
    assert not asked(ours).only_unmanaged


@pytest.mark.parametrize(
    ("holder", "source"),
    [
        (OnNode(N2), node_ref("n2")),  # moved by hand: off where it is, not where it was
        (OnGone(node_ref("gone")), node_ref("gone")),
        (Nobody(), node_ref("n9")),
    ],
)
def test_an_address_is_let_go_from_where_it_is(holder: Holder, source: object) -> None:
    one = record(IP1, "n1", previous=node_ref("n9"), since=5.0, next_attempt=9.0)
    step = begin_detach(case(one, holder), reasons.RELEASING)
    mutate = asked(step)
    assert (mutate.mutation, mutate.node_ref, mutate.machine_id) == (Mutation.DETACH, source, "")
    assert step.record is not None
    assert (step.record.phase, step.record.node_ref) == (Phase.RELEASING, source)
    assert (step.record.previous, step.record.next_attempt) == (None, 0.0)
    assert step.record.operation == f"detach/{mutate.request_id}"


def test_no_mutation_rests_on_what_was_not_read() -> None:
    blind = replace(case(), cloud_state=Absent())
    with pytest.raises(TypeError, match=IP1):
        address_of(blind)


def test_the_same_step_begun_again_goes_on_from_its_handle() -> None:
    first = begin(case(), Mutation.MOVE, P2, Why(reasons.MOVING))
    assert first.record is not None
    accepted = replace(first.record, handle="operation-1")
    assert (
        asked(begin(case(accepted), Mutation.MOVE, P2, Why(reasons.MOVING))).handle == "operation-1"
    )
    other = replace(accepted, attempts=1)
    assert asked(begin(case(other), Mutation.MOVE, P2, Why(reasons.MOVING))).handle == ""


def test_only_what_is_written_down_may_be_taken_from_a_target() -> None:
    assert not asked(begin(case(), Mutation.PREPARE, P2, Why(reasons.MOVING))).may_strip
    owing = replace(AT_REST, restore_pending=(P2,))
    assert asked(begin(case(owing), Mutation.PREPARE, P2, Why(reasons.MOVING))).may_strip


def test_what_a_target_was_seen_with_is_written_down_with_the_intention() -> None:
    step = begin(seen(P2.uid), Mutation.PREPARE, P2, Why(reasons.MOVING))
    assert step.record is not None
    assert (step.record.restore_pending, asked(step).may_strip) == ((P2,), True)
    # Once is enough, and of another target it says nothing.
    owing = replace(AT_REST, restore_pending=(P2,))
    again = begin(seen(P2.uid, owing), Mutation.MOVE, P2, Why(reasons.MOVING))
    assert again.record is not None
    assert again.record.restore_pending == (P2,)
    other = begin(seen("uid-n9"), Mutation.MOVE, P2, Why(reasons.MOVING))
    assert other.record is not None
    assert (other.record.restore_pending, asked(other).may_strip) == ((), False)


def test_the_request_ids_of_two_detaches_and_of_two_restores_differ_by_node() -> None:
    detaches = {
        asked(begin_detach(case(holder=OnNode(one)), reasons.RELEASING)).request_id
        for one in (N1, N2)
    }
    restores = {
        asked(begin_restore(case(), AT_REST, reference_to(one))).request_id for one in (N1, N2)
    }
    assert (len(detaches), len(restores), detaches & restores) == (2, 2, set())


def test_an_address_that_is_put_back_is_not_said_to_come_from_its_own_target() -> None:
    one = record(IP1, previous=node_ref("n2"), phase=Phase.WAITING)
    step = begin(case(one, Nobody()), Mutation.ATTACH, P2, Why(reasons.REPAIRING))
    assert step.record is not None
    assert step.record.message == "giving it to node n2"
