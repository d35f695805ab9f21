"""A real run says that it is none only where the last one was a dry run."""

from __future__ import annotations

from typing import Any

import pytest
from recording_api import raw_object

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus, Plan
from moorage_kube.reconcile.dry_run import CONDITION, OFF, real_run_of
from moorage_kube.writes.subject import Subject

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
