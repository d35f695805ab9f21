"""Waiters: claims that found their pool exhausted, the oldest in front."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from itertools import islice

from moorage_kube.cache.store import Change, Store
from moorage_machine_ipam.projections import Claim


class Waiters:
    """By pool, in order of their creation; the status of each says that it waits.

    So the order is the same after a restart. Whoever cannot be served now (it is paused, or has an
    address already) keeps its place, and keeps nobody else from theirs.
    """

    def __init__(self, claims: Store[Claim], can_be_served: Callable[[Claim], bool]) -> None:
        self._claims = claims
        self._can_be_served = can_be_served
        self._by_pool: dict[str, list[tuple[str, str, str]]] = {}
        claims.subscribe(self._changed)

    def ahead_of(self, claim: Claim, free: int) -> int:
        """How many older claims wait for the same pool; not counted beyond ``free + 1``."""
        ahead = self.place_of(claim)
        if ahead < free:
            return ahead
        # Only where it matters are they looked at one by one, and no more than that takes.
        older = islice(self._by_pool.get(claim.pool_key, ()), ahead)
        return sum(1 for _ in islice(filter(self._is_active, older), min(free, ahead) + 1))

    def place_of(self, claim: Claim) -> int:
        """How many older claims wait for the same pool, whether they can be served or not."""
        return bisect.bisect_left(self._by_pool.get(claim.pool_key, []), _place(claim))

    def count(self, pool: str) -> int:
        """How many wait for a pool."""
        return len(self._by_pool.get(pool, ()))

    def first(self, pool: str, count: int) -> list[str]:
        """The keys of the first few that wait for a pool."""
        waiting = self._by_pool.get(pool, ())
        # A pool of IPv6 may have more addresses than islice() can count.
        count = min(count, len(waiting))
        return [key for _, _, key in islice(filter(self._is_active, waiting), count)]

    def _is_active(self, place: tuple[str, str, str]) -> bool:
        claim = self._claims.get(place[2])
        return claim is not None and self._can_be_served(claim)

    def _changed(self, change: Change[Claim]) -> None:
        old, new = change.old, change.new
        if old is not None and old.waits:
            waiting = self._by_pool[old.pool_key]
            waiting.remove(_place(old))
            if not waiting:
                del self._by_pool[old.pool_key]
        if new is not None and new.waits:
            bisect.insort(self._by_pool.setdefault(new.pool_key, []), _place(new))


def _place(claim: Claim) -> tuple[str, str, str]:
    return claim.created, claim.subject.uid, claim.key
