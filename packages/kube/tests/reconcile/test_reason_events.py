"""Each new reason is one Event, and a failure is a Warning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus, Plan
from moorage_domain.subject import Subject
from moorage_kube.client.errors import Unavailable
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.reconcile.logic import Failure, Pass
from moorage_kube.reconcile.reason_events import condition_events, reason_event
from moorage_kube.telemetry.events import Event

PLAN: Plan[str] = Plan("Copied", "the copy is equal")
READY = {"type": "Ready", "reason": "Copying"}
SUBJECT = Subject("a", "shop", "uid-1", "7", status={"conditions": [READY]})
ENDED: Pass[str, str] = Pass("shop/a", "what is", PLAN, None, 0.1, subject=SUBJECT)
FAILURE = Failure.of(Unavailable(503, "ServiceUnavailable", "down", "PATCH configmaps"))


def test_a_new_reason_is_an_event() -> None:
    expected = Event(CONFIGMAPS, "a", "shop", "uid-1", "Normal", "Copied", "the copy is equal")
    assert reason_event(CONFIGMAPS, ENDED) == expected


def test_a_failure_is_a_warning_with_its_own_reason() -> None:
    event = reason_event(CONFIGMAPS, replace(ENDED, failure=FAILURE))
    assert event is not None
    assert (event.type, event.reason) == ("Warning", "Unavailable")


@pytest.mark.parametrize(("warnings", "kind"), [({"Copied"}, "Warning"), ({"Other"}, "Normal")])
def test_a_reason_that_a_person_should_look_at_is_a_warning(warnings: set[str], kind: str) -> None:
    event = reason_event(CONFIGMAPS, ENDED, warnings=warnings)
    assert event is not None
    assert event.type == kind


@pytest.mark.parametrize(
    "ended",
    [
        replace(ENDED, plan=replace(PLAN, reason="Copying")),
        replace(ENDED, subject=None),
        replace(ENDED, plan=None),
    ],
    ids=["the same reason", "a gone object", "no plan"],
)
def test_nothing_new_is_no_event(ended: Pass[Any, Any]) -> None:
    assert reason_event(CONFIGMAPS, ended) is None


def test_the_first_reason_of_an_object_is_an_event() -> None:
    subject = replace(SUBJECT, status={})
    assert reason_event(CONFIGMAPS, replace(ENDED, subject=subject)) is not None


def test_another_condition_can_say_what_was_before() -> None:
    plan = replace(PLAN, reason="Copying")
    assert reason_event(CONFIGMAPS, replace(ENDED, plan=plan), "Synced") is not None


def ended_with(before: str, now: Literal["True", "False"]) -> Pass[Any, Any]:
    """A pass over an object whose condition ``Full`` was and is now so; ``""`` = it had none."""
    known = [{"type": "Full", "status": before}] if before else []
    conditions = (Condition("Ready", "True", "Copied"), Condition("Full", now, "Words", "why"))
    return replace(
        ENDED,
        subject=replace(SUBJECT, status={"conditions": known}),
        plan=replace(PLAN, status=PlainStatus(conditions)),
    )


@pytest.mark.parametrize(
    ("before", "now", "kind"),
    [("", "True", "Warning"), ("False", "True", "Warning"), ("True", "False", "Normal")],
)
def test_a_condition_that_comes_or_goes_is_an_event(
    before: str, now: Literal["True", "False"], kind: Literal["Normal", "Warning"]
) -> None:
    expected = Event(CONFIGMAPS, "a", "shop", "uid-1", kind, "Words", "why")
    assert condition_events(CONFIGMAPS, ended_with(before, now), {"Full"}) == (expected,)


@pytest.mark.parametrize(
    "ended",
    [
        ended_with("", "False"),
        ended_with("True", "True"),
        replace(ended_with("", "True"), failure=FAILURE),
        replace(ended_with("", "True"), subject=None),
        replace(ended_with("", "True"), plan=PLAN),
        replace(ended_with("", "True"), plan=None),
    ],
    ids=["well from the beginning", "the same", "not written", "gone", "no status", "no plan"],
)
def test_what_did_not_change_is_none(ended: Pass[Any, Any]) -> None:
    assert condition_events(CONFIGMAPS, ended, {"Full"}) == ()


def test_nor_is_a_condition_that_nobody_asked_for() -> None:
    assert condition_events(CONFIGMAPS, ended_with("", "True"), {"Empty"}) == ()
