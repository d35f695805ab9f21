"""What people are told when the state of an address changes: one Event for each new reason."""

from __future__ import annotations

from collections.abc import Iterable

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import reasons
from moorage_core.actions import Action, WriteStatus
from moorage_core.model import AddressRecord, Observed
from moorage_domain.plans import Plan
from moorage_kube.telemetry.events import Event

# Steps on the way that need no telling; the condition Progressing shows them.
_QUIET = frozenset({"", reasons.VERIFYING.name, reasons.STALE.name})


def notes(observed: Observed, plan: Plan[Action]) -> Iterable[Event]:
    """The Events that the status written by this plan is worth."""
    before = {record.ip: record for record in observed.records}
    for action in plan.actions:
        if isinstance(action, WriteStatus):
            for record in action.records:
                if worth_telling(before.get(record.ip), record):
                    yield note(observed, record.reason, f"{record.ip}: {record.message}")
            gone = before.keys() - {record.ip for record in action.records}
            for ip in sorted(gone):
                yield note(
                    observed, reasons.RELEASED.name, f"{ip}: no longer held for this allocation"
                )
    if observed.allocation.problem and observed.seen_generation != observed.allocation.generation:
        yield note(observed, plan.reason, plan.message)


def worth_telling(old: AddressRecord | None, new: AddressRecord) -> bool:
    """Whether an address has something new to say."""
    if new.reason in _QUIET:
        return False
    return old is None or (old.reason, old.node_ref) != (new.reason, new.node_ref)


def note(observed: Observed, reason: str, message: str) -> Event:
    """An Event about the allocation."""
    known = reasons.ALL.get(reason)
    return Event(
        kind=NETIPALLOCATIONS,
        name=observed.allocation.name,
        namespace=None,
        uid=observed.allocation.uid,
        type="Warning" if known and known.warning else "Normal",
        reason=reason,
        message=message,
    )
