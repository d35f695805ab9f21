"""An address that is no longer wanted: none is forgotten before it is released."""

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
from moorage_core.decide.case import Case, Step, locate
from moorage_core.decide.outcomes import record_outcome
from moorage_core.decide.release import decide_release
from moorage_core.decide.targets import Targets
from moorage_core.model import (
    Absent,
    AddressRecord,
    Awaited,
    CloudState,
    Mutation,
    Outcome,
    Phase,
    Present,
    Unread,
)
from moorage_core.reasons import DENIED
from moorage_provider.errors import Unavailable
from moorage_provider.protocol import CloudAddress, MachineHolder, OtherHolder

BOUND = record(IP1, "n1")


def held_by(holder: MachineHolder | OtherHolder | None) -> Present:
    return Present(CloudAddress(IP1, "res", holder, "token"))


HERE = held_by(MachineHolder("vm-n1"))


def decided(about: AddressRecord = BOUND, cloud_state: CloudState = HERE, **fields: Any) -> Step:
    fields.setdefault("one", allocation())
    observed = observed_with(node("n1"), records=(about,), **fields)
    return decide_release(
        Case(about, cloud_state, locate(about, cloud_state, observed), observed, Targets(observed))
    )


def test_it_is_taken_off_the_node_that_has_it() -> None:
    step = decided()
    assert step.mutate is not None
    assert (step.mutate.mutation, step.mutate.node_ref) == (Mutation.DETACH, node_ref("n1"))
    assert step.record is not None
    assert step.record.phase is Phase.RELEASING


def test_one_that_was_on_its_way_is_taken_off_where_it_comes_from() -> None:
    step = decided(record(IP1, previous=node_ref("n1"), phase=Phase.DETACHING))
    assert step.mutate is not None
    assert step.mutate.node_ref == node_ref("n1")


@pytest.mark.parametrize(
    "cloud_state",
    [
        Absent(),
        held_by(None),
        held_by(MachineHolder("vm-stranger")),
        held_by(OtherHolder("load balancer lb-1")),
    ],
)
def test_what_the_cloud_shows_elsewhere_is_forgotten_without_a_call(
    cloud_state: CloudState,
) -> None:
    assert decided(cloud_state=cloud_state) == Step(None)


@pytest.mark.parametrize("cloud_state", [HERE, Awaited(), Unread(DENIED, "no"), Absent()])
def test_what_was_never_ours_or_is_an_older_ones_is_forgotten_without_a_call(
    cloud_state: CloudState,
) -> None:
    assert decided(AddressRecord(IP1, Phase.WAITING), cloud_state) == Step(None)
    assert decided(cloud_state=cloud_state, conflicts={IP1: "old"}) == Step(None)
    assert decided(cloud_state=cloud_state, one=allocation(retain=True)) == Step(None)


@pytest.mark.parametrize(
    "fields",
    [{}, {"conflicts": {IP1: "old"}}, {"one": allocation(retain=True)}],
)
def test_nothing_is_forgotten_while_a_mutation_is_under_way(fields: dict[str, Any]) -> None:
    assert decided(in_flight=in_flight(), **fields) == Step(BOUND)


def test_a_read_under_way_is_waited_for() -> None:
    assert decided(cloud_state=Awaited()) == Step(BOUND)


def test_what_cannot_be_read_is_not_released_and_the_message_names_the_way_out() -> None:
    step = decided(cloud_state=Unread(DENIED, "no right to read"))
    assert step.mutate is None
    assert step.record is not None
    assert (step.record.phase, step.record.reason) == (Phase.RELEASING, "PermissionDenied")
    assert step.record.node_ref == node_ref("n1")
    assert "no right to read" in step.record.message
    command = "kubectl annotate netipallocation a moorage.dev/force-release=true"
    assert step.record.message.endswith(command)


def test_after_a_failure_it_waits_its_time() -> None:
    failed = record(IP1, "n1", phase=Phase.RELEASING, attempts=1, next_attempt=NOW + 7)
    assert decided(failed) == Step(failed, wait=7)
    assert decided(failed, now=NOW + 7).mutate is not None


def test_a_detach_the_cloud_does_not_show_yet_is_read_again_and_not_repeated() -> None:
    letting_go = record(IP1, "n1", phase=Phase.VERIFYING, operation="detach/r1", since=NOW)
    step = decided(letting_go)
    assert (step.record, step.mutate) == (letting_go, None)
    assert step.reread is not None
    late = decided(letting_go, now=NOW + 30)  # then the cloud is believed over our memory
    assert late.mutate is not None


@pytest.mark.parametrize("mutation", ["attach", "move", "detach", "prepare"])
def test_a_mutation_whose_answer_was_lost_may_still_give_it_a_holder(mutation: str) -> None:
    begun = record(IP1, "n1", phase=Phase.ATTACHING, operation=f"{mutation}/r1", since=NOW)
    may_come = mutation in ("attach", "move")
    for age in (0, 29, -1):
        step = decided(begun, held_by(None), now=NOW + age)
        assert step == (Step(begun, reread=Reread(IP1, 2.0), wait=2.0) if may_come else Step(None))
    for age in (30, -2):  # a time in the future proves nothing
        assert decided(begun, held_by(None), now=NOW + age) == Step(None)


def test_what_was_asked_for_long_after_it_was_written_down_may_still_come() -> None:
    begun = record(IP1, "n1", phase=Phase.ATTACHING, operation="attach/r1", since=NOW - 100)
    again = Step(begun, reread=Reread(IP1, 2.0), wait=2.0)
    # The process that asked for it died a moment before this one began.
    assert decided(begun, held_by(None), working_seconds=29) == again
    assert decided(begun, held_by(None), working_seconds=30) == Step(None)
    outcome = Outcome(Mutation.ATTACH, "a", Unavailable("no answer"), "uid-n1", retry_in=1.0)
    failed = record_outcome(begun, outcome, NOW)
    assert decided(failed, held_by(None), now=NOW + 29) == replace(again, record=failed)
    assert decided(failed, held_by(None), now=NOW + 30) == Step(None)


def test_an_allocation_deleted_with_retain_still_restores_the_nodes_that_gave_their_own_up() -> (
    None
):
    retained = allocation(retain=True, deleting=True)
    about = record(IP1, "n1", restore_pending=(node_ref("n1"), node_ref("n2")))
    machine_of = {f"memory://vm-{name}": f"vm-{name}" for name in ("n1", "n2")}
    step = decided(about, one=retained, machine_of=machine_of)
    assert step.mutate is not None
    assert (step.mutate.mutation, step.mutate.node_ref) == (Mutation.RESTORE, node_ref("n2"))
    assert step.record is not None
    assert (step.record.phase, step.record.reason) == (Phase.RELEASING, "Compensating")
    assert step.record.message == "still to get a public address of its own again: n2"
    later: dict[str, Any] = {"restore_after": {IP1: {"uid-n2": UPTIME + 8}}}
    waiting = decided(about, one=retained, machine_of=machine_of, **later)
    assert (waiting.mutate, waiting.wait) == (None, 8)


def test_an_address_that_is_retained_is_forgotten_once_only_its_own_node_has_nothing_else() -> None:
    about = record(IP1, "n1", restore_pending=(node_ref("n1"),))
    assert decided(about, one=allocation(retain=True)) == Step(None)
    taken_off = decided(about).mutate
    assert taken_off is not None
    assert taken_off.mutation is Mutation.DETACH
