"""Triggers: which Services, claims and pools a change concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from moorage_domain.conditions import condition_of
from moorage_domain.families import Address
from moorage_external_ip.caches import Caches
from moorage_external_ip.claim.decide import CONDITION
from moorage_external_ip.projections import CLAIM_KIND, Claim, NodeView, PoolView
from moorage_external_ip.service.wish import Service
from moorage_ipam.records import Record
from moorage_kube.cache.store import Change
from moorage_kube.reconcile.queue import WorkQueue

WOKEN = 16
"""So many that wait look again when something comes free: each that is served wakes the next."""
COUNT_SECONDS = 1.0
"""A pool's numbers are written so long after the first change: a burst makes few writes."""
LIVE_PER_SECOND = 2000
"""And a second later for so many addresses in use: counting them stays a small part of the work."""


@dataclass(frozen=True, slots=True)
class Queues:
    """Keys of what is to be looked at."""

    services: WorkQueue = field(default_factory=WorkQueue)
    claims: WorkQueue = field(default_factory=WorkQueue)
    pools: WorkQueue = field(default_factory=WorkQueue)


class Triggers:
    """Puts keys into the queues; each change costs what it concerns."""

    def __init__(self, caches: Caches, queues: Queues, records: WorkQueue) -> None:
        self._caches = caches
        self._queues = queues
        self._records = records
        caches.services.subscribe(self._service_changed)
        caches.claims.subscribe(self._claim_changed)
        caches.records.subscribe(self._record_changed)
        caches.pools.subscribe(self._pool_changed)
        caches.nodes.subscribe(self._node_changed)
        caches.namespaces.subscribe(self._namespace_changed)
        caches.on_kept.append(self._networks_changed)
        caches.given.subscribe(self._use_changed)

    def _service_changed(self, change: Change[Service]) -> None:
        self._queues.services.add(change.key)
        if _used(change.old) != _used(change.new):
            for service in (change.old, change.new):
                if service is not None:
                    self._queues.claims.add(*self._caches.claims_by_uid.get(service.subject.uid))
            self._queues.claims.add(*self._caches.claims_by_seed.get(change.key))
        if change.old is None or change.new is None:
            # Who waits behind it may come first now, and the numbers of waiters change.
            for name in self._caches.pools.by_key:
                self._use_changed(name)

    def _claim_changed(self, change: Change[Claim]) -> None:
        both = [one for one in (change.old, change.new) if one is not None]
        # Where it is, and what agents say of it, is written by and for placement. Hundreds move at
        # once, and are up the later the more passes there are between.
        if _differ(both, _of_claims):
            self._queues.claims.add(change.key)
        for claim in both if _differ(both, _of_services) else ():
            self._queues.services.add(*(one.key for one in claim.uses), *claim.seed_services)
        if _differ(both, _given):
            for claim in both:
                if claim.pool:
                    self._use_changed(claim.pool)
            self._address_changed(one.address for one in both if one.address)

    def _record_changed(self, change: Change[Record]) -> None:
        for record in (change.old, change.new):
            if record is None:
                continue
            owner = record.owner
            if owner is not None and owner.kind == CLAIM_KIND:
                self._queues.claims.add(owner.name)
            if owner is not None and owner.reservation is not None:
                self._queues.services.add(*self._caches.keys_by_uid.get(owner.reservation.request))
            if record.pool is not None:
                self._count(record.pool.name)
            self._address_changed(record.addresses)
            for address in record.addresses:
                self._queues.claims.add(*self._caches.claims_by_address.get(address))

    def _pool_changed(self, change: Change[PoolView]) -> None:
        old, new = change.old, change.new
        self._queues.pools.add(change.key)
        if old is not None and new is not None and _wanted(old) == _wanted(new):
            return
        # What it gave, what it gives now, and who was refused by it.
        self._queues.claims.add(*self._caches.claims.keys())
        self._queues.services.add(*self._caches.services.keys())
        for key in self._caches.pools.keys() - {change.key}:
            self._count(key)
        given = self._caches.given.get(change.key)
        if given is not None:
            # The delay of what was released may be another one.
            self._records.add(*(name for _, name in given.quarantined))

    def _node_changed(self, change: Change[NodeView]) -> None:
        for node in (change.old, change.new):
            self._address_changed(node.addresses if node else ())

    def _networks_changed(self, pool: str) -> None:
        """A pool lies in a network of the cluster that came or went: what it gives is another."""
        self._queues.pools.add(pool)
        self._queues.claims.add(*self._caches.claims_by_pool.get(pool))
        self._queues.services.add(*self._caches.services.keys())

    def _namespace_changed(self, change: Change[Mapping[str, str]]) -> None:
        """Pools may select it, or do so no more; only Services that wait look again."""
        self._queues.services.add(*self._caches.waiting.of_namespace(change.key))

    def _address_changed(self, addresses: Iterable[Address]) -> None:
        """Services that ask for these addresses, list them or have them."""
        for address in addresses:
            self._queues.services.add(*self._caches.services_by_address.get(address))

    def _use_changed(self, pool: str) -> None:
        """Addresses came free, or were taken: the oldest that wait look again."""
        self._count(pool)
        self._queues.services.add(*self._caches.waiting.first(pool, WOKEN))

    def _count(self, pool: str) -> None:
        """The numbers of a pool have changed; where many objects are counted it takes longer."""
        live = len(self._caches.records)
        self._queues.pools.add_after(pool, COUNT_SECONDS + live / LIVE_PER_SECOND)


def _used(service: Service | None) -> tuple[object, ...] | None:
    """What claims that it uses say of a Service; its status says nothing new to them."""
    return (service.subject.uid, service.use, service.health_port) if service else None


def _differ(both: Sequence[Claim], of: Callable[[Claim], tuple[object, ...]]) -> bool:
    """Whether it came, or went, or changed in what is looked at."""
    return len(both) == 1 or of(both[0]) != of(both[1])


def _given(claim: Claim) -> tuple[object, ...]:
    """Who has which address of which pool."""
    return claim.uses, claim.pool, claim.address, claim.subject.deleting


def _of_claims(claim: Claim) -> tuple[object, ...]:
    """What decisions about the claim's own fields, record and status rest on."""
    return (
        _given(claim), claim.subject.uid, claim.cidr, claim.made_for, claim.seed_services,
        claim.placement, claim.interface, claim.interface_pattern, claim.ports, claim.health_ports,
        claim.subject.dry_run, condition_of(claim.subject.status, CONDITION),
    )  # fmt: skip


def _of_services(claim: Claim) -> tuple[object, ...]:
    """What decisions about the Services that use it rest on."""
    return (
        _given(claim), claim.subject.uid, claim.cidr, claim.made_for, claim.seed_services,
        claim.ready, claim.taken,
    )  # fmt: skip


def _wanted(view: PoolView) -> tuple[object, ...]:
    return view.spec, view.problem, view.subject.deleting, view.subject.uid
