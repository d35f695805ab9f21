"""One Event for each new reason, and none for what people know already."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import IP1, IP2, allocation, node_ref, record, seen

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core.actions import Action, AddFinalizer, RemoveFinalizer, WriteStatus
from moorage_core.model import AddressRecord, Phase
from moorage_core.report import notes, worth_telling
from moorage_domain.plans import Plan
from moorage_kube.telemetry.events import Event

BOUND = record(IP1, "n1", message="on node n1")
HELD = record(IP1, "n1", phase=Phase.HOLDING, reason="NodeNotReady", message="n1 is NotReady")


def told(
    before: tuple[AddressRecord, ...], after: tuple[AddressRecord, ...], **fields: Any
) -> list[tuple[str, str, str]]:
    observed = seen(one=allocation(IP1, **fields), records=before)
    plan: Plan[Action] = Plan("AllBound", "fine", (AddFinalizer(), WriteStatus(after, ())))
    return [(note.type, note.reason, note.message) for note in notes(observed, plan)]


def test_a_note_is_about_the_allocation() -> None:
    observed = seen()
    plan: Plan[Action] = Plan("AllBound", "fine", (WriteStatus((BOUND,), ()),))
    assert list(notes(observed, plan)) == [
        Event(NETIPALLOCATIONS, "a", None, "uid-a", "Normal", "Bound", f"{IP1}: on node n1")
    ]


def test_a_new_reason_is_told_and_trouble_is_a_warning() -> None:
    assert told((BOUND,), (HELD,)) == [("Warning", "NodeNotReady", f"{IP1}: n1 is NotReady")]
    assert told((HELD,), (BOUND,)) == [("Normal", "Bound", f"{IP1}: on node n1")]


def test_nothing_is_told_without_a_write() -> None:
    observed = seen(records=(BOUND,))
    assert list(notes(observed, Plan("AllBound", "fine", (RemoveFinalizer(),)))) == []


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
def test_what_is_worth_telling(
    old: AddressRecord | None, new: AddressRecord, *, worth: bool
) -> None:
    assert worth_telling(old, new) is worth


def test_an_address_that_is_let_go_is_told_once_each() -> None:
    other = record(IP2, "n2")
    assert told((BOUND, other), ()) == [
        ("Normal", "Released", f"{IP1}: no longer held for this allocation"),
        ("Normal", "Released", f"{IP2}: no longer held for this allocation"),
    ]
    assert told((BOUND, other), (other,)) == [
        ("Normal", "Released", f"{IP1}: no longer held for this allocation")
    ]


def test_a_problem_of_the_spec_is_told_once_for_each_generation() -> None:
    one = allocation(IP1, generation=3, problem="spec.x: bad")
    plan: Plan[Action] = Plan("InvalidSpec", "spec.x: bad", (WriteStatus((), ()),))
    first = seen(one=one, seen_generation=2)
    again = seen(one=one, seen_generation=3)
    assert [(n.type, n.reason, n.message) for n in notes(first, plan)] == [
        ("Warning", "InvalidSpec", "spec.x: bad")
    ]
    assert list(notes(again, plan)) == []
