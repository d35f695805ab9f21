"""The only reads of the controller: caches, the clouds' last readings, work under way, the time."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from moorage_core import reasons
from moorage_core.caches import MARKED, Caches, uptime
from moorage_core.counts import PodCounts
from moorage_core.decide.targets import by_machine
from moorage_core.model import (
    ONE_CALL,
    AddressRecord,
    Allocation,
    CloudState,
    Observed,
    Outcome,
    Phase,
    Unread,
)
from moorage_core.mutations import PendingMutations
from moorage_core.pods import MisplacedPod
from moorage_core.projections import AllocationView
from moorage_core.scopes import Scope, Scopes
from moorage_domain.claims import Claim, winner
from moorage_domain.nodes import Node
from moorage_kube.manager.plugins import PluginError
from moorage_kube.reconcile.assumed import Assumed
from moorage_provider.errors import CloudError


class Observer:
    """Looks at one allocation with all that matters for it."""

    def __init__(
        self, caches: Caches, scopes: Scopes, mutations: PendingMutations, assumed: Assumed
    ) -> None:
        self.caches = caches
        self.scopes = scopes
        self.mutations = mutations
        self.assumed = assumed
        """Names of nodes that a plan still being carried out gives away."""
        self.dry_run = False
        """Whether no allocation at all may change anything."""
        self.label_errors: dict[str, str] = {}
        """Why the API server refused the labels, or one taint less, of a node, by its name."""
        self.counts = PodCounts(caches.pods)
        self.evict_after: dict[str, float] = {}
        """Uptime before which a pod is not to be evicted again, by its uid."""

    def observe(self, name: str) -> Observed | None:
        """What there is to know about an allocation; ``None`` = it is gone."""
        view = self.caches.allocations.get(name)
        if view is None:
            self.scopes.unwant(name)
            return None
        allocation = view.allocation
        if self.dry_run:
            allocation = replace(allocation, dry_run=True)
        busy, missing = self.caches.busy_nodes(allocation.workload)
        taken = self._taken(name)
        conflicts = self._conflicts(view)
        addresses = self._addresses(view) - conflicts.keys()
        scope, cloud_states = self._readings(allocation, addresses)
        machine_of = self._machine_of(scope, view.records)
        nodes = dict(self.caches.nodes.items())
        self._miss_gone(view.records)
        misplaced = self._misplaced(allocation)
        mutations = self.mutations
        return Observed(
            allocation=allocation,
            records=view.records,
            now=time.time(),
            cloud_states=cloud_states,
            capabilities=scope.provider.capabilities if scope else ONE_CALL,
            nodes=nodes,
            uptime=uptime(),
            by_machine=by_machine(nodes.values(), machine_of, allocation, view.records),
            machine_of=machine_of,
            owned=self.caches.nodes_by_owner.get(allocation.uid),
            taken=taken,
            outranked=self._outranked(allocation, taken),
            restore_pending_elsewhere=self._owed_elsewhere(name),
            strays=self._strays(),
            label_errors={n: e for n, e in self.label_errors.items() if n in nodes},
            conflicts=conflicts,
            busy=busy,
            workload_missing=missing,
            crowded=self.caches.pod_nodes.crowded,
            counted=self.counts.lately(),
            misplaced=misplaced,
            spoken_for=self._spoken_for(misplaced),
            evict_after=self.evict_after,
            in_flight=mutations.in_flight,
            handles=mutations.handles,
            outcomes=self._outcomes(view, conflicts),
            avoided=mutations.avoided,
            restore_after=mutations.restore_after,
            not_ready_since=self.caches.clocks.not_ready_since,
            gone_since=self.caches.clocks.gone_since,
            seen_generation=view.seen_generation,
        )

    def _addresses(self, view: AllocationView) -> set[str]:
        """What must be read: what is wanted, and what is not let go yet."""
        held = {record.ip for record in view.records if record.ours}
        return held if view.allocation.deleting else held | set(view.allocation.addresses)

    def _conflicts(self, view: AllocationView) -> dict[str, str]:
        """Addresses that an older allocation has, with its name."""
        mine = _claim(view.allocation)
        conflicts = {}
        for ip in {*view.allocation.addresses, *(record.ip for record in view.records)}:
            names = self.caches.claims.get(ip)
            if len(names) < 2:  # noqa: PLR2004  # nobody but me
                continue
            views = [self.caches.allocations.get(name) for name in names]
            first = winner([mine, *(_claim(other.allocation) for other in views if other)])
            if first is not None and first != mine:
                conflicts[ip] = first.name
        return conflicts

    def _outcomes(self, view: AllocationView, conflicts: Collection[str]) -> dict[str, Outcome]:
        """What ended for this allocation; an address of an older one is none of its business."""
        outcomes = self.mutations.outcomes
        mine = (r.ip for r in view.records if r.ip in outcomes and r.ip not in conflicts)
        name = view.allocation.name
        return {ip: outcomes[ip] for ip in mine if outcomes[ip].allocation == name}

    def _readings(
        self, allocation: Allocation, addresses: set[str]
    ) -> tuple[Scope | None, Mapping[str, CloudState]]:
        if not allocation.provider or not addresses:
            self.scopes.unwant(allocation.name)
            unread = Unread(reasons.INVALID_SPEC, "spec.cloud.provider is empty")
            return None, dict.fromkeys(addresses, unread)
        try:
            scope = self.scopes.want(allocation, addresses)
        except PluginError as error:
            unread = Unread(reasons.PROVIDER_MISSING, str(error))
            return None, dict.fromkeys(addresses, unread)
        except CloudError as error:
            return None, dict.fromkeys(addresses, Unread(reasons.INVALID_SPEC, str(error)))
        return scope, {ip: scope.cloud_state(ip) for ip in addresses}

    def _machine_of(
        self, scope: Scope | None, records: Iterable[AddressRecord]
    ) -> Mapping[str, str]:
        """Machine ids by providerID, of all nodes and of those that only records remember."""
        if scope is None:
            return {}
        texts = {node.provider_id for node in self.caches.nodes.values()}
        for record in records:
            node_refs = (record.node_ref, record.previous, *record.restore_pending)
            texts.update(node_ref.provider_id for node_ref in node_refs if node_ref)
        return scope.machine_ids(texts)

    def _miss_gone(self, records: Iterable[AddressRecord]) -> None:
        for record in records:
            node_ref = record.node_ref
            node = self.caches.nodes.get(node_ref.name) if node_ref else None
            if node_ref and (node is None or node.uid != node_ref.uid):
                self.caches.clocks.miss(node_ref.uid)

    def _outranked(self, allocation: Allocation, taken: Mapping[str, str]) -> frozenset[str]:
        """Nodes where an older allocation's address is as well; only one label fits there."""
        mine = _claim(allocation)
        others = ((node, self.caches.allocations.get(name)) for node, name in taken.items())
        return frozenset(node for node, view in others if view and _claim(view.allocation) < mine)

    def _strays(self) -> list[str]:
        """Nodes that say they hold an address though no allocation answers for them.

        The first version left such labels behind, and pods are scheduled there in vain. Told only
        once every allocation is settled and every scope was read: unknown is never absent.
        """
        views = self.caches.allocations.values()
        living = {view.allocation.uid for view in views}
        marked = (self.caches.nodes.get(name) for name in self.caches.marked.get(MARKED))
        strays = [node for node in marked if node and node.owner not in living]
        if not strays or not all(map(_settled, views)) or not self.scopes.all_read():
            return []
        held = self.scopes.holders()
        placed = {r.node_ref.name for view in views for r in view.records if r.node_ref}
        return [
            node.name
            for node in strays
            if node.name not in placed and not self._machine_ids(node) & held
        ]

    def _misplaced(self, allocation: Allocation) -> list[MisplacedPod]:
        if not allocation.evict_misplaced or allocation.workload is None:
            return []
        return self.caches.misplaced_pods(allocation.workload)

    def _spoken_for(self, pods: Iterable[MisplacedPod]) -> set[str]:
        """Which of the pods' nodes an address is on, by a record, a promise or the cloud."""
        names = {pod.node_name for pod in pods}
        if not names:
            return set()
        held = self.scopes.holders()
        nodes = (self.caches.nodes.get(name) for name in names)
        holding = {node.name for node in nodes if node and self._machine_ids(node) & held}
        promised = {name for name in names if name in self.assumed.tokens()}
        records = (r for view in self.caches.allocations.values() for r in view.records)
        node_refs = (node_ref for r in records for node_ref in (r.node_ref, r.previous))
        return names & {*holding, *promised, *(node_ref.name for node_ref in node_refs if node_ref)}

    def _machine_ids(self, node: Node) -> set[str]:
        """The node's machine as the scopes in use would name it."""
        scopes = (scope for _, scope in self.scopes.items())
        return {i for scope in scopes for i in scope.machine_ids([node.provider_id]).values()}

    def _owed_elsewhere(self, name: str) -> set[str]:
        """Nodes that gave their own address up for one of another allocation."""
        views = (view for other, view in self.caches.allocations.items() if other != name)
        return {node_ref.name for view in views for r in view.records for node_ref in r.restorable}

    def _taken(self, name: str) -> dict[str, str]:
        """Nodes that hold, or are promised, an address of another allocation."""
        taken: dict[str, str] = {}
        for node_name, keys in self.assumed.tokens().items():
            taken.update((str(node_name), other) for other in keys if other != name)
        for other, view in self.caches.allocations.items():
            if other != name:
                taken.update((r.node_ref.name, other) for r in view.records if r.node_ref)
        return taken


def _claim(allocation: Allocation) -> Claim:
    return Claim(allocation.created, allocation.uid, allocation.name)


def _settled(view: AllocationView) -> bool:
    """Whether all it wants was looked at, and nothing keeps it from saying what it holds."""
    allocation = view.allocation
    return (
        not allocation.problem
        and view.seen_generation == allocation.generation
        and not any(record.phase in (Phase.PENDING, Phase.UNKNOWN) for record in view.records)
    )
