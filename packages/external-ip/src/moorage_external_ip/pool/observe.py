"""Observe: what only external-ip knows of a pool; from the caches only."""

from __future__ import annotations

from moorage_external_ip.caches import Caches
from moorage_external_ip.pool.spec import pool_ref
from moorage_ipam.pool_logic import PoolFacts
from moorage_ipam.records import PoolRef


class PoolObserver:
    """Reads the caches for the controller of pools."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    def pool(self, key: str) -> PoolFacts | PoolRef:
        """One pool; of one that is gone, how records named it."""
        view = self._caches.pools.get(key)
        if view is None:
            return pool_ref(key)
        return PoolFacts(
            subject=view.subject,
            ref=pool_ref(key),
            problem=self._caches.problems.get(key, ""),
            waiting=self._caches.waiting.count(key),
            waiters="Services",
            nearly_full_percent=view.spec.nearly_full_percent if view.spec else 100,
        )
