"""What the controller keeps of the cluster, with the indexes that make observing cheap."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from moorage_core.decide.node_labels import labelled
from moorage_core.holders import Holders
from moorage_core.model import Phase, Workload
from moorage_core.pods import MisplacedPod
from moorage_core.projections import (
    AllocationView,
    OwnedView,
    PodView,
    project_allocation,
    project_node,
    project_owned,
    project_pod,
    project_workload,
)
from moorage_core.seal import Seal
from moorage_domain.nodes import Node
from moorage_domain.scheduling import PodPlacement
from moorage_kube.cache.store import Change, Index, Store, key_of

_FORGET_GONE_AFTER = 86400.0


def uptime() -> float:
    """Seconds of the clock that durations are judged by: nobody can set it, and it counts sleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class NodeClocks:
    """Since when nodes are NotReady or gone, by this process's own clock.

    Times that other machines wrote are not trusted: a skewed clock must not move an address.
    """

    def __init__(self, nodes: Store[Node]) -> None:
        self.not_ready_since: dict[str, float] = {}
        self.gone_since: dict[str, float] = {}
        self.gone_zones: dict[str, str] = {}
        self.gone_machines: dict[str, str] = {}
        """Their ``spec.providerID``, of nodes that this process saw go."""
        nodes.subscribe(self._changed)

    def miss(self, uid: str) -> None:
        """A node that a record names is not there, and was not when this process started."""
        self.gone_since.setdefault(uid, uptime())

    def _changed(self, change: Change[Node]) -> None:
        now = uptime()
        old, new = change.old, change.new
        if old is not None and (new is None or new.uid != old.uid):
            self.not_ready_since.pop(old.uid, None)
            self._forget_old(now)
            self.gone_since[old.uid] = now
            self.gone_zones[old.uid] = old.zone
            self.gone_machines[old.uid] = old.provider_id
        if new is not None:
            self.gone_since.pop(new.uid, None)
            self.gone_zones.pop(new.uid, None)
            self.gone_machines.pop(new.uid, None)
            if new.ready:
                self.not_ready_since.pop(new.uid, None)
            else:
                self.not_ready_since.setdefault(new.uid, now)

    def _forget_old(self, now: float) -> None:
        for uid in [u for u, t in self.gone_since.items() if now - t > _FORGET_GONE_AFTER]:
            del self.gone_since[uid]
            self.gone_zones.pop(uid, None)
            self.gone_machines.pop(uid, None)


class PodNodes:
    """On which nodes the pods of an owner run; kept up with every change of a pod."""

    def __init__(self, pods: Store[PodView]) -> None:
        self.crowded: Counter[str] = Counter()
        self._by_owner: dict[str, Counter[str]] = {}
        pods.subscribe(self._changed)

    def of_owner(self, owner_uid: str) -> Collection[str]:
        """Names of the nodes where pods of this controller run."""
        return self._by_owner.get(owner_uid, {}).keys()

    def _changed(self, change: Change[PodView]) -> None:
        if change.old is not None:
            self._count(change.old, -1)
        if change.new is not None:
            self._count(change.new, 1)

    def _count(self, pod: PodView, number: int) -> None:
        counter = self._by_owner.setdefault(pod.owner_uid, Counter())
        _add(counter, pod.node_name, number)
        if not counter:
            del self._by_owner[pod.owner_uid]
        if not pod.daemon:
            _add(self.crowded, pod.node_name, number)


def _add(counter: Counter[str], key: str, number: int) -> None:
    counter[key] += number
    if counter[key] <= 0:
        del counter[key]


class Misplaced:
    """Nodes without our labels where pods run that ask for them; kept up with every change."""

    def __init__(self, nodes: Store[Node], pods: Store[PodView]) -> None:
        self.nodes: set[str] = set()
        self._nodes = nodes
        self._pods = pods
        self._asking: Index[PodView] = Index(pods, _asks_on)
        nodes.subscribe(lambda change: self._update(change.key))
        pods.subscribe(self._pod_changed)

    def of_owners(self, owner_uids: Collection[str]) -> list[MisplacedPod]:
        """Such pods of these controllers, in order."""
        keys = (key for node_name in self.nodes for key in self._asking.get(node_name))
        pods = ((key, self._pods.get(key)) for key in sorted(keys))
        return [
            MisplacedPod(key, pod.uid, pod.node_name)
            for key, pod in pods
            if pod and pod.owner_uid in owner_uids
        ]

    def _pod_changed(self, change: Change[PodView]) -> None:
        for pod in (change.old, change.new):
            if pod is not None and pod.uid:
                self._update(pod.node_name)

    def _update(self, node_name: str) -> None:
        node = self._nodes.get(node_name)
        if node is not None and not labelled(node) and self._asking.get(node_name):
            self.nodes.add(node_name)
        else:
            self.nodes.discard(node_name)


class Unsettled:
    """Allocations that may still have to say what they hold; kept up to date.

    Attributes:
        names: their names.
    """

    def __init__(self, allocations: Store[AllocationView]) -> None:
        self.names: set[str] = set()
        allocations.subscribe(self._allocation_changed)

    def _allocation_changed(self, change: Change[AllocationView]) -> None:
        if change.new is None or is_settled(change.new):
            self.names.discard(change.key)
        else:
            self.names.add(change.key)


def is_settled(view: AllocationView) -> bool:
    """Whether it has a record for all it wants, and nothing keeps it from saying what it holds."""
    allocation = view.allocation
    return (
        not allocation.problem
        and view.observed_generation == allocation.generation
        and not any(record.phase in (Phase.PENDING, Phase.UNKNOWN) for record in view.records)
    )


OF_THIS_PROCESS = Seal(secrets.token_bytes(32))
"""Where no key is given: what an earlier process wrote is not known for its own."""


