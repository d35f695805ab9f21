"""The controllers of machine-ipam put together: claims, pools and records."""

from __future__ import annotations

from typing import cast

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ippool import IPPOOLS
from moorage_domain.plans import Plan
from moorage_ipam.allocations import Allocations
from moorage_ipam.pool_logic import PoolLogic
from moorage_ipam.records import Owner, Record
from moorage_ipam.upkeep import OwnerKind, Presence, Upkeep
from moorage_kube.cache.store import Change
from moorage_kube.client.lookup import look_up
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.webhooks import serve_webhooks
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reason_events import reason_event
from moorage_kube.writes.subjects import Subjects
from moorage_machine_ipam import kinds
from moorage_machine_ipam.act import Actor
from moorage_machine_ipam.actions import Action
from moorage_machine_ipam.caches import Caches
from moorage_machine_ipam.decide.claim import decide
from moorage_machine_ipam.leftovers import Leftovers
from moorage_machine_ipam.machine.admission import MachineAdmission
from moorage_machine_ipam.machine.caches import MACHINE_KIND
from moorage_machine_ipam.machine.controller import Machines
from moorage_machine_ipam.machine.hook_file import HookFile
from moorage_machine_ipam.machine.projections import Machine
from moorage_machine_ipam.metrics import Gauges
from moorage_machine_ipam.model import Observed
from moorage_machine_ipam.observe import Observer
from moorage_machine_ipam.projections import (
    CLAIM_KIND,
    FINALIZER,
    POOL_FINALIZER,
    Claim,
    gone_uid,
)
from moorage_machine_ipam.reasons import ALLOCATED, CLAIM_WARNINGS
from moorage_machine_ipam.release_all import release_all
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_machine_ipam.triggers import Triggers

REUSE_SECONDS = 300.0
"""Of a released address whose pool is gone."""


class MachineIpam:
    """All parts, each made once."""

    def __init__(self, manager: Manager) -> None:
        settings = cast("MachineIpamSettings", manager.settings)
        self.client, self.events = manager.client, manager.events
        self.claim_kind = kinds.claims(settings.served_version)
        address_kind = kinds.addresses(settings.served_version)
        self.caches = Caches(settings.aliases())
        self.claims, self.pools = WorkQueue(), WorkQueue()
        self._has_clusters = settings.watch_clusters
        allocations = Allocations(self.client, self.caches.records, self.caches.given)
        self.actor = Actor(self.client, self.caches, allocations, self.claim_kind, address_kind)
        owners = {CLAIM_KIND: OwnerKind(self._presence, self._is_gone)}
        if settings.hook_config or settings.watch_machines:
            owners[MACHINE_KIND] = self._add_machines(manager, settings, allocations)
        # Released addresses of Machines come free also where nobody reads Machines any more.
        also = (MACHINE_KIND,)
        self.upkeep = Upkeep(self.caches.records, allocations, owners, self._reuse_seconds, also)
        self.observer = Observer(
            self.caches, allocations, self._due, has_clusters=settings.watch_clusters
        )
        Triggers(self.caches, self.claims, self.pools, self.upkeep.queue)
        self.addresses = Leftovers(self.client, address_kind, self.caches, self._is_there)
        self._allocations = allocations
        self.caches.claims.subscribe(self._claim_gone)
        caches = self.caches
        manager.informer(IPPOOLS, caches.pools, written_by_people=True)
        manager.informer(IPALLOCATIONS, caches.records)
        manager.informer(address_kind, caches.addresses)
        if settings.watch_clusters:
            manager.informer(kinds.CLUSTERS, caches.clusters).optional = True
        manager.informer(self.claim_kind, caches.claims)

    def _add_machines(
        self, manager: Manager, settings: MachineIpamSettings, allocations: Allocations
    ) -> OwnerKind:
        hook_file = HookFile(settings.hook_config) if settings.hook_config else None
        machines = Machines(manager, self.caches, allocations, hook_file, self._due)
        machines.caches.machines.subscribe(self._machine_gone)
        if settings.webhook_machines:
            admission = MachineAdmission(machines, allocations, settings)
            manager.run_always("reservations", admission.give_back)
            serve_webhooks(manager, admission.webhook)
        return machines.owner_kind

    def _presence(self, owner: Owner) -> Presence:
        """Whether a claim is there, by the cache."""
        claim = self.caches.claims.get(owner.key)
        if claim is not None and owner.uid in ("", claim.subject.uid):
            return Presence.THERE
        if owner.uid in self.caches.moved:
            return Presence.MOVED
        if owner.uid in self.caches.untold:
            return Presence.UNTOLD
        return Presence.NAMESAKE if claim is not None else self._without_claim(owner)

    def _without_claim(self, owner: Owner) -> Presence:
        """A claim that is not there: its Cluster tells whether it may be somewhere else."""
        if not owner.cluster or not self._has_clusters:
            return Presence.GONE
        is_paused = self.caches.clusters.get(owner.cluster_key)
        if is_paused is None:
            return Presence.GONE_WITH_CLUSTER
        # It is paused as long as it is on its way.
        return Presence.UNKNOWN if is_paused else Presence.GONE

    async def _is_gone(self, owner: Owner) -> bool:
        """Whether that very claim is gone, as the API server says now."""
        return not await self._is_there(owner.namespace, owner.name, owner.uid)

    async def _is_there(self, namespace: str, name: str, uid: str) -> bool:
        """Whether a claim of this uid is there, as the API server says now."""
        raw = await look_up(self.client, self.claim_kind, name, namespace)
        return raw is not None and bool(raw["metadata"]["uid"] == uid)

    def _reuse_seconds(self, record: Record) -> float:
        ref = record.pool
        pool = self.caches.given.get(f"{ref.namespace}/{ref.name}") if ref else None
        return pool.spec.reuse_seconds if pool else REUSE_SECONDS

    def _due(self, record: Record) -> float:
        """Seconds until a released address comes free."""
        return self.upkeep.due(record)

    def _claim_gone(self, change: Change[Claim]) -> None:
        """A claim that goes: what it had is looked after."""
        if uid := gone_uid(change.old, change.new):
            self._allocations.settle(uid)
            self.upkeep.queue.add(*self.caches.records_by_owner_uid.get(uid))
            self.addresses.queue.add(change.key)

    def _machine_gone(self, change: Change[Machine]) -> None:
        """A Machine that goes: its records look whether it is gone for good."""
        if uid := gone_uid(change.old, change.new):
            self.upkeep.queue.add(*self.caches.records_by_owner_uid.get(uid))


