"""Triggers only: which allocations must be looked at when something changes."""

from __future__ import annotations

from collections.abc import Callable, Set

from moorage_core import reasons
from moorage_core.caches import Caches, addresses_of
from moorage_core.decide.node_labels import IP_LABEL, READY_LABEL, label_ready
from moorage_core.model import Phase
from moorage_core.projections import AllocationView, OwnedView, PodView
from moorage_domain.nodes import Node
from moorage_kube.cache.store import Change

_WAITING = frozenset({reasons.NO_ELIGIBLE_NODE.name, reasons.CONFLICT.name})


class Triggers:
    """Turns changes of the caches into keys; costs what the change touches, not the cluster."""

    def __init__(self, caches: Caches, add: Callable[[str], None]) -> None:
        self._caches = caches
        self._add = add
        self._held_back: dict[str, frozenset[str]] = {}
        """Nodes where an address waits for pods, by allocation; most have none."""
        self._evicting: set[str] = set()
        """Allocations that evict misplaced pods."""
        caches.allocations.subscribe(self._allocation_changed)
        caches.nodes.subscribe(self._node_changed)
        caches.pods.subscribe(self._pod_changed)
        caches.replicasets.subscribe(self._owned_changed)
        for store in caches.workloads.values():
            store.subscribe(self._owned_changed)

    def _allocation_changed(self, change: Change[AllocationView]) -> None:
        self._add(change.key)
        self._held_back.pop(change.key, None)
        if held := _held_back(change.new):
            self._held_back[change.key] = held
        self._evicting.discard(change.key)
        if change.new is not None and change.new.allocation.evict_misplaced:
            self._evicting.add(change.key)
        if _holds(change.old) != _holds(change.new):
            # An address or a node may have become free for others.
            for name, view in self._caches.allocations.items():
                if name != change.key and _waits(view):
                    self._add(name)
        old, new = _claimed(change.old), _claimed(change.new)
        for ip in old ^ new:
            for name in self._caches.claims.get(ip):
                self._add(name)

    def _node_changed(self, change: Change[Node]) -> None:
        """Those whose address is there; of the others, those that wait for something."""
        nodes = [node for node in (change.old, change.new) if node is not None]
        stray = change.new is not None and label_ready(change.new) and not change.new.owner
        usable = _usable(change.old) != _usable(change.new)
        for name, view in self._caches.allocations.items():
            matches = any(node.matches(view.allocation.selector) for node in nodes)
            waits = stray or (usable and not _at_rest(view))
            if (matches and waits) or _is_on(view, change.key):
                self._add(name)
        self._look_at_misplaced({change.key})

    def _pod_changed(self, change: Change[PodView]) -> None:
        """Pods matter only where an address waits for them to leave, or where none is for them."""
        nodes = {pod.node_name for pod in (change.old, change.new) if pod is not None}
        for name, held in self._held_back.items():
            if held & nodes:
                self._add(name)
        if change.new is not None and change.new.uid:
            self._look_at_misplaced({change.new.node_name})

    def _owned_changed(self, _change: Change[OwnedView]) -> None:
        """A workload was replaced or a ReplicaSet changed hands: who waits for pods looks again."""
        for name, view in self._caches.allocations.items():
            if _held_back(view):
                self._add(name)
        self._look_at_misplaced(self._caches.misplaced.nodes)

    def _look_at_misplaced(self, nodes: Set[str]) -> None:
        """Pods that ask for an address run where none is: somebody may want them to leave."""
        if nodes & self._caches.misplaced.nodes:
            for name in self._evicting:
                self._add(name)


def _claimed(view: AllocationView | None) -> set[str]:
    return addresses_of(view) if view else set()


def _usable(node: Node | None) -> tuple[object, ...]:
    """What decides whether a node can take an address; other changes concern nobody else."""
    if node is None:
        return ()
    label_changes = (READY_LABEL, IP_LABEL)
    labels = sorted(pair for pair in node.labels.items() if pair[0] not in label_changes)
    state = (node.ready, node.unschedulable, node.leaving, node.zone, node.provider_id)
    return (node.uid, *state, *labels)


def _at_rest(view: AllocationView) -> bool:
    """Whether it has all it wants, so that no other node matters to it."""
    bound = {record.ip for record in view.records if record.phase is Phase.BOUND}
    return bound >= set(view.allocation.addresses) and len(bound) == len(view.records)


def _holds(view: AllocationView | None) -> frozenset[tuple[str, str]]:
    records = view.records if view else ()
    node_refs = ((r.ip, node_ref) for r in records for node_ref in (r.node_ref, *r.restore_pending))
    return frozenset((ip, node_ref.name) for ip, node_ref in node_refs if node_ref)


def _held_back(view: AllocationView | None) -> frozenset[str]:
    records = view.records if view else ()
    reason = reasons.WORKLOAD_RUNNING.name
    return frozenset(r.node_ref.name for r in records if r.node_ref and r.reason == reason)


def _waits(view: AllocationView) -> bool:
    return any(record.reason in _WAITING for record in view.records)


def _is_on(view: AllocationView, node_name: str) -> bool:
    return any(
        node_ref.name == node_name
        for record in view.records
        for node_ref in (record.node_ref, record.previous)
        if node_ref
    )
