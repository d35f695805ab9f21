"""Triggers: which endpoints and networks a change concerns."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from moorage_danm import reasons
from moorage_danm.caches import Caches, GroupCaches
from moorage_danm.kinds import NetworkKind
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.lease import NodeLease
from moorage_danm.model.network import Network
from moorage_danm.model.node import Node, Ready
from moorage_danm.model.pod import Pod
from moorage_danm.reclaim.brake import suspended
from moorage_danm.reclaim.free import QUIET_SECONDS
from moorage_danm.reclaim.freed import FreedLately, Waiting
from moorage_danm.reclaim.keys import endpoint_key, network_key
from moorage_danm.reclaim.node_memory import NodeMemory
from moorage_danm.reclaim.observe import Observer
from moorage_kube.cache.store import Change
from moorage_kube.reconcile.queue import WorkQueue

logger = logging.getLogger(__name__)

AUDIT_SECONDS = 30.0
"""A network that changes is audited so long afterwards: all changes of that time at once."""


class Queues:
    """The queues of the controllers."""

    def __init__(self) -> None:
        self.endpoints, self.networks = WorkQueue(), WorkQueue()
        self.nodes, self.audit = WorkQueue(), WorkQueue()


class Triggers:
    """Puts keys into the queues; each change costs what it concerns."""

    def __init__(
        self,
        caches: Caches,
        memory: NodeMemory,
        observer: Observer,
        queues: Queues,
        waiting: Waiting,
    ) -> None:
        self._caches = caches
        self._memory = memory
        self._observer = observer
        self._queues = queues
        self._waiting = waiting
        self.freed = FreedLately(caches)
        self._cleaner = False
        self._suspended = False
        for group in caches.groups.values():
            self._subscribe(group)
        caches.pods.subscribe(self._pod_changed)
        caches.nodes.subscribe(self._node_changed)
        caches.leases.subscribe(self._lease_changed)

    def _subscribe(self, group: GroupCaches) -> None:
        group.endpoints.subscribe(self._endpoint_changed)
        for kind in NetworkKind:
            group.networks[kind].subscribe(self._network_changed)

    async def look_at_all(self) -> None:
        """At takeover: of what came before nobody has looked at anything."""
        for endpoint in self._caches.all_endpoints():
            self._look(endpoint)
        for group in self._caches.groups.values():
            for network in group.all_networks():
                self._queues.audit.add(network_key(group.group, network.ref))
        self._queues.nodes.add(*(name for name, one in self._caches.nodes.items() if one.marks))
        self._note_cleaner()

    def _look(self, endpoint: Endpoint) -> None:
        if self._observer.concerns_us(endpoint):
            self._queues.endpoints.add(endpoint_key(endpoint))
            self._free(endpoint)

    def _free(self, endpoint: Endpoint) -> None:
        if endpoint.taken is not None and endpoint.held and endpoint.network is not None:
            key = network_key(endpoint.group, endpoint.network)
            # Others are being taken from at the same time: one write for all of them.
            self._queues.networks.add_after(key, QUIET_SECONDS)

    def _endpoint_changed(self, change: Change[Endpoint]) -> None:
        if not self._caches.synced:
            return
        old, new = change.old, change.new
        if new is None:
            if old is not None:
                self._queues.endpoints.add(endpoint_key(old))
                self._audit(old)
            return
        self._look(new)
        if self.freed.has(new):
            self._queues.endpoints.add(endpoint_key(new))

    def _audit(self, endpoint: Endpoint) -> None:
        if endpoint.network is not None:
            key = network_key(endpoint.group, endpoint.network)
            self._queues.audit.add_after(key, AUDIT_SECONDS)

    def _network_changed(self, change: Change[Network]) -> None:
        if not self._caches.synced:
            return
        old, new = change.old, change.new
        seen = new or old
        if seen is None:
            return
        key = network_key(seen.group, seen.ref)
        if self._caches.groups[seen.group].taken.get(seen.ref):
            self._queues.networks.add_after(key, QUIET_SECONDS)
        self._queues.audit.add_after(key, AUDIT_SECONDS)
        if old is None or new is None or old.problem != new.problem:
            self._queues.endpoints.add(*self._waiting.of(reasons.NETWORK_UNREADABLE))

    def _pod_changed(self, change: Change[Pod]) -> None:
        if not self._caches.synced:
            return
        self._look_at(self._of_pod(change.key))
        pod = change.new
        if pod is not None and pod.pending:
            for ref, address in pod.wishes:
                for group in self._caches.groups.values():
                    self._add(group.holders(ref, address))
        if (change.old or change.new) and any(
            one is not None and one.cleaner for one in (change.old, change.new)
        ):
            self._note_cleaner()

    def _node_changed(self, change: Change[Node]) -> None:
        if not self._caches.synced:
            return
        old, new = change.old, change.new
        if new is None or new.marks or (old is not None and old.marks):
            self._queues.nodes.add(change.key)
        self._note_suspended()
        quiet = old is not None and new is not None and old.ready is new.ready is Ready.TRUE
        if quiet and old is not None and new is not None and old.hosts == new.hosts:
            return
        names = dict.fromkeys((*(old.hosts if old else ()), *(new.hosts if new else ())))
        self._of_node(change.key, tuple(names))

    def _lease_changed(self, change: Change[NodeLease]) -> None:
        seen = change.new or change.old
        if seen is None or not self._caches.synced:
            return
        node = self._caches.nodes.get(seen.node)
        if node is None or node.ready is not Ready.TRUE:
            self._of_node(seen.node, self._memory.hosts_of(seen.node))

    def _of_node(self, name: str, hosts: Iterable[str]) -> None:
        """Endpoints of a node: those that name its host, and those of its pods."""
        for group in self._caches.groups.values():
            for host in hosts:
                self._add(group.on_host(host))
        for key in self._caches.pods_by_node.get(name):
            self._add(self._of_pod(key))

    def _of_pod(self, key: str) -> list[Endpoint]:
        return [one for group in self._caches.groups.values() for one in group.of_pod(key)]

    def _add(self, found: Iterable[Endpoint]) -> None:
        self._queues.endpoints.add(*map(endpoint_key, found))

    def _look_at(self, found: Iterable[Endpoint]) -> None:
        for endpoint in found:
            self._look(endpoint)

    def _note_cleaner(self) -> None:
        runs = self._observer.beside_a_cleaner
        if runs != self._cleaner:
            self._cleaner = runs
            if runs:
                logger.warning("%s", reasons.CLEANER_PRESENT.meaning)
            self._queues.endpoints.add(*self._waiting.of(reasons.NO_DEMAND))

    def _note_suspended(self) -> None:
        now = bool(suspended(self._caches))
        if now != self._suspended:
            self._suspended = now
            if not now:
                self._queues.endpoints.add(*self._waiting.of(reasons.SUSPENDED))
