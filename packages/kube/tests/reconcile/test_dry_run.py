"""A real run says that it is none only where the last one was a dry run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from recording_api import raw_object

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus, Plan
from moorage_domain.subject import Subject
from moorage_kube.reconcile.dry_run import CONDITION, OFF, dry_run_of, real_run_of, would

READY = Condition("Ready", "True", "Done")
PLAN: Plan[Any] = Plan("Done", "nothing to do", status=PlainStatus((READY,)))


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ([], False),
        ([{"type": "Ready", "status": "True"}], False),
        ([{"type": CONDITION, "status": "False"}], False),
        ([{"type": "Ready", "status": "True"}, {"type": CONDITION, "status": "True"}], True),
    ],
)
def test_the_end_of_a_dry_run_is_said_once(known: list[dict[str, Any]], said: bool) -> None:  # noqa: FBT001 - a column of the table
    subject = Subject.of(raw_object("w1", {"conditions": known}, resourceVersion="1"))
    status = real_run_of(PLAN, subject).status
    assert status is not None
    assert (OFF in status.conditions) is said
    assert READY in status.conditions


def test_what_says_nothing_of_the_object_says_nothing_of_that_either() -> None:
    known = [{"type": CONDITION, "status": "True"}]
    subject = Subject.of(raw_object("w1", {"conditions": known}, resourceVersion="1"))
    plan: Plan[Any] = Plan("Working", "on its way")
    assert real_run_of(plan, subject) is plan


WORKING: Plan[Any] = Plan("Working", "on its way", actions=("bind 10.0.0.2",))


def test_a_plan_that_leaves_the_status_for_later_says_in_a_dry_run_what_it_would_do() -> None:
    assert dry_run_of(WORKING).status == PlainStatus((would(["bind 10.0.0.2"]),))


def test_nothing_is_said_where_the_status_is_anothers_or_nothing_would_be_done() -> None:
    assert dry_run_of(WORKING, "").status is None
    assert dry_run_of(Plan("Paused", "it is paused")).status is None


def test_of_two_controllers_of_one_object_each_speaks_for_itself() -> None:
    plan = dry_run_of(replace(PLAN, actions=("move it",)), "PlacementDryRun")
    assert plan.status is not None
    assert [one.type for one in plan.status.conditions] == ["Ready", "PlacementDryRun"]
    known = [{"type": "PlacementDryRun", "status": "True"}, {"type": CONDITION, "status": "False"}]
    subject = Subject.of(raw_object("w1", {"conditions": known}, resourceVersion="1"))
    ended = real_run_of(PLAN, subject, "PlacementDryRun").status
    assert ended is not None
    assert [(one.type, one.status) for one in ended.conditions] == [
        ("Ready", "True"),
        ("PlacementDryRun", "False"),
    ]
