"""One Event for each new reason, and none for what people know already."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import IP1, IP2, allocation, node_ref, observed_with, record

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core.actions import Action
from moorage_core.model import AddressRecord, Phase
from moorage_core.report import EVENT_SECONDS, Said, events, is_worth_an_event, moves
from moorage_core.status import AllocationStatus
from moorage_domain.plans import Finalizer, Plan
from moorage_kube.telemetry.events import Event

BOUND = record(IP1, "n1", message="on node n1")
HELD = record(IP1, "n1", phase=Phase.HOLDING, reason="NodeNotReady", message="n1 is NotReady")


def plan_of(*records: AddressRecord) -> Plan[Action]:
    """A plan that writes a status with these records."""
    status = AllocationStatus((), records)
    return Plan("AllBound", "fine", status=status, finalizer=Finalizer.PRESENT)


def published(
    before: tuple[AddressRecord, ...], after: tuple[AddressRecord, ...], **fields: Any
) -> list[tuple[str, str, str]]:
    observed = observed_with(one=allocation(IP1, **fields), records=before)
    return [
        (one.type, one.reason, one.message) for one in events(observed, plan_of(*after), Said())
    ]


def test_an_event_is_about_the_allocation() -> None:
    observed = observed_with()
    assert list(events(observed, plan_of(BOUND), Said())) == [
        Event(NETIPALLOCATIONS, "a", None, "uid-a", "Normal", "Bound", f"{IP1}: on node n1")
    ]


def test_a_new_reason_is_an_event_and_trouble_is_a_warning() -> None:
    assert published((BOUND,), (HELD,)) == [("Warning", "NodeNotReady", f"{IP1}: n1 is NotReady")]
    assert published((HELD,), (BOUND,)) == [("Normal", "Bound", f"{IP1}: on node n1")]


def test_without_a_write_there_is_no_event() -> None:
    observed = observed_with(records=(BOUND,))
    assert (
        list(events(observed, Plan("AllBound", "fine", finalizer=Finalizer.ABSENT), Said())) == []
    )


@pytest.mark.parametrize(
    ("old", "new", "worth"),
    [
        (None, BOUND, True),
        (BOUND, BOUND, False),
        (BOUND, record(IP1, "n1", message="other words"), False),
        (BOUND, record(IP1, "n2"), True),
        (BOUND, record(IP1, "n1", node_ref=node_ref("n1", "again")), True),
        (BOUND, record(IP1, "n1", reason="WorkloadRunning"), True),
        (BOUND, record(IP1, "n1", phase=Phase.VERIFYING, reason="Verifying"), False),
        (BOUND, record(IP1, "n1", reason="ChangedMeanwhile"), False),
        (None, AddressRecord(IP1), False),
    ],
)
def test_what_is_is_worth_an_event(
    old: AddressRecord | None, new: AddressRecord, *, worth: bool
) -> None:
    assert is_worth_an_event(old, new) is worth


def test_each_released_address_is_one_event() -> None:
    other = record(IP2, "n2")
    assert published((BOUND, other), ()) == [
        ("Normal", "Released", f"{IP1}: no longer held for this allocation"),
        ("Normal", "Released", f"{IP2}: no longer held for this allocation"),
    ]
    assert published((BOUND, other), (other,)) == [
        ("Normal", "Released", f"{IP1}: no longer held for this allocation")
    ]


def test_a_problem_of_the_spec_is_one_event_for_each_generation() -> None:
    one = allocation(IP1, generation=3, problem="spec.x: bad")
    plan: Plan[Action] = Plan("InvalidSpec", "spec.x: bad", status=AllocationStatus((), ()))
    first = observed_with(one=one, observed_generation=2)
    again = observed_with(one=one, observed_generation=3)
    assert [(n.type, n.reason, n.message) for n in events(first, plan, Said())] == [
        ("Warning", "InvalidSpec", "spec.x: bad")
    ]
    assert list(events(again, plan, Said())) == []


def test_what_a_retry_repeats_is_said_again_only_when_it_is_forgotten() -> None:
    said = Said()

    def reasons_at(seconds: float, before: AddressRecord, after: AddressRecord) -> list[str]:
        observed = observed_with(records=(before,), uptime=seconds)
        return [one.reason for one in events(observed, plan_of(after), said)]

    moving = record(IP1, "n2", phase=Phase.ATTACHING, reason="Drained")
    assert reasons_at(0.0, HELD, moving) == ["Drained"]
    assert reasons_at(1.0, moving, HELD) == ["NodeNotReady"]
    assert reasons_at(60.0, HELD, moving) == []
    assert reasons_at(61.0, HELD, record(IP1, "n3", phase=Phase.ATTACHING, reason="Drained")) == [
        "Drained"
    ]
    assert reasons_at(EVENT_SECONDS, HELD, moving) == ["Drained"]
    assert reasons_at(EVENT_SECONDS, moving, BOUND) == ["Bound"]
    assert reasons_at(EVENT_SECONDS, BOUND, HELD) == ["NodeNotReady"]
    said.forget("a")
    assert reasons_at(EVENT_SECONDS, moving, HELD) == ["NodeNotReady"]


def test_harm_29_a_move_is_counted_once_by_why_it_began() -> None:
    leaving = record(IP1, "n2", phase=Phase.DETACHING, reason="Drained")
    coming = record(IP2, "n3", phase=Phase.ATTACHING, reason="Attaching")
    observed = observed_with(one=allocation(IP1, IP2), records=(BOUND,))
    assert list(moves(observed, plan_of(leaving, coming))) == ["Drained", "Attaching"]
    observed = observed_with(one=allocation(IP1, IP2), records=(leaving, coming))
    on = record(IP1, "n2", phase=Phase.ATTACHING, reason="Drained")
    assert list(moves(observed, plan_of(on, record(IP2, "n3")))) == []
    assert list(moves(observed, Plan("Released", "", finalizer=Finalizer.ABSENT))) == []
