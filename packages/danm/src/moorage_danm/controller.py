"""The reclaim controller put together: endpoints, networks, nodes and the audit."""

from __future__ import annotations

from typing import cast

from moorage_danm.caches import Caches
from moorage_danm.metrics import DanmMetrics, Gauges
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.node import FenceRules
from moorage_danm.reclaim.act import Actor
from moorage_danm.reclaim.audit import AuditLogic
from moorage_danm.reclaim.brake import Allowance
from moorage_danm.reclaim.endpoints import EndpointLogic
from moorage_danm.reclaim.keys import endpoint_key
from moorage_danm.reclaim.networks import NetworkLogic
from moorage_danm.reclaim.node_memory import NodeMemory
from moorage_danm.reclaim.nodes import NodeLogic
from moorage_danm.reclaim.observe import Observer
from moorage_danm.reclaim.pending import NetworkKey, PendingAddresses
from moorage_danm.reclaim.triggers import Queues, Triggers
from moorage_danm.settings import DanmSettings, marks_of
from moorage_kube.cache.store import Change
from moorage_kube.manager.manager import Manager


class Reclaim:
    """All parts, each made once."""

    def __init__(self, manager: Manager) -> None:
        settings = cast("DanmSettings", manager.settings)
        client, events = manager.client, manager.events
        self.caches = caches = Caches(fence_rules(settings))
        self.metrics = DanmMetrics.register(manager.registry)
        # In this order they are called for each change: what is remembered, then who looks at it.
        memory = NodeMemory(caches)
        self.pending = PendingAddresses(caches)
        allowance = Allowance(settings.unfenced_per_minute)
        self.observer = Observer(caches, memory, self.pending, allowance, settings)
        actor = Actor(client, caches, self.observer, self.pending, allowance)
        self.endpoints = EndpointLogic(self.observer, actor, events, self.metrics)
        self.networks = NetworkLogic(
            client, caches, self.pending, self.metrics, manager.election.fence
        )
        self.nodes = NodeLogic(caches, memory, events)
        audit = (settings.audit, settings.audit_seconds)
        self.audit = AuditLogic(client, caches, self.pending, events, audit)
        self.queues = Queues()
        self.triggers = Triggers(caches, memory, self.observer, self.queues, self.endpoints.waiting)
        self.endpoints.freed = self.triggers.freed
        self.pending.coming = lambda: self.queues.endpoints.depth > 0
        self.networks.settled = self._settled
        for group in caches.groups.values():
            group.endpoints.subscribe(self._endpoint_gone)

    def _settled(self, key: NetworkKey, uids: frozenset[str]) -> None:
        """Nothing is left to free of these: they may go."""
        group = self.caches.groups[key[0]]
        for endpoint in group.taken_of(key[1]):
            if endpoint.uid in uids:
                self.triggers.freed.note(endpoint)
                self.queues.endpoints.add(endpoint_key(endpoint))

    def _endpoint_gone(self, change: Change[Endpoint]) -> None:
        old, new = change.old, change.new
        if old is not None and (new is None or new.uid != old.uid or not new.held):
            self.pending.forget(old)


def fence_rules(settings: DanmSettings) -> FenceRules:
    """The marks of nodes that the settings name."""
    pairs = (one.partition("=") for one in marks_of(settings.fence_annotations))
    return FenceRules(
        tuple((key, value) for key, _, value in pairs), marks_of(settings.fence_conditions)
    )


def setup(manager: Manager) -> None:
    """Add everything to a manager."""
    parts = Reclaim(manager)
    parts.caches.watch(manager)
    gauges = Gauges(
        parts.caches,
        lambda: parts.observer.beside_a_cleaner,
        parts.audit.leaked,
        lambda: parts.nodes.stale,
        lambda: manager.election.is_leader,
    )
    manager.registry.register(gauges.collector())
    manager.on_leading.append(parts.triggers.look_at_all)
    queues = parts.queues
    manager.add_controller("danm-endpoints", parts.endpoints, queues.endpoints)
    manager.add_controller("danm-networks", parts.networks, queues.networks)
    manager.add_controller("danm-nodes", parts.nodes, queues.nodes)
    manager.add_controller("danm-audit", parts.audit, queues.audit)