class ClaimLogic:
    """Observe, decide, act and report for one claim."""

    def __init__(self, parts: MachineIpam) -> None:
        self._parts = parts

    async def observe(self, key: str) -> Observed | None:
        """Read the caches; nothing is awaited, so that what is observed fits together."""
        return self._parts.observer.claim(key)

    def decide(self, observed: Observed) -> Plan[Action]:
        """Decide; pure."""
        return decide(observed)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action."""
        await self._parts.actor.act(observed, action)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """An Event for each new reason that the claim's condition has.

        That all went well from the beginning is told by the status alone: with thousands of
        machines at once, as many Events would take as long as the addresses.
        """
        plan, subject = ended.plan, ended.subject
        if ended.failure is None and plan is not None:
            first = subject is not None and not subject.status.get("conditions")
            if plan.status is None or (first and plan.reason == ALLOCATED.name):
                return
        if event := reason_event(self._parts.claim_kind, ended, warnings=CLAIM_WARNINGS):
            await self._parts.events.publish(event)


def setup(manager: Manager) -> None:
    """Add everything to a manager."""
    if cast("MachineIpamSettings", manager.settings).release_all:
        # Only while it leads: whoever else does would put the finalizers on again.
        manager.run_while_leading("release all", release_all(manager).run)
        return
    parts = MachineIpam(manager)
    gauges = Gauges(parts.caches, parts.upkeep.missing, lambda: manager.election.is_leader)
    manager.registry.register(gauges.collector())
    manager.add_controller(
        "claims",
        ClaimLogic(parts),
        parts.claims,
        Subjects(parts.claim_kind, parts.caches.claims, FINALIZER, has_generation=False),
    )
    manager.add_controller(
        "pools",
        PoolLogic(IPPOOLS, parts.observer.pool, parts.caches.pool_records, manager.events),
        parts.pools,
        Subjects(IPPOOLS, parts.caches.pools, POOL_FINALIZER),
    )
    manager.add_controller("records", parts.upkeep, parts.upkeep.queue)
    manager.add_controller("addresses", parts.addresses, parts.addresses.queue)
