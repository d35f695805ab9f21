"""What the admission service knows by heart: endpoints, networks, pods and nodes."""

from __future__ import annotations

from functools import partial

from moorage_danm import kinds
from moorage_danm.caches import GroupCaches
from moorage_danm.kinds import GROUPS
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.network import Network, NetworkRef
from moorage_danm.model.node import FenceRules, Node, node_of
from moorage_danm.model.pod import Wish
from moorage_danm.webhook.holders import Holder, OwnedPod, owned_pod_of
from moorage_kube.cache.store import Index, Store
from moorage_kube.client.client import ListQuery
from moorage_kube.client.kinds import NODES, PODS
from moorage_kube.manager.manager import Manager

PAGE: ListQuery = ListQuery(limit=50)
"""Answers wait while a page is taken in: 500 pods take as long as 500 answers."""


class AdmissionCaches:
    """All of it, kept true by informers; every replica has its own."""

    def __init__(self) -> None:
        self.groups = tuple(map(GroupCaches, GROUPS))
        self.pods: Store[OwnedPod] = Store(owned_pod_of)
        # How a node is fenced by other means the controller knows.
        self.nodes: Store[Node] = Store(partial(node_of, FenceRules()))
        self._complete = False
        self._nodes_by_host = Index(self.nodes, lambda one: one.hosts)

    def watch(self, manager: Manager) -> None:
        """Keep all of them true; kinds of DANM may come and go."""
        for caches in self.groups:
            manager.informer(kinds.endpoints(caches.group), caches.endpoints, PAGE).optional = True
            for kind, store in caches.networks.items():
                manager.informer(kinds.networks(caches.group, kind), store, PAGE).optional = True
        manager.informer(NODES, self.nodes, PAGE)
        manager.informer(PODS, self.pods, PAGE)

    def missing(self) -> str:
        """What has not been listed yet, ``""`` = nothing."""
        if self._complete:
            return ""
        for caches in self.groups:
            if not caches.endpoints.synced:
                return f"endpoints of {caches.group}"
            if not all(store.synced for store in caches.networks.values()):
                return f"networks of {caches.group}"
        if not self.pods.synced:
            return "pods"
        self._complete = self.nodes.synced
        return "" if self._complete else "nodes"

    def network(self, ref: NetworkRef) -> Network | None:
        """A network of either group."""
        for caches in self.groups:
            found = caches.network(ref)
            if found is not None:
                return found
        return None

    def holders(self, wish: Wish, own_uid: str) -> tuple[Holder, ...]:
        """Who has an address, but for the pod with this uid."""
        found = [one for caches in self.groups for one in caches.holders(*wish)]
        return tuple([self._holder(one) for one in found if not own_uid or one.pod_uid != own_uid])

    def is_being_freed(self, wish: Wish) -> bool:
        """Whether an address was taken from an endpoint, whose bit may still be set."""
        network, address = wish
        taken = [one for caches in self.groups for one in caches.taken_of(network)]
        return any(one.taken is not None and address in one.taken.addresses for one in taken)

    def is_released(self, endpoint: Endpoint) -> bool:
        """Whether the addresses that an endpoint had are free, or somebody else's already."""
        now = self.group(endpoint.group).endpoints.get(endpoint.key)
        if now is not None and now.uid == endpoint.uid and now.addresses:
            return False
        ref = endpoint.network
        network = None if ref is None else self.network(ref)
        return network is None or not any(
            network.is_set(one) and not self.holders((network.ref, one), "")
            for one in endpoint.addresses
        )

    def group(self, name: str) -> GroupCaches:
        """What there is of one API group."""
        return next(one for one in self.groups if one.group == name)

    def _holder(self, endpoint: Endpoint) -> Holder:
        pod = self.pods.get(endpoint.pod_key)
        # What an old release of DANM made has no uid: then the name must do, and the pod lives.
        if pod is not None and endpoint.pod_uid not in ("", pod.pod.uid):
            pod = None
        if pod is not None and pod.pod.node:
            return Holder(endpoint, pod, self.nodes.get(pod.pod.node), placed=True)
        named = self._nodes_by_host.get(endpoint.host.lower())
        node = self.nodes.get(next(iter(named))) if len(named) == 1 else None
        return Holder(endpoint, pod, node, placed=False)
