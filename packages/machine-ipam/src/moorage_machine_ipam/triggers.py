"""Triggers: which claims and pools a change concerns."""

from __future__ import annotations

from moorage_ipam.records import Record
from moorage_kube.cache.store import Change
from moorage_kube.reconcile.queue import WorkQueue
from moorage_machine_ipam.caches import Caches
from moorage_machine_ipam.decide.claim import INFORMED
from moorage_machine_ipam.projections import CLAIM_KIND, Claim, IpAddress, PoolView

COUNT_SECONDS = 1.0
"""A pool's numbers are written so long after the first change: a burst makes few writes."""
LIVE_PER_SECOND = 2000
"""And a second later for so many addresses in use: counting them stays a small part of the work."""


class Triggers:
    """Puts keys into the queues; each change costs what it concerns."""

    def __init__(
        self, caches: Caches, claims: WorkQueue, pools: WorkQueue, records: WorkQueue
    ) -> None:
        self._caches = caches
        self._claims = claims
        self._pools = pools
        self._records = records
        caches.claims.subscribe(self._claim_changed)
        caches.addresses.subscribe(self._address_changed)
        caches.records.subscribe(self._record_changed)
        caches.pools.subscribe(self._pool_changed)
        caches.clusters.subscribe(self._cluster_changed)
        caches.given.subscribe(self._use_changed)

    def _claim_changed(self, change: Change[Claim]) -> None:
        self._claims.add(change.key)
        for one, other in ((change.old, change.new), (change.new, change.old)):
            if one is not None and _waits(one) != _waits(other):
                self._use_changed(one.pool_key)

    def _address_changed(self, change: Change[IpAddress]) -> None:
        # It has the name of its claim.
        self._claims.add(change.key)

    def _record_changed(self, change: Change[Record]) -> None:
        for record in (change.old, change.new):
            if record is None:
                continue
            if record.owner is not None and record.owner.kind == CLAIM_KIND:
                self._claims.add(record.owner.key)
            if record.pool is not None:
                self._count(f"{record.pool.namespace}/{record.pool.name}")
            for address in record.addresses:
                # Those whose IPAddress says it, and those who ask for it.
                self._claims.add(*self._caches.addresses_by_address.get(address))
                self._claims.add(*self._caches.claims_by_request.get(address))
                self._claims.add(*self._caches.claims_kept_for(record.network, address))

    def _pool_changed(self, change: Change[PoolView]) -> None:
        old, new = change.old, change.new
        self._pools.add(change.key)
        if old is None or new is None or _wanted(old) != _wanted(new):
            self._claims.add(*self._caches.claims_by_pool.get(change.key))
            # Other pools of the network may overlap with it, or do so no more.
            for key in self._caches.pools.keys() - {change.key}:
                self._count(key)
        given = self._caches.given.get(change.key)
        if given is not None and old is not None and old.spec != (new.spec if new else None):
            # The delay of what was released may be another one.
            self._records.add(*(name for _, name in given.quarantined))

    def _cluster_changed(self, change: Change[bool]) -> None:
        keys = self._caches.claims_by_cluster.get(change.key)
        self._claims.add(*keys)
        # Some of their claims may have vanished, and the Cluster says what that means.
        self._records.add(*self._caches.records_by_cluster.get(change.key))
        for claim in map(self._caches.claims.get, keys):
            if claim is not None and claim.waits:
                self._use_changed(claim.pool_key)

    def _use_changed(self, pool: str) -> None:
        """Addresses came free, or were taken: the oldest waiters look again.

        A few of them: where more are free, each that is served is a change that wakes the next;
        where none is, they say when the next one comes free.
        """
        self._count(pool)
        self._claims.add(*self._caches.waiters.first(pool, INFORMED))

    def _count(self, pool: str) -> None:
        """The numbers of a pool have changed; where many objects are counted it takes longer."""
        live = len(self._caches.records)
        self._pools.add_after(pool, COUNT_SECONDS + live / LIVE_PER_SECOND)


def _wanted(view: PoolView) -> tuple[object, ...]:
    return view.spec, view.problem, view.paused, view.subject.deleting, view.subject.uid


def _waits(claim: Claim | None) -> tuple[object, ...] | None:
    """Whether it waits, and could be served; ``None`` = it does not."""
    if claim is None or not claim.waits:
        return None
    return claim.pool_key, claim.paused, claim.subject.dry_run
