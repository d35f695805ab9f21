"""Upkeep of records: released addresses come free in time, and owners that are gone are noticed."""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from moorage_domain.families import Address
from moorage_domain.plans import Plan, first_match
from moorage_ipam.allocations import Allocations
from moorage_ipam.first_seen import FirstSeen
from moorage_ipam.records import Owner, Phase, Record
from moorage_ipam.times import epoch_of
from moorage_kube.cache.store import Change, Store
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue

logger = logging.getLogger(__name__)

ORPHAN_SECONDS = 600.0
"""How long an owner must be gone, by all that is known, before its address is released."""
RESTORED_ORPHAN_SECONDS = 3600.0
"""The same of a record from a backup, from which its owner may come later."""
DOUBT_SECONDS = 86_400.0
"""The same where many owners are gone at once: their kind may be lost, and not they."""
IN_FLIGHT_SECONDS = 120.0
"""How long this process must have known a reservation before it ends, whatever its clock says.

The owner may still be on its way: the API server gives up on a request after one minute.
"""
FEW_ORPHANS = 10
ORPHANS_SHARE = 0.1
"""More owners than this share of all are many."""
# A wait of almost nothing would be no wait, again and again.
_SHORTEST = 1.0
_CONFIRM = timedelta(minutes=5)


class Presence(enum.Enum):
    """Whether the owner of a record is there."""

    THERE = "there"
    NAMESAKE = "namesake"
    """Another object of its name is: whoever reconciles that one knows what to do."""
    GONE = "gone"
    GONE_WITH_CLUSTER = "gone with its Cluster"
    """And so is its Cluster: both may live on in another cluster."""
    MOVED = "moved"
    """It was deleted because it lives on in another cluster."""
    UNTOLD = "untold"
    """It is gone, and nobody was told its address."""
    UNKNOWN = "unknown"
    """Its kind is not one of this process, or it is on its way to another cluster."""


_GONE = (Presence.GONE, Presence.GONE_WITH_CLUSTER)


@dataclass(frozen=True, slots=True)
class OwnerKind:
    """How owners of one kind are found.

    Attributes:
        presence: of an owner, by the cache.
        is_gone: asks the API server whether the very object is gone.
        has_come: asks the API server whether an object of that name has the address that is
            reserved for it; ``None`` = nothing is reserved for this kind.
    """

    presence: Callable[[Owner], Presence]
    is_gone: Callable[[Owner], Awaitable[bool]]
    has_come: Callable[[Owner, Address], Awaitable[bool]] | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """One record and its time.

    Attributes:
        reuse_seconds: of its pool.
        rested_seconds: how long ago it was released.
        gone_seconds: how long its owner has been gone for this process.
        many_gone: so many owners are gone at once that it takes longer to believe it.
        expected_seconds: how long its owner still has to come; ``None`` = it is no reservation, or
            nobody here can tell whether its owner has come.
    """

    record: Record
    reuse_seconds: float
    rested_seconds: float
    presence: Presence
    gone_seconds: float
    many_gone: bool
    expected_seconds: float | None = None


class Action(enum.Enum):
    """What is done to a record."""

    DELETE = "give the address back"
    RELEASE_ORPHAN = "release the address of an owner that is gone"
    KEEP_ORPHAN = "keep the address of an owner that may live on elsewhere"
    END_RESERVATION = "give back an address whose owner has not come"
    TAKE_BACK = "take back an address that nobody was told"
    NOTE_MOVE = "note that its owner took the address along"

    def __str__(self) -> str:
        return self.value


Decision: TypeAlias = Plan[Action]


def keep_reservations(observed: Observed) -> Decision | None:
    """What has no owner a person has reserved, or it moved away: until a person deletes it."""
    if observed.record.owner is not None:
        return None
    return Plan("Reserved", f"{observed.record} is kept until a person deletes it")


def free_after_its_delay(observed: Observed) -> Decision | None:
    """A released address comes free when its pool's delay has passed."""
    if observed.record.phase is not Phase.QUARANTINED:
        return None
    left = observed.reuse_seconds - observed.rested_seconds
    if left > 0:
        wait = timedelta(seconds=max(_SHORTEST, left))
        return Plan("Quarantined", f"{observed.record} was released", wait=wait)
    return Plan("Freed", f"{observed.record} is free again", (Action.DELETE,))


