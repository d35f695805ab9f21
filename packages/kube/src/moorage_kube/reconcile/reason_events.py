"""The Event of a pass that ended otherwise than the last one; pure."""

from __future__ import annotations

from typing import Any

from moorage_domain.kinds import Kind
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event


def reason_event(kind: Kind, ended: Pass[Any, Any], condition: str = "Ready") -> Event | None:
    """One Event for each new reason; a failure is a Warning.

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
        type="Warning" if ended.failure else "Normal",
        reason=outcome.reason,
        message=outcome.message,
    )
