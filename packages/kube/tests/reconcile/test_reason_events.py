"""Each new reason is one Event, and a failure is a Warning."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from moorage_domain.plans import Plan
from moorage_kube.client.errors import Unavailable
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.reconcile.logic import Failure, Pass
from moorage_kube.reconcile.reason_events import reason_event
from moorage_kube.telemetry.events import Event
from moorage_kube.writes.subject import Subject

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