def keep_what_moved(observed: Observed) -> Decision | None:
    """The address is in use in another cluster: a person knows when it is not any more."""
    if observed.record.phase is Phase.MOVED:
        return Plan("Moved", f"{observed.record} is in use in another cluster")
    if observed.presence is Presence.MOVED:
        return Plan("Moved", f"{observed.record} moved away", (Action.NOTE_MOVE,))
    return None


def end_reservations(observed: Observed) -> Decision | None:
    """Nobody has ever had the address, so it needs no rest."""
    record, left = observed.record, observed.expected_seconds
    if record.phase is not Phase.RESERVED or left is None:
        return None
    if left > 0:
        wait = timedelta(seconds=max(_SHORTEST, left))
        return Plan("Reserved", f"{record} waits for {record.owner}", wait=wait)
    message = f"{record.owner} of {record} has not come"
    # The API server has the last word; where it says otherwise it is asked again.
    return Plan("NotCome", message, (Action.END_RESERVATION,), wait=_CONFIRM)


def take_back_what_nobody_was_told(observed: Observed) -> Decision | None:
    """An owner that went just when it was served: nobody can use the address, so it needs no rest.

    It had no finalizer yet, so that it vanished without a word means nothing.
    """
    if observed.presence is not Presence.UNTOLD:
        return None
    message = f"{observed.record.owner} of {observed.record} went before it was told"
    # The API server has the last word; where it says otherwise it is asked again.
    return Plan("OwnerGone", message, (Action.TAKE_BACK,), wait=_CONFIRM)


def release_orphans(observed: Observed) -> Decision | None:
    """An owner that vanished without a word has given its address up, once that is certain.

    Not where its Cluster vanished, too. An owner with a finalizer of ours does not go by itself
    while nobody of us is there: it is taken away by force, as ``clusterctl move`` does it.
    """
    if observed.presence not in _GONE:
        return None
    record = observed.record
    patience = RESTORED_ORPHAN_SECONDS if record.restored else ORPHAN_SECONDS
    if observed.many_gone:
        patience = DOUBT_SECONDS
    left = 0.0 if record.owner_deleting else patience - observed.gone_seconds
    if left > 0:
        wait = timedelta(seconds=max(_SHORTEST, left))
        reason = "OwnersMissing" if observed.many_gone else "OwnerMissing"
        return Plan(reason, f"{record.owner} of {record} is not there", wait=wait)
    message = f"{record.owner} of {record} is gone"
    is_kept = observed.presence is Presence.GONE_WITH_CLUSTER
    action = Action.KEEP_ORPHAN if is_kept else Action.RELEASE_ORPHAN
    # The API server has the last word; where it says otherwise it is asked again.
    return Plan("OwnerGone", message, (action,), wait=_CONFIRM)


def keep(observed: Observed) -> Decision | None:
    """It is in use."""
    return Plan("Bound", f"{observed.record} belongs to {observed.record.owner}")


RULES = (
    keep_reservations,
    keep_what_moved,
    free_after_its_delay,
    end_reservations,
    take_back_what_nobody_was_told,
    release_orphans,
    keep,
)


def decide(observed: Observed) -> Decision:
    """The plan for one record."""
    return first_match(RULES, observed)


