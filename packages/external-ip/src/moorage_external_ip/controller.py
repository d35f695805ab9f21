"""The controllers of external-ip put together: Services, claims, pools, records, placement."""

from __future__ import annotations

from typing import cast

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_domain.families import Address
from moorage_external_ip.caches import Caches
from moorage_external_ip.claim.act import ClaimActor
from moorage_external_ip.claim.observe import ClaimObserver
from moorage_external_ip.kinds import SERVICE_CIDRS, SERVICES
from moorage_external_ip.logic import ClaimLogic, ServiceLogic
from moorage_external_ip.metrics import Gauges
from moorage_external_ip.placement.controller import Placement
from moorage_external_ip.pool.observe import PoolObserver
from moorage_external_ip.projections import CLAIM_KIND, POOL_FINALIZER, Claim
from moorage_external_ip.service.act import ServiceActor
from moorage_external_ip.service.observe import ServiceObserver
from moorage_external_ip.service.wish import Service
from moorage_external_ip.settings import ExternalIpSettings
from moorage_external_ip.triggers import Queues, Triggers
from moorage_ipam.allocations import Allocations
from moorage_ipam.pool_logic import PoolLogic
from moorage_ipam.records import Owner, Record
from moorage_ipam.upkeep import OwnerKind, Presence, Upkeep
from moorage_kube.cache.store import Change
from moorage_kube.client.errors import NotFound
from moorage_kube.client.kinds import NAMESPACES, NODES
from moorage_kube.manager.manager import Manager
from moorage_kube.writes.subjects import Subjects


class ExternalIp:
    """All parts, each made once."""

    def __init__(self, manager: Manager) -> None:
        settings = cast("ExternalIpSettings", manager.settings)
        self.client = manager.client
        self.caches = caches = Caches(settings)
        self.queues = Queues()
        allocations = Allocations(self.client, caches.records, caches.given)
        self.services = ServiceActor(self.client, caches, allocations)
        owner = OwnerKind(self._presence, self._is_gone, self._has_come)
        self.upkeep = Upkeep(caches.records, allocations, {CLAIM_KIND: owner}, self._reuse_seconds)
        self.claim_observer = ClaimObserver(caches, allocations)
        self.claims = ClaimActor(
            self.client, caches, allocations, self.claim_observer.network, self._reuse_seconds
        )
        self.service_observer = ServiceObserver(caches, self.services.unsure, self.upkeep.due)
        Triggers(caches, self.queues, self.upkeep.queue)
        caches.services.subscribe(self._service_gone)
        caches.claims.subscribe(self._claim_gone)
        manager.informer(IPCLAIMPOOLS, caches.pools, written_by_people=True)
        manager.informer(IPALLOCATIONS, caches.records)
        manager.informer(IPCLAIMS, caches.claims)
        manager.informer(NODES, caches.nodes)
        manager.informer(NAMESPACES, caches.namespaces)
        # Clusters before Kubernetes 1.33 do not have them.
        manager.informer(SERVICE_CIDRS, caches.service_cidrs).optional = True
        manager.informer(SERVICES, caches.services)

    def _presence(self, owner: Owner) -> Presence:
        """Whether a claim is there, by the cache."""
        claim = self.caches.claims.get(owner.name)
        if claim is None:
            return Presence.GONE
        return Presence.THERE if claim.subject.uid == owner.uid else Presence.NAMESAKE

    async def _is_gone(self, owner: Owner) -> bool:
        """Whether that very claim is gone, as the API server says now."""
        return await self._uid_of(owner.name) != owner.uid

    async def _has_come(self, owner: Owner, address: Address) -> bool:
        """Whether the claim that a record waits for is there, as the API server says now."""
        del address  # its name says it
        return bool(await self._uid_of(owner.name))

    async def _uid_of(self, name: str) -> str:
        try:
            raw = await self.client.get(IPCLAIMS, name)
        except NotFound as error:
            # Else it is the path that is not found, and not the object.
            if f'"{name}"' not in error.message:
                raise
            return ""
        return str(raw["metadata"]["uid"])

    def _reuse_seconds(self, record: Record) -> float:
        pool = self.caches.given.get(record.pool.name) if record.pool else None
        return pool.spec.reuse_seconds if pool else 0.0

    def _service_gone(self, change: Change[Service]) -> None:
        old, new = change.old, change.new
        if old is not None and (new is None or new.subject.uid != old.subject.uid):
            self.services.forget(old.subject.uid)

    def _claim_gone(self, change: Change[Claim]) -> None:
        """A claim that goes: its record looks whether it is gone for good."""
        old, new = change.old, change.new
        if old is not None and (new is None or new.subject.uid != old.subject.uid):
            names = self.caches.records_by_owner.get((CLAIM_KIND, change.key))
            self.upkeep.queue.add(*names)


def setup(manager: Manager) -> None:
    """Add everything to a manager."""
    parts = _add_allocation(manager)
    parts.services.create_claim = Placement(manager, parts.caches).first.create


def allocation_alone(manager: Manager) -> None:
    """Add all but placement: addresses are given, and no node is chosen for any."""
    _add_allocation(manager)


def _add_allocation(manager: Manager) -> ExternalIp:
    parts = ExternalIp(manager)
    caches, queues = parts.caches, parts.queues
    gauges = Gauges(caches, parts.upkeep.missing, lambda: manager.election.is_leader)
    manager.registry.register(gauges.collector())
    manager.add_controller(
        "external-ip-services",
        ServiceLogic(parts.service_observer, parts.services, manager.events),
        queues.services,
        Subjects(SERVICES, caches.services, has_generation=False),
    )
    manager.add_controller(
        "external-ip-claims",
        ClaimLogic(parts.claim_observer, parts.claims, manager.events),
        queues.claims,
        # Placement writes the generation: after each change of the spec it has more to say, and two
        # writers would have a conflict for each address that moves.
        Subjects(IPCLAIMS, caches.claims, has_generation=False),
    )
    manager.add_controller(
        "external-ip-pools",
        PoolLogic(IPCLAIMPOOLS, PoolObserver(caches).pool, caches.pool_records, manager.events),
        queues.pools,
        Subjects(IPCLAIMPOOLS, caches.pools, POOL_FINALIZER),
    )
    manager.add_controller("external-ip-records", parts.upkeep, parts.upkeep.queue)
    return parts
