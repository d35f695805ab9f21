"""Records as this process believes them: no time in them rests on a clock that was set wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from moorage_core.decide.address import LONGEST_BACKOFF_SECONDS
from moorage_core.model import AddressRecord
from moorage_kube.reconcile.waits import Waits

# Clocks that are kept right differ by less; times in a status are whole seconds.
SAME_CLOCK_SECONDS = 2.0


class BelievedRecords:
    """Reads the times of records by this process's clocks, from when it first saw each of them.

    A record last changed in the future was written by a clock that was ahead, another process's or
    our own before it was set back. How far its times lie apart is true, where they lie is not: they
    are moved so that the change was made when this process first saw it. So a wait takes no longer
    than it was meant to, and never longer than the longest back-off.
    """

    def __init__(self) -> None:
        self._waits: Waits[tuple[str, float]] = Waits(LONGEST_BACKOFF_SECONDS)
        """Addresses, each with the ``nextAttempt`` of its record."""
        self._holds: dict[str, dict[tuple[str, float], tuple[float, float]]] = {}
        """Addresses that pods hold in a drain, each with its ``heldSince`` -> uptime at which this
        process first saw that, and the seconds it had lasted then, by allocation."""
        self._moved: dict[str, dict[AddressRecord, AddressRecord]] = {}
        """Records of a clock that was ahead -> as they are believed, by allocation."""

    def of(
        self, name: str, records: tuple[AddressRecord, ...], now: float, uptime: float
    ) -> tuple[AddressRecord, ...]:
        """The records of an allocation; the very same where their times can be believed.

        ``now`` is in epoch seconds, ``uptime`` in seconds of a clock that nobody can set.
        """
        records = self._in_our_time(name, records, now)
        records = self._held_in_our_time(name, records, now, uptime)
        ahead = [(r.ip, r.next_attempt) for r in records if r.next_attempt > now]
        over = self._waits.over(name, ahead, uptime)
        if not over:
            return records
        return tuple(
            replace(r, next_attempt=0.0) if (r.ip, r.next_attempt) in over else r for r in records
        )

    def forget(self, name: str) -> None:
        """The allocation is gone."""
        self._waits.forget(name)
        self._holds.pop(name, None)
        self._moved.pop(name, None)

    def __len__(self) -> int:
        """Of how many allocations anything is remembered."""
        return max(len(self._waits), len(self._moved), len(self._holds))

    def _held_in_our_time(
        self, name: str, records: tuple[AddressRecord, ...], now: float, uptime: float
    ) -> tuple[AddressRecord, ...]:
        """A clock that is set meanwhile makes no hold longer or shorter."""
        before, holds = self._holds.pop(name, {}), {}
        for record in records:
            if since := record.held_since:
                key = (record.ip, since)
                holds[key] = before.get(key) or (uptime, max(0.0, now - since))
        if not holds:
            return records
        self._holds[name] = holds
        began = {key: now - (age + uptime - at) for key, (at, age) in holds.items()}
        return tuple(_held(r, began.get((r.ip, r.held_since), 0.0)) for r in records)

    def _in_our_time(
        self, name: str, records: Sequence[AddressRecord], now: float
    ) -> tuple[AddressRecord, ...]:
        before = self._moved.pop(name, {})
        moved = {
            record: before.get(record) or _moved_to(record, now)
            for record in records
            if record.observed_at > now + SAME_CLOCK_SECONDS or record in before
        }
        if not moved:
            return tuple(records)
        self._moved[name] = moved
        return tuple(moved.get(record, record) for record in records)


def _moved_to(record: AddressRecord, now: float) -> AddressRecord:
    """The record with all its times moved, so that it was last changed now; in whole seconds."""
    by = record.observed_at - int(now)
    return replace(
        record,
        observed_at=record.observed_at - by,
        since=max(0.0, record.since - by),
        next_attempt=max(0.0, record.next_attempt - by),
        held_since=max(0.0, record.held_since - by),
    )


def _held(record: AddressRecord, since: float) -> AddressRecord:
    """The record with the moment its hold began; the very same where that is so already."""
    if abs(record.held_since - since) <= SAME_CLOCK_SECONDS:
        return record
    return replace(record, held_since=float(int(since)))
