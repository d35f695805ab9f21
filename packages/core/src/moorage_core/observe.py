"""The only reads of the controller: caches, cloud states, mutations under way, the time."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from moorage_core import reasons
from moorage_core.believed import BelievedRecords
from moorage_core.caches import Caches, uptime
from moorage_core.counts import PodCounts
from moorage_core.evicting import Evictions
from moorage_core.holders import Outranked, RestorePending, Taken, claim_of
from moorage_core.limits import Limits
from moorage_core.machines import Machines
from moorage_core.model import (
    ONE_CALL,
    AddressRecord,
    Allocation,
    CloudState,
    Observed,
    Outcome,
    Unread,
)
from moorage_core.mutations import PendingMutations
from moorage_core.pods import MisplacedPod
from moorage_core.projections import AllocationView
from moorage_core.recorded import known_places
from moorage_core.running import RunningPods
from moorage_core.scope import Scope
from moorage_core.scopes import Scopes, TooManyRegions
from moorage_core.selected import with_selected
from moorage_domain.claims import winner
from moorage_domain.reasons import Reason
from moorage_kube.manager.plugins import PluginError
from moorage_kube.reconcile.assumed import Assumed
from moorage_provider.errors import CloudError


class Observer:
    """Observes one allocation with all that matters for it."""

    def __init__(
        self, caches: Caches, scopes: Scopes, mutations: PendingMutations, assumed: Assumed
    ) -> None:
        self.caches = caches
        self.scopes = scopes
        self.mutations = mutations
        self.assumed = assumed
        """Names of nodes that a plan still being carried out gives away."""
        self.limits = Limits()
        """What no allocation may go beyond."""
        self.dry_run = False
        """Whether no allocation at all may change anything."""
        self.drain_timeout = 0.0
        """How long pods hold an address in a drain where no workload is named; 0 = for ever."""
        self.label_errors: dict[str, str] = {}
        """Why the API server refused the labels, or one taint less, of a node, by its name."""
        self.counts = PodCounts(caches.pods)
        self.believed = BelievedRecords()
        self.evictions = Evictions()
        self._machines: dict[str, Machines] = {}
        self._first_pass = math.inf
        """Uptime."""

    def observe(self, name: str) -> Observed | None:
        """What there is to know about an allocation; ``None`` = it is gone."""
        view = self.caches.allocations.get(name)
        if view is None:
            self.scopes.unwant(name)
            self.believed.forget(name)
            return None
        clocks = self.caches.clocks
        recorded = known_places(view.recorded, self.caches.nodes.by_key, clocks.gone_machines)
        view = replace(view, recorded=recorded)
        allocation = self.limits.applied_to(view.allocation)
        if self.dry_run:
            allocation = replace(allocation, dry_run=True)
        busy, missing = self.caches.busy_nodes(allocation.workload)
        taken = Taken(self.caches.holders, self.assumed, name)
        conflicts = self._conflicts(view)
        addresses = self._addresses(view) - conflicts.keys()
        scope, cloud_states = self._cloud_states(allocation, addresses)
        selection = scope.selection(allocation.labels) if scope and allocation.labels else None
        allocation = with_selected(
            allocation, view.records, selection, cloud_states, self._may_be_touched
        )
        machines = self._machines_of(scope) if scope else None
        self._miss_gone(view.records)
        misplaced = self._misplaced(allocation)
        mutations, now = self.mutations, time.time()
        self._first_pass = min(self._first_pass, uptime())
        return Observed(
            allocation=allocation,
            records=self.believed.of(name, view.records, now, uptime()),
            now=now,
            cloud_states=cloud_states,
            capabilities=scope.provider.capabilities if scope else ONE_CALL,
            nodes=self.caches.nodes.by_key,
            uptime=uptime(),
            by_machine=machines.nodes_for(view.records) if machines else {},
            machine_of=machines.ids if machines else {},
            shared_machines=machines.shared if machines else {},
            owned=self.caches.nodes_by_owner.get(allocation.uid),
            taken=taken,
            outranked=Outranked(self.caches.holders, allocation),
            restore_pending_elsewhere=RestorePending(self.caches.holders, name),
            label_errors=self._label_errors(),
            conflicts=conflicts,
            busy=busy,
            workload_missing=missing,
            drain_timeout=self.drain_timeout,
            running=RunningPods(self.caches, allocation),
            pods_go=self.caches.pods_go(allocation.workload),
            shares_label=self.caches.shares_label(allocation.workload),
            crowded=self.caches.pod_nodes.crowded,
            counted=self.counts.lately(),
            misplaced=misplaced,
            spoken_for=self._spoken_for(misplaced),
            evict_after=self.evictions.after,
            refused=self.evictions.refused(misplaced),
            in_flight=mutations.in_flight,
            handles=mutations.handles,
            own_addresses=mutations.own_addresses(),
            outcomes=self._outcomes(view, conflicts),
            avoided=mutations.avoidance.avoided,
            doubtful=mutations.avoidance.doubtful,
            restore_after=mutations.restore_after,
            restore_refused=mutations.restore_refused,
            not_ready_since=clocks.not_ready_since,
            gone_since=clocks.gone_since,
            gone_zones=clocks.gone_zones,
            observed_generation=view.observed_generation,
            working_seconds=uptime() - self._first_pass,
            seal=self.caches.seal,
            doubts=recorded.doubts,
            selection=selection,
        )

    def _label_errors(self) -> dict[str, str]:
        """Those of nodes that are there; the others are forgotten."""
        for name in [name for name in self.label_errors if name not in self.caches.nodes]:
            del self.label_errors[name]
        return dict(self.label_errors)

    def _addresses(self, view: AllocationView) -> set[str]:
        """What must be read: what is wanted, and what is not released yet."""
        held = {record.ip for record in view.records if record.ours}
        return held if view.allocation.deleting else held | set(view.allocation.addresses)

    def _conflicts(self, view: AllocationView) -> dict[str, str]:
        """Addresses that an older allocation has, with its name."""
        mine = claim_of(view.allocation)
        conflicts = {}
        for ip in {*view.allocation.addresses, *(record.ip for record in view.records)}:
            names = self.caches.claims.get(ip)
            if len(names) < 2:  # noqa: PLR2004  # nobody but me
                continue
            views = [self.caches.allocations.get(name) for name in names]
            first = winner([mine, *(claim_of(other.allocation) for other in views if other)])
            if first is not None and first != mine:
                conflicts[ip] = first.name
        return conflicts

    def _outcomes(self, view: AllocationView, conflicts: Collection[str]) -> dict[str, Outcome]:
        """The outcomes for this allocation, without addresses that an older one has."""
        outcomes = self.mutations.outcomes
        mine = (r.ip for r in view.records if r.ip in outcomes and r.ip not in conflicts)
        name = view.allocation.name
        return {ip: outcomes[ip] for ip in mine if outcomes[ip].allocation == name}

    def _cloud_states(
        self, allocation: Allocation, addresses: set[str]
    ) -> tuple[Scope | None, Mapping[str, CloudState]]:
        """Nothing is asked of a cloud for what cannot be carried out, or is not allowed."""
        problem = "" if allocation.deleting else allocation.problem
        if not problem and not allocation.provider:
            problem = "spec.cloud.provider is empty"
        refused = {ip: problem or self.limits.why_not_address(ip) for ip in addresses}
        unread: dict[str, CloudState] = {
            ip: Unread(reasons.INVALID_SPEC, why) for ip, why in refused.items() if why
        }
        asked = addresses - unread.keys()
        selects = bool(allocation.labels) and not (problem or allocation.deleting)
        if not asked and not selects:
            self._unwant(allocation.name, addresses)
            return None, unread
        try:
            scope = self.scopes.want(allocation, asked)
        except (PluginError, CloudError, TooManyRegions) as error:
            why = Unread(_why_no_scope(error), str(error))
            return None, unread | dict.fromkeys(asked, why)
        return scope, unread | {ip: scope.cloud_state(ip) for ip in asked}

    def _may_be_touched(self, ip: str) -> bool:
        return not self.limits.why_not_address(ip)

    def _unwant(self, name: str, addresses: set[str]) -> None:
        """Read no more for an allocation, once what was begun for it has ended.

        A client that is closed half way through a move would leave its address with nobody.
        """
        if not addresses & self.mutations.in_flight.keys():
            self.scopes.unwant(name)

    def _machines_of(self, scope: Scope) -> Machines:
        """The machines of all nodes as this cloud names them, the same in all its regions."""
        name = scope.provider.name
        if name not in self._machines:
            self._machines[name] = Machines(self.caches.nodes, scope.machine_id)
        return self._machines[name]

    def _miss_gone(self, records: Iterable[AddressRecord]) -> None:
        for record in records:
            node_ref = record.node_ref
            node = self.caches.nodes.get(node_ref.name) if node_ref else None
            if node_ref and (node is None or node.uid != node_ref.uid):
                self.caches.clocks.miss(node_ref.uid)

    def _misplaced(self, allocation: Allocation) -> list[MisplacedPod]:
        if not allocation.evict_misplaced or allocation.workload is None:
            return []
        return self.caches.misplaced_pods(allocation.workload)

    def _spoken_for(self, pods: Iterable[MisplacedPod]) -> set[str]:
        """Which of the pods' nodes an address is on, by a record, an assumption or the cloud."""
        names = {pod.node_name for pod in pods}
        if not names:
            return set()
        held = self.scopes.holders()
        return {
            name
            for name in names
            if self.caches.holders.on(name)
            or name in self.assumed.tokens()
            or self.machine_ids(name) & held
        }

    def objects_of_machine(self, node_name: str) -> set[str]:
        """Names of the Node objects of a node's machine, itself among them."""
        ids = self.machine_ids(node_name)
        found = (
            one.shared.get(machine_id) or ()
            for one in self._machines.values()
            for machine_id in ids
        )
        return {node_name}.union(*found)

    def machine_ids(self, node_name: str) -> set[str]:
        """The node's machine as the scopes in use would name it."""
        node = self.caches.nodes.get(node_name)
        provider_id = node.provider_id if node else ""
        found = (scope.machine_id(provider_id) for _, scope in self.scopes.items() if provider_id)
        return {machine_id for machine_id in found if machine_id}


def _why_no_scope(error: Exception) -> Reason:
    match error:
        case PluginError():
            return reasons.PROVIDER_MISSING
        case TooManyRegions():
            return reasons.TOO_MANY_REGIONS
        case _:
            return reasons.INVALID_SPEC
