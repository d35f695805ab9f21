"""Triggers: which allocations a change concerns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Set

from moorage_core import reasons
from moorage_core.caches import Caches, addresses_of
from moorage_core.decide.node_labels import LABELS
from moorage_core.model import Phase
from moorage_core.projections import AllocationView, OwnedView, PodView
from moorage_core.turns import Turns
from moorage_domain.nodes import Node
from moorage_kube.cache.store import Change, Index

_WAITING = frozenset({reasons.NO_ELIGIBLE_NODE.name, reasons.CONFLICT.name})


class Triggers:
    """Turns changes of the caches into keys; costs what the change touches, not the cluster.

    ``add_later`` gets the allocation of which only its own pass has written the status: whatever
    is to follow triggers it anyway, and a look that comes a little later sees all of that, too.
    By default it is looked at at once.
    """

    def __init__(
        self,
        caches: Caches,
        add: Callable[[str], None],
        add_later: Callable[[str], None] | None = None,
    ) -> None:
        self._caches = caches
        self._add = add
        self._add_later = add_later or add
        self._held_back: dict[str, frozenset[str]] = {}
        """Nodes where an address waits for pods, by allocation; most have none."""
        self._evicting: set[str] = set()
        """Allocations that evict misplaced pods."""
        self._waiting: set[str] = set()
        """Allocations that wait for a node or an address of others."""
        self._not_at_rest: set[str] = set()
        self._turns: Turns[Node] = Turns(self._look)
        self._by_selector: Index[AllocationView] = Index(caches.allocations, _first_of_selector)
        self._alike: Index[Node] = Index(caches.nodes, _tail_of)
        caches.allocations.subscribe(self._allocation_changed)
        caches.nodes.subscribe(self._node_changed)
        caches.pods.subscribe(self._pod_changed)
        caches.replicasets.subscribe(self._owned_changed)
        for store in caches.workloads.values():
            store.subscribe(self._workload_changed)

    def _allocation_changed(self, change: Change[AllocationView]) -> None:
        add = self._add_later if _is_own_status(change) else self._add
        add(change.key)
        self._sort(change.key, change.new)
        if _holds(change.old) - _holds(change.new):
            # An address or a node may have become free for others.
            self._turns.begin(self._waiting)
        old, new = _claimed(change.old), _claimed(change.new)
        for ip in old ^ new:
            self._add_all(self._caches.claims.get(ip))

    def _sort(self, name: str, view: AllocationView | None) -> None:
        """Remember what an allocation waits for."""
        self._held_back.pop(name, None)
        if held := _held_back(view):
            self._held_back[name] = held
        for names, belongs in (
            (self._evicting, view is not None and view.allocation.evict_misplaced),
            (self._waiting, view is not None and _waits(view)),
            (self._not_at_rest, view is not None and not _at_rest(view)),
        ):
            if belongs:
                names.add(name)
            else:
                names.discard(name)

    def _node_changed(self, change: Change[Node]) -> None:
        """Those whose address is there; of the others, those that wait for something."""
        nodes = [node for node in (change.old, change.new) if node is not None]
        self._add_all(self._caches.holders.on(change.key))
        if _usable(change.old) != _usable(change.new):
            self._turns.begin(self._not_at_rest, *nodes)
        if _identity(change.old) != _identity(change.new):
            self._add_all_of_one_machine(nodes)
        self._check_misplaced({change.key})

    def _add_all_of_one_machine(self, nodes: Iterable[Node]) -> None:
        """Another Node object may stand for the machine of one of these, or does so no more."""
        names = {n for node in nodes for tail in _tail_of(node) for n in self._alike.get(tail)}
        others = [node for name in names if (node := self._caches.nodes.get(name))]
        if len({node.name for node in (*others, *nodes)}) > 1:
            self._add_all(name for node in others for name in self._caches.holders.on(node.name))
            self._add_pools_of(others)

    def _look(self, name: str, nodes: Collection[Node]) -> None:
        """Trigger an allocation; where nodes are given, only if its selector matches one."""
        if not nodes or self._selects(name, nodes):
            self._add(name)

    def _add_pools_of(self, nodes: Collection[Node]) -> None:
        """Trigger the allocations whose selector matches one of these nodes."""
        pairs = {pair for node in nodes for pair in node.labels.items()}
        names = {name for pair in (None, *pairs) for name in self._by_selector.get(pair)}
        self._add_all(name for name in names if self._selects(name, nodes))

    def _selects(self, name: str, nodes: Iterable[Node]) -> bool:
        view = self._caches.allocations.get(name)
        return view is not None and any(node.matches(view.allocation.selector) for node in nodes)

    def _add_all(self, names: Iterable[str]) -> None:
        for name in tuple(names):
            self._add(name)

    def _pod_changed(self, change: Change[PodView]) -> None:
        """Pods matter only where an address waits for them to leave, or where none is for them."""
        nodes = {pod.node_name for pod in (change.old, change.new) if pod is not None}
        self._add_all(name for name, held in self._held_back.items() if held & nodes)
        if change.new is not None and change.new.uid:
            self._check_misplaced({change.new.node_name})

    def _owned_changed(self, _change: Change[OwnedView]) -> None:
        """A workload was replaced or a ReplicaSet changed its owner: trigger those that wait."""
        self._add_all(self._held_back)
        self._check_misplaced(self._caches.misplaced.nodes)

    def _workload_changed(self, change: Change[OwnedView]) -> None:
        """Its pods may run elsewhere now, where a free node is."""
        self._owned_changed(change)
        self._turns.begin(self._waiting)

    def _check_misplaced(self, nodes: Set[str]) -> None:
        """Pods that ask for an address run where none is: somebody may want them to leave."""
        if nodes & self._caches.misplaced.nodes:
            self._add_all(self._evicting)


def _is_own_status(change: Change[AllocationView]) -> bool:
    """Whether all that is new is what a pass of this process said in the status."""
    old, new = change.old, change.new
    return change.ours and old is not None and new is not None and old.allocation == new.allocation


def _first_of_selector(view: AllocationView) -> tuple[tuple[str, str] | None]:
    """One pair of the selector, which every node of the pool has; ``None`` = it has none."""
    selector = view.allocation.selector
    return (selector[0] if selector else None,)


def _identity(node: Node | None) -> tuple[str, str]:
    return (node.uid, node.provider_id) if node else ("", "")


def _tail_of(node: Node) -> Iterable[str]:
    """The last part of ``spec.providerID``, the same in every spelling of a machine's id.

    Machines may have it in common, such as a name in two zones; then too many are triggered.
    """
    return (node.provider_id.rpartition("/")[2].lower(),) if node.provider_id else ()


def _claimed(view: AllocationView | None) -> set[str]:
    return addresses_of(view) if view else set()


def _usable(node: Node | None) -> tuple[object, ...]:
    """What decides whether a node can take an address; other changes concern nobody else."""
    if node is None:
        return ()
    labels = sorted(pair for pair in node.labels.items() if pair[0] not in LABELS)
    state = (node.ready, node.unschedulable, node.network_unavailable, node.deleting, node.taints)
    return (node.uid, node.zone, node.provider_id, *state, *labels)


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
