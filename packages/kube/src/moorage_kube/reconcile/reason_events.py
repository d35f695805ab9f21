"""The Event of a pass that ended otherwise than the last one; pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from moorage_domain.kinds import Kind
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event


def reason_event(
    kind: Kind,
    ended: Pass[Any, Any],
    condition: str = "Ready",
    warnings: Collection[str] = frozenset(),
) -> Event | None:
    """One Event for each new reason; a failure is a Warning, and so are the reasons ``warnings``.

    ``None``: the object is gone, or the reason is the one that its ``condition`` had before.
    """
    outcome, subject = ended.failure or ended.plan, ended.subject
    if outcome is None or subject is None:
        return None
    known = subject.status.get("conditions") or ()
    before = next((one.get("reason") for one in known if one.get("type") == condition), None)
    if outcome.reason == before:
        return None
    return Event(
        kind=kind,
        name=subject.name,
        namespace=subject.namespace,
        uid=subject.uid,
        type="Warning" if ended.failure or outcome.reason in warnings else "Normal",
        reason=outcome.reason,
        message=outcome.message,
    )


def condition_events(
    kind: Kind, ended: Pass[Any, Any], abnormal: Collection[str]
) -> tuple[Event, ...]:
    """One Event for each condition that came or went; ``abnormal`` names those to be told.

    They are conditions that are False as long as all is well: that one becomes True is a Warning,
    and that it is False again is told, too; that all was well from the beginning is not.
    """
    plan, subject = ended.plan, ended.subject
    if ended.failure or plan is None or plan.status is None or subject is None:
        return ()
    known = subject.status.get("conditions") or ()
    was_true = {one.get("type") for one in known if one.get("status") == "True"}
    changed = (
        one
        for one in plan.status.conditions
        if one.type in abnormal and (one.status == "True") != (one.type in was_true)
    )
    return tuple(
        Event(
            kind=kind,
            name=subject.name,
            namespace=subject.namespace,
            uid=subject.uid,
            type="Warning" if one.status == "True" else "Normal",
            reason=one.reason,
            message=one.message,
        )
        for one in changed
    )
