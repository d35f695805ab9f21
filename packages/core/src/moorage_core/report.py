"""Events: what people read when the state of an address changes, one for each new reason."""

from __future__ import annotations

from collections.abc import Iterable

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import reasons
from moorage_core.actions import Action
from moorage_core.model import AddressRecord, Observed
from moorage_core.status import AllocationStatus
from moorage_domain.plans import Plan
from moorage_kube.telemetry.events import Event

# Steps on the way that need no Event; the condition Progressing shows them.
_QUIET = frozenset({"", reasons.VERIFYING.name, reasons.STALE.name})


def events(observed: Observed, plan: Plan[Action]) -> Iterable[Event]:
    """The Events that the status written by this plan is worth."""
    if isinstance(plan.status, AllocationStatus):
        before = {record.ip: record for record in observed.records}
        for record in plan.status.records:
            if is_worth_an_event(before.pop(record.ip, None), record):
                yield event(observed, record.reason, f"{record.ip}: {record.message}")
        for ip in sorted(before):
            message = f"{ip}: no longer held for this allocation"
            yield event(observed, reasons.RELEASED.name, message)
    if (
        observed.allocation.problem
        and observed.observed_generation != observed.allocation.generation
    ):
        yield event(observed, plan.reason, plan.message)


def is_worth_an_event(old: AddressRecord | None, new: AddressRecord) -> bool:
    """Whether an address has something new to say."""
    if new.reason in _QUIET:
        return False
    return old is None or (old.reason, old.node_ref) != (new.reason, new.node_ref)


def event(observed: Observed, reason: str, message: str) -> Event:
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
