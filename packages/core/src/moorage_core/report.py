"""What people are told when the state of an address changes: one Event for each new reason."""

from __future__ import annotations

from collections.abc import Iterable

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import reasons
from moorage_core.actions import Action, WriteStatus
from moorage_core.model import Observed, Record
from moorage_domain.plans import Plan
from moorage_kube.telemetry.events import EventNote

# Steps on the way that need no telling; the condition Progressing shows them.
_QUIET = frozenset({"", reasons.VERIFYING.name, reasons.STALE.name})


def notes(world: Observed, plan: Plan[Action]) -> Iterable[EventNote]:
    """The Events that the status written by this plan is worth."""
    before = {record.ip: record for record in world.records}
    for action in plan.actions:
        if isinstance(action, WriteStatus):
            for record in action.records:
                if worth_telling(before.get(record.ip), record):
                    yield note(world, record.reason, f"{record.ip}: {record.message}")
            gone = before.keys() - {record.ip for record in action.records}
            for ip in sorted(gone):
                yield note(
                    world, reasons.RELEASED.name, f"{ip}: no longer held for this allocation"
                )
    if world.allocation.problem and world.seen_generation != world.allocation.generation:
        yield note(world, plan.reason, plan.message)


def worth_telling(old: Record | None, new: Record) -> bool:
    """Whether an address has something new to say."""
    if new.reason in _QUIET:
        return False
    return old is None or (old.reason, old.place) != (new.reason, new.place)


def note(world: Observed, reason: str, message: str) -> EventNote:
    """An Event about the allocation."""
    known = reasons.ALL.get(reason)
    return EventNote(
        kind=NETIPALLOCATIONS,
        name=world.allocation.name,
        namespace=None,
        uid=world.allocation.uid,
        type="Warning" if known and known.warning else "Normal",
        reason=reason,
        message=message,
    )
