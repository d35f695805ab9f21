"""Caches: what is known of DANM's objects, pods, nodes and their Leases, and how it is found."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from moorage_danm import kinds
from moorage_danm.kinds import GROUPS, NetworkKind
from moorage_danm.model.endpoint import Endpoint, endpoint_of
from moorage_danm.model.lease import NodeLease, lease_of
from moorage_danm.model.network import Network, NetworkRef, network_of
from moorage_danm.model.node import FenceRules, Node, node_of
from moorage_danm.model.pod import Pod, pod_of
from moorage_danm.names import NODE_LEASES
from moorage_domain.families import Address
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.store import Index, Store
from moorage_kube.client.client import ListQuery
from moorage_kube.client.kinds import LEASES, NODES, PODS
from moorage_kube.manager.manager import Manager


class GroupCaches:
    """What there is of one API group; nothing, where it is not served."""

    def __init__(self, group: str) -> None:
        self.group = group
        self.endpoints: Store[Endpoint] = Store(partial(endpoint_of, group))
        self.networks: dict[NetworkKind, Store[Network]] = {
            kind: Store(partial(network_of, group, kind)) for kind in NetworkKind
        }
        self.by_host = Index(self.endpoints, lambda one: (one.host.lower(),))
        self.by_pod = Index(self.endpoints, lambda one: (one.pod_key,))
        self.by_address = Index(
            self.endpoints, lambda one: ((one.network, address) for address in one.addresses)
        )
        self.taken = Index(self.endpoints, lambda one: (one.network,) if one.taken else ())
        """Keys of endpoints from which addresses were taken, by network."""

    def network(self, ref: NetworkRef | None) -> Network | None:
        """A network; ``None`` = it is not known."""
        return self.networks[ref.kind].get(ref.key) if ref is not None else None

    def all_networks(self) -> Iterator[Network]:
        """Every network of the group."""
        for store in self.networks.values():
            yield from store.values()

    def holders(self, ref: NetworkRef, address: Address) -> list[Endpoint]:
        """Endpoints that have an address."""
        if not self.by_address:  # as of the group that is not installed
            return []
        return self._endpoints(self.by_address.get((ref, address)))

    def of_pod(self, pod_key: str) -> list[Endpoint]:
        """Endpoints of all pods of a name, those that are gone included."""
        return self._endpoints(self.by_pod.get(pod_key))

    def on_host(self, host: str) -> list[Endpoint]:
        """Endpoints that name a host, in lower case."""
        return self._endpoints(self.by_host.get(host))

    def taken_of(self, ref: NetworkRef) -> list[Endpoint]:
        """Endpoints of a network from which addresses were taken."""
        if not self.taken:  # as nearly always
            return []
        return self._endpoints(self.taken.get(ref))

    def _endpoints(self, keys: frozenset[str]) -> list[Endpoint]:
        if not keys:
            return []
        found = map(self.endpoints.get, sorted(keys))
        return [one for one in found if one is not None]


class Caches:
    """All of it."""

    def __init__(self, rules: FenceRules | None = None) -> None:
        self.groups = {group: GroupCaches(group) for group in GROUPS}
        self.rules = rules or FenceRules()
        self.nodes: Store[Node] = Store(partial(node_of, self.rules))
        self.leases: Store[NodeLease] = Store(lease_of)
        self.pods: Store[Pod] = Store(pod_of)
        self.nodes_by_host = Index(self.nodes, lambda one: one.hosts)
        self.nodes_by_ready = Index(self.nodes, lambda one: (one.ready,))
        self.pods_by_node = Index(self.pods, lambda one: (one.node,) if one.node else ())
        self.pods_by_wish = Index(self.pods, lambda one: one.wishes)
        self.cleaners = Index(self.pods, lambda one: (True,) if one.cleaner else ())
        self.informers: list[Informer[Any]] = []

    def watch(self, manager: Manager) -> None:
        """Keep all of them true; kinds of DANM may come and go."""
        add = manager.informer
        for group, caches in self.groups.items():
            self._add(add(kinds.endpoints(group), caches.endpoints), optional=True)
            for kind, store in caches.networks.items():
                self._add(add(kinds.networks(group, kind), store), optional=True)
        self._add(add(NODES, self.nodes))
        self._add(add(PODS, self.pods))
        self._add(add(LEASES, self.leases, ListQuery(namespace=NODE_LEASES)))

    def _add(self, informer: Informer[Any], *, optional: bool = False) -> None:
        informer.optional = optional
        self.informers.append(informer)

    @property
    def synced(self) -> bool:
        """Whether every one has been complete at least once."""
        return bool(self.informers) and all(one.store.synced for one in self.informers)

    @property
    def failing(self) -> str:
        """Why what is known of nodes and pods may be old; ``""`` = it is not."""
        kinds_ = ("nodes", "pods", "leases")
        named = (one for one in self.informers if one.kind.plural in kinds_)
        return next((f"{one.name}: {one.failure}" for one in named if one.failure), "")

    def wanting(self, ref: NetworkRef, address: Address) -> list[Pod]:
        """Pods that ask for this very address."""
        found = (self.pods.get(key) for key in sorted(self.pods_by_wish.get((ref, address))))
        return [one for one in found if one is not None]

    def all_endpoints(self) -> Iterator[Endpoint]:
        """Every endpoint of both groups."""
        for caches in self.groups.values():
            yield from caches.endpoints.values()