class Caches:
    """The stores of every kind the controller reads."""

    def __init__(self) -> None:
        self.seal = OF_THIS_PROCESS
        """Knows what this controller wrote into a status."""
        self.allocations: Store[AllocationView] = Store(self._project_allocation)
        self.nodes: Store[Node] = Store(project_node)
        self.pods: Store[PodView] = Store(project_pod)
        self.replicasets: Store[OwnedView] = Store(project_owned)
        self.workloads: dict[str, Store[OwnedView]] = {
            kind: Store(partial(project_workload, kind))
            for kind in ("Deployment", "StatefulSet", "DaemonSet")
        }
        self.clocks = NodeClocks(self.nodes)
        self.pod_nodes = PodNodes(self.pods)
        self.misplaced = Misplaced(self.nodes, self.pods)
        self.nodes_by_owner: Index[Node] = Index(self.nodes, _owner_of)
        self.claims: Index[AllocationView] = Index(self.allocations, addresses_of)
        self.holders = Holders(self.allocations)
        self.unsettled = Unsettled(self.allocations)
        self._replicasets_of: Index[OwnedView] = Index(self.replicasets, _controller_of)
        self._last_uids: dict[Workload, str] = {}
        self._by_workload: Index[AllocationView] = Index(self.allocations, _workload_of)
        self.allocations.subscribe(self._forget_workload)

    def _forget_workload(self, change: Change[AllocationView]) -> None:
        """Of a workload that no allocation names any more nothing is remembered."""
        workload = change.old.allocation.workload if change.old else None
        if workload is not None and not self._by_workload.get(workload):
            self._last_uids.pop(workload, None)

    def busy_nodes(self, workload: Workload | None) -> tuple[Collection[str], bool]:
        """Names of nodes where the workload's pods run, by the exact chain of owner uids.

        Without a workload: nodes with any pod that is not of a DaemonSet. So it is for a workload
        that is a DaemonSet, whose pods no drain removes, and for one that does not exist, as the
        second value says: what cannot be followed is not absent.
        """
        if workload is None:
            return self.pod_nodes.crowded.keys(), False
        owned = self._owned(workload)
        if owned is not None:
            self._last_uids[workload] = owned.uid
            if workload.kind == "DaemonSet":
                return self.pod_nodes.crowded.keys(), False
            return self._nodes_of(workload.kind, owned.uid), False
        last = self._last_uids.get(workload)
        left = self._nodes_of(workload.kind, last) if last else ()
        return {*self.pod_nodes.crowded, *left}, True

    def pods_of(self, workload: Workload | None) -> tuple[Collection[str], bool]:
        """The pods that :meth:`busy_nodes` counts: uids of their owners, and whether all count.

        All: those that are of no DaemonSet.
        """
        if workload is None:
            return (), True
        if owned := self._owned(workload):
            daemon = workload.kind == "DaemonSet"
            return () if daemon else self._pod_owners(workload.kind, owned.uid), daemon
        last = self._last_uids.get(workload)
        return self._pod_owners(workload.kind, last) if last else (), True

    def pods_go(self, workload: Workload | None) -> PodPlacement | None:
        """Where a workload's pods may run; ``None`` where none is named, or it is missing."""
        owned = self._owned(workload) if workload else None
        return owned.pods_go if owned else None

    def shares_label(self, workload: Workload | None) -> bool:
        """Whether a workload's pods ask for a node with an address, whichever it is."""
        owned = self._owned(workload) if workload else None
        return owned is not None and owned.shares_label

    def misplaced_pods(self, workload: Workload) -> list[MisplacedPod]:
        """Pods of a workload that ask for our labels, on nodes without; none where it is missing.

        Costs what such pods there are, of all workloads.
        """
        owned = self._owned(workload) if self.misplaced.nodes else None
        if owned is None:
            return []
        return self.misplaced.of_owners(self._pod_owners(workload.kind, owned.uid))

    def _project_allocation(self, raw: dict[str, Any]) -> AllocationView:
        return project_allocation(raw, self.seal, self.allocations.get(key_of(raw)))

    def is_placed(self, ip: str) -> bool:
        """Whether a record of the address leads to a node: it is there for an allocation."""
        views = filter(None, map(self.allocations.get, self.claims.get(ip)))
        records = (record for view in views for record in view.records if record.ip == ip)
        return any(record.places for record in records)

    def _owned(self, workload: Workload) -> OwnedView | None:
        return self.workloads[workload.kind].get(f"{workload.namespace}/{workload.name}")

    def _nodes_of(self, kind: str, uid: str) -> Collection[str]:
        owners = self._pod_owners(kind, uid)
        return {node for owner in owners for node in self.pod_nodes.of_owner(owner)}

    def _pod_owners(self, kind: str, uid: str) -> Collection[str]:
        """Uids of what controls the pods of a workload."""
        if kind != "Deployment":
            return (uid,)
        found = (self.replicasets.get(key) for key in self._replicasets_of.get(uid))
        return {one.uid for one in found if one}


def _owner_of(node: Node) -> Iterable[str]:
    return (node.owner,) if node.owner else ()


def _workload_of(view: AllocationView) -> Iterable[Workload]:
    return (view.allocation.workload,) if view.allocation.workload else ()


def _asks_on(pod: PodView) -> Iterable[str]:
    return (pod.node_name,) if pod.uid else ()


def _controller_of(owned: OwnedView) -> Iterable[str]:
    return (owned.owner_uid,) if owned.owner_uid else ()


def addresses_of(view: AllocationView) -> set[str]:
    """Addresses it lists, and those it has not released yet; they are its own until then."""
    return {*view.allocation.addresses, *(r.ip for r in view.records if r.ours)}