class Upkeep:
    """The controller of records; its keys are their names."""

    def __init__(
        self,
        records: Store[Record],
        allocations: Allocations,
        owners: Mapping[str, OwnerKind],
        reuse_seconds: Callable[[Record], float],
        kinds: Collection[str] = (),
    ) -> None:
        """``owners``: by their kind; ``kinds``: of others whose records are looked after, too.

        Records of all other owners are another controller's, which alone knows how long they rest.
        """
        self.queue = WorkQueue()
        self._records = records
        self._allocations = allocations
        self._owners = owners
        self._kinds = frozenset((*owners, *kinds))
        self._reuse_seconds = reuse_seconds
        # Records whose owner is gone, released ones, and reservations.
        self._gone_since = FirstSeen()
        self._released_since = FirstSeen()
        self._reserved_since = FirstSeen()
        records.subscribe(self._record_changed)

    def due(self, record: Record) -> float:
        """Seconds until a released address comes free; 0 = it is about to."""
        return max(0.0, self._reuse_seconds(record) - self._rested(record))

    def missing(self) -> int:
        """How many addresses have an owner that is not there, as far as it was looked at."""
        return len(self._gone_since)

    def _record_changed(self, change: Change[Record]) -> None:
        if change.new is None:
            self._gone_since.forget(change.key)
        if change.new is None or change.new.phase is not Phase.QUARANTINED:
            self._released_since.forget(change.key)
        if change.new is None or change.new.phase is not Phase.RESERVED:
            self._reserved_since.forget(change.key)
        if change.new is not None and self._presence(change.new) is Presence.THERE:
            # It is in use, and whoever sees its owner go has it looked at.
            self._gone_since.forget(change.key)
            return
        self.queue.add(change.key)

    async def observe(self, key: str) -> Observed | None:
        """One record, and whether its owner is there; ``None``: it is gone, or another's."""
        record = self._records.get(key)
        if record is None or (record.owner is not None and record.owner.kind not in self._kinds):
            return None
        presence = self._presence(record)
        if presence in _GONE and not record.owner_deleting:
            gone_seconds = self._gone_since.seconds(key, record.owner.uid if record.owner else "")
        else:
            gone_seconds = 0.0
            self._gone_since.forget(key)
        many = max(FEW_ORPHANS, ORPHANS_SHARE * len(self._records))
        return Observed(
            record=record,
            reuse_seconds=self._reuse_seconds(record),
            rested_seconds=self._rested(record),
            presence=presence,
            gone_seconds=gone_seconds,
            many_gone=len(self._gone_since) > many,
            expected_seconds=self._expected(record),
        )

    def decide(self, observed: Observed) -> Decision:
        """Decide; pure."""
        return decide(observed)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action."""
        record = observed.record
        match action:
            case Action.DELETE:
                await self._allocations.delete(record)
            case Action.NOTE_MOVE:
                await self._allocations.change(record, Phase.MOVED)
            case Action.RELEASE_ORPHAN | Action.KEEP_ORPHAN | Action.TAKE_BACK:
                owner = record.owner
                if owner is not None and await self._owners[owner.kind].is_gone(owner):
                    await self._end(record, action)
            case Action.END_RESERVATION:
                owner = record.owner
                has_come = self._owners[owner.kind].has_come if owner else None
                if owner and has_come and not await has_come(owner, record.address):
                    await self._allocations.delete(record)

    async def _end(self, record: Record, action: Action) -> None:
        """End the use of an address whose owner is gone."""
        if action is Action.TAKE_BACK:
            await self._allocations.delete(record)
        else:
            phase = Phase.MOVED if action is Action.KEEP_ORPHAN else Phase.QUARANTINED
            await self._allocations.change(record, phase)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """The log line is enough: records are no kind that people look at every day."""

    def _presence(self, record: Record) -> Presence:
        owner = record.owner
        # One without a uid stands for any object of its name, also for one that comes later.
        if record.phase is not Phase.BOUND or owner is None or not owner.uid:
            return Presence.UNKNOWN
        kind = self._owners.get(owner.kind)
        return kind.presence(owner) if kind else Presence.UNKNOWN

    def _expected(self, record: Record) -> float | None:
        """Seconds that the owner still has to come, by the later of two clocks."""
        owner = record.owner
        if owner is None or owner.reservation is None or owner.kind not in self._owners:
            return None
        reservation = owner.reservation
        seen = self._reserved_since.seconds(record.name, reservation.request)
        until = epoch_of(reservation.until)
        by_wall = until - time.time() if until is not None else 0.0
        patience = RESTORED_ORPHAN_SECONDS if record.restored else IN_FLIGHT_SECONDS
        return max(by_wall, patience - seen)

    def _rested(self, record: Record) -> float:
        """Seconds since the release; by our own clock where the time it says cannot be."""
        seen = self._released_since.seconds(record.name, record.since)
        released = epoch_of(record.since)
        by_wall = time.time() - released if released is not None else -1.0
        return by_wall if by_wall >= 0 else seen
