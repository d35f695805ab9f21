"""Events: what people read when the state of an address changes, one for each new reason."""

from __future__ import annotations

from collections.abc import Iterable

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import reasons
from moorage_core.actions import Action
from moorage_core.decide.conditions import troubled
from moorage_core.model import AddressRecord, Mutation, Observed, Phase
from moorage_core.status import AllocationStatus
from moorage_core.words import first_of
from moorage_domain.lists import some_of
from moorage_domain.plans import Plan
from moorage_kube.telemetry.events import Event

EVENT_SECONDS = 3600.0
"""So long the API server keeps an Event, unless it is told otherwise."""
_MOST_DOUBTS = 50
_SHOWN = 3  # doubts in one message
# Steps on the way that need no Event; the condition Progressing shows them.
_QUIET = frozenset({"", reasons.VERIFYING.name, reasons.STALE.name})
_THERE = frozenset({Phase.BOUND, Phase.HOLDING})
_MOVING = frozenset({Phase.PREPARING, Phase.DETACHING, Phase.ATTACHING, Phase.VERIFYING})


class Said:
    """What was said of each address since it last was where it should be.

    A try that fails, and the next one, have the same reasons as those before: they are said again
    only when the API server has forgotten the first Event.
    """

    def __init__(self) -> None:
        self._said: dict[str, dict[tuple[str, str, str], float]] = {}
        self._doubted: dict[str, dict[str, float]] = {}

    def is_new(self, observed: Observed, record: AddressRecord) -> bool:
        """Whether the reason of a record is to be said; it counts as said from now on."""
        said = self._said.setdefault(observed.allocation.name, {})
        now = observed.uptime
        listed = {one.ip for one in observed.records} | {record.ip}
        for key, at in list(said.items()):
            at_rest = key[0] == record.ip and record.phase is Phase.BOUND
            if at_rest or key[0] not in listed or now - at >= EVENT_SECONDS:
                del said[key]
        key = (record.ip, record.reason, record.node_ref.uid if record.node_ref else "")
        if key in said:
            return False
        said[key] = now
        return True

    def is_new_doubt(self, observed: Observed, doubt: str) -> bool:
        """Whether what is not believed of a status is to be said; it counts as said from now on.

        Whoever keeps changing it makes no flood of Events.
        """
        doubted = self._doubted.setdefault(observed.allocation.name, {})
        now = observed.uptime
        for text, at in list(doubted.items()):
            if now - at >= EVENT_SECONDS or len(doubted) > _MOST_DOUBTS:
                del doubted[text]
        is_new = doubt not in doubted
        doubted.setdefault(doubt, now)
        return is_new

    def forget(self, name: str) -> None:
        """The allocation is gone."""
        self._said.pop(name, None)
        self._doubted.pop(name, None)


def events(observed: Observed, plan: Plan[Action], said: Said) -> Iterable[Event]:
    """The Events that the status written by this plan is worth."""
    if doubts := [one for one in observed.doubts if said.is_new_doubt(observed, one)]:
        text = f"not believed of the status: {some_of(doubts, _SHOWN)}"
        yield event(observed, reasons.STATUS_NOT_BELIEVED.name, text)
    if isinstance(plan.status, AllocationStatus):
        yield from _of_records(observed, plan.status.records, said)
    if plan.reason == reasons.FORCE_RELEASED.name and not observed.allocation.dry_run:
        yield event(observed, plan.reason, plan.message)
    if (
        observed.allocation.problem
        and observed.observed_generation != observed.allocation.generation
    ):
        yield event(observed, plan.reason, plan.message)


def _of_records(
    observed: Observed, records: Iterable[AddressRecord], said: Said
) -> Iterable[Event]:
    """What is the same of several addresses, such as an unreadable cloud, is said once."""
    before = {record.ip: record for record in observed.records}
    news: dict[tuple[str, str, bool], list[str]] = {}
    for record in records:
        old = before.pop(record.ip, None)
        if old and was_moved_by_others(old, record):
            yield event(observed, reasons.MOVED_BY_OTHERS.name, _moved(old, record))
        elif is_worth_an_event(old, record) and said.is_new(observed, record):
            same = news.setdefault((record.reason, record.message, troubled(record)), [])
            same.append(record.ip)
    for (reason, message, warning), ips in news.items():
        yield event(observed, reason, f"{first_of(ips)}: {message}", warning=warning)
    for ip in sorted(before):
        message = f"{ip}: no longer held for this allocation"
        yield event(observed, reasons.RELEASED.name, message)


def moves(observed: Observed, plan: Plan[Action]) -> Iterable[str]:
    """The reasons of the addresses that begin to leave a node with this plan, or come to one."""
    if not isinstance(plan.status, AllocationStatus):
        return
    before = {record.ip: record for record in observed.records}
    for record in plan.status.records:
        old = before.get(record.ip)
        if record.phase in _MOVING and (old is None or old.phase not in _MOVING):
            yield record.reason


def is_worth_an_event(old: AddressRecord | None, new: AddressRecord) -> bool:
    """Whether an address has something new to say."""
    if new.reason in _QUIET:
        return False
    return old is None or (old.reason, old.node_ref) != (new.reason, new.node_ref)


def was_moved_by_others(old: AddressRecord, new: AddressRecord) -> bool:
    """Whether the cloud shows it on another machine though nothing of ours was under way."""
    at_rest = not old.operation or old.operation.startswith(Mutation.RESTORE)
    return (
        at_rest
        and old.phase in _THERE
        and new.phase in _THERE
        and old.node_ref is not None
        and new.node_ref is not None
        and old.node_ref.provider_id != new.node_ref.provider_id
    )


def _moved(old: AddressRecord, new: AddressRecord) -> str:
    origin = old.node_ref.name if old.node_ref else "?"
    target = new.node_ref.name if new.node_ref else "?"
    return f"{new.ip}: somebody else moved it from node {origin} to node {target}, where it stays"


def event(observed: Observed, reason: str, message: str, *, warning: bool | None = None) -> Event:
    """An Event about the allocation; ``warning``: ``None`` = as the reason says."""
    if warning is None:
        warning = reason in reasons.ALL and reasons.ALL[reason].warning
    return Event(
        kind=NETIPALLOCATIONS,
        name=observed.allocation.name,
        namespace=None,
        uid=observed.allocation.uid,
        type="Warning" if warning else "Normal",
        reason=reason,
        message=message,
    )
