"""Waits that a status asks for: none is longer than the longest back-off since first seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from moorage_core.decide.address import LONGEST_BACKOFF_SECONDS
from moorage_core.model import AddressRecord


class FirstSeen:
    """Remembers when this process first saw each ``nextAttempt`` that lies ahead.

    One written by a clock that was ahead may lie years off. No wait of ours is longer than the
    longest back-off, so after that much of our own time it counts as over.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[tuple[str, float], float]] = {}

    def believed(
        self, name: str, records: Iterable[AddressRecord], now: float, uptime: float
    ) -> tuple[AddressRecord, ...]:
        """The records of an allocation, without the waits that are known for too long.

        ``now`` is in epoch seconds, ``uptime`` in seconds of a clock that nobody can set.
        """
        records = tuple(records)
        before = self._seen.get(name, {})
        waits = [(r.ip, r.next_attempt) for r in records if r.next_attempt > now]
        if not waits:
            self._seen.pop(name, None)
            return records
        since = self._seen[name] = {wait: before.get(wait, uptime) for wait in waits}
        over = {ip for (ip, _), at in since.items() if uptime - at >= LONGEST_BACKOFF_SECONDS}
        return tuple(replace(r, next_attempt=0.0) if r.ip in over else r for r in records)

    def forget(self, name: str) -> None:
        """The allocation is gone."""
        self._seen.pop(name, None)
