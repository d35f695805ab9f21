"""The core controller put together: caches, scopes, work under way, and one pass over a key."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import reasons
from moorage_core.act import Actor
from moorage_core.actions import Action, Mutate
from moorage_core.caches import OF_THIS_PROCESS, Caches
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import labels_ahead
from moorage_core.decide.one_machine import DUPLICATE
from moorage_core.decide.shared_label import LABEL_SHARED
from moorage_core.decide.workload_conditions import WORKLOAD_MISSING
from moorage_core.evicting import Evictor
from moorage_core.false_labels import FalseLabels, trigger_labelled
from moorage_core.metrics import CoreMetrics, Gauges, Replica, core_metrics
from moorage_core.model import Mutation, Observed, Outcome
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.projections import FINALIZER, NOT_ENDED, AllocationView
from moorage_core.recorded import record_from_json
from moorage_core.regions import by_age
from moorage_core.report import Said, events, moves
from moorage_core.scopes import Scopes
from moorage_core.seal import Seal
from moorage_core.settings import PLUGINS, CoreSettings
from moorage_core.status import AllocationStatus, sealed_entry
from moorage_core.status_key import load_key
from moorage_core.triggers import Triggers
from moorage_core.warmup import WarmUp
from moorage_domain.plans import Finalizer, Plan
from moorage_kube.cache.informer import Informer, list_afresh
from moorage_kube.client.client import ListQuery
from moorage_kube.client.errors import KubeError
from moorage_kube.client.kinds import (
    DAEMONSETS,
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
)
from moorage_kube.manager.garbage import give_back
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.plugins import load, require
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reason_events import condition_events
from moorage_kube.writes.subjects import Subjects
from moorage_provider.errors import InvalidOptions
from moorage_provider.protocol import Provider

logger = logging.getLogger(__name__)

_TOLD = frozenset({WORKLOAD_MISSING, LABEL_SHARED, DUPLICATE})
"""Conditions that are worth an Event when they come or go."""

_ONLY_EVENTS = frozenset({reasons.MOVED_BY_OTHERS.name, reasons.STATUS_NOT_BELIEVED.name})
"""What no condition, and no line of the pass, says: when that is written it is over."""

OWN_STATUS_SECONDS = 1.0
"""After its own status was written an allocation is looked at again, if nothing did so before."""
_ABOUT_PLUGINS = "packages/provider/README.md#a-provider"
# Pods that run nowhere yet, or have ended, hold nothing back: the API server keeps them from us.
_RUNNING_PODS = ListQuery(field_selector=f"spec.nodeName!=,{NOT_ENDED}")
_METADATA = ListQuery(metadata_only=True)


class CoreLogic:
    """Observe, decide, act and report for one allocation; passes over one key never overlap."""

    def __init__(self, manager: Manager, observer: Observer, metrics: CoreMetrics) -> None:
        self._events = manager.events
        self._observer = observer
        self._metrics = metrics
        publish = manager.events.publish
        evictor = Evictor(manager.client, observer.evictions, publish, metrics.count_eviction)
        self.actor = Actor(manager.client, observer, evictor)
        self._said = Said()

    async def observe(self, key: str) -> Observed | None:
        """Read one allocation; nothing is awaited, so that what is observed fits together."""
        observed = self._observer.observe(key)
        if observed is None:
            self._metrics.forget(key)
            self._said.forget(key)
        return observed

    def decide(self, observed: Observed) -> Plan[Action]:
        """Decide; pure."""
        return decide(observed)

    async def prepare(self, observed: Observed, plan: Plan[Action]) -> bool:
        """Label the nodes that have got an address; look at those that are to get one."""
        if ahead := labels_ahead(observed, plan.actions):
            # What fails now is tried again after the status, which says so.
            with contextlib.suppress(KubeError):
                for change in ahead:
                    await self.actor.act(change, observed)
            return True
        return await self.actor.look_at_targets(observed.allocation.name, plan.actions)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action."""
        await self.actor.act(action, observed)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """Count the pass, and publish what is new; the conditions were written with the status."""
        failure, observed, plan = ended.failure, ended.observed, ended.plan
        if observed is None and failure is None:
            return
        cluster = self._metrics.cluster
        status = "success" if failure is None else "error"
        self._metrics.reconciles.labels(*cluster, ended.key, status).inc()
        self._metrics.duration.labels(*cluster, ended.key).observe(ended.seconds)
        if observed is None or plan is None or failure is not None:
            return
        for event in events(observed, plan, self._said):
            if event.reason in _ONLY_EVENTS:
                extra = {"object": ended.key, "reason": event.reason}
                logger.warning("%s: %s", ended.key, event.message, extra=extra)
            await self._events.publish(event)
        for reason in () if ended.dry_run else moves(observed, plan):
            self._metrics.moves.labels(*cluster, ended.key, reason).inc()
        # A refused eviction is said by who asked for it, each time.
        for event in condition_events(NETIPALLOCATIONS, ended, _TOLD):
            await self._events.publish(event)
        if not ended.dry_run and not observed.allocation.problem:
            self._acknowledge(observed, plan)

    def _acknowledge(self, observed: Observed, plan: Plan[Action]) -> None:
        """The status says it now, so it need not be remembered here."""
        mutations = self._observer.mutations
        for ip, outcome in observed.outcomes.items():
            if mutations.outcomes.get(ip) is outcome:
                del mutations.outcomes[ip]
        released = {record.ip for record in observed.records} - _still_recorded(observed, plan)
        for ip in released - observed.conflicts.keys():
            mutations.forget(ip)


def _still_recorded(observed: Observed, plan: Plan[Action]) -> set[str]:
    """The addresses that the object records once this plan is carried out."""
    if plan.finalizer is Finalizer.ABSENT:
        return set()
    status = plan.status
    records = status.records if isinstance(status, AllocationStatus) else observed.records
    return {record.ip for record in records}


class Core:
    """All parts of the controller, each made once."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._settings = cast("CoreSettings", manager.settings)
        self._limits = self._settings.limits()
        self.queue = WorkQueue()
        self.caches = Caches()
        self._metrics = core_metrics(manager.registry, self._settings.cluster_name)
        self.scopes = Scopes(
            self._create_provider,
            self._add_all,
            self._settings.cloud_regions,
            lambda: by_age(self.caches.allocations.values(), self._limits.why_not_cloud),
        )
        self.mutations = PendingMutations(
            fence=manager.election.fence,
            ended=self._ended,
            accepted=lambda mutate: self.queue.add(mutate.allocation),
            taken_off=self._taken_off,
            priority=PrioritySemaphore(self._settings.cloud_calls),
            cluster=self._settings.cloud_cluster,
            leaves=self.caches.is_placed,
        )
        self._triggers = Triggers(
            self.caches, self.queue.add, partial(self.queue.add_after, seconds=OWN_STATUS_SECONDS)
        )
        self.labelled = WorkQueue()
        trigger_labelled(self.caches, self.labelled.add)
        gauges = Gauges(
            self.caches,
            self.scopes,
            lambda: manager.election.is_leader,
            self._settings.cluster_name,
        )
        manager.registry.register(gauges.collector())
        manager.registry.register(self._replica().collector())

    def add_to_manager(self) -> None:
        """Have the manager run it."""
        manager, caches = self._manager, self.caches
        allocations = manager.informer(NETIPALLOCATIONS, caches.allocations, written_by_people=True)
        self._know_own_writes(allocations)
        manager.informer(NODES, caches.nodes)
        manager.informer(REPLICASETS, caches.replicasets, _METADATA)
        for kind in (DEPLOYMENTS, STATEFULSETS, DAEMONSETS):
            manager.informer(kind, caches.workloads[kind.name])
        manager.informer(PODS, caches.pods, _RUNNING_PODS, relist_at_takeover=False)
        assumed = Assumed()
        observer = Observer(caches, self.scopes, self.mutations, assumed)
        observer.dry_run = self._settings.dry_run
        observer.drain_timeout = self._settings.drain_timeout
        observer.limits = self._limits
        logic = CoreLogic(manager, observer, self._metrics)
        subjects = Subjects(NETIPALLOCATIONS, caches.allocations, FINALIZER)
        manager.add_controller("core", logic, self.queue, subjects, assumed)
        false_labels = FalseLabels(observer, logic.actor, manager.events.publish)
        manager.add_controller("core-false-labels", false_labels, self.labelled)
        warm_up = WarmUp(allocations, self.scopes)
        manager.run_always("warm-up", warm_up.run)
        manager.run_always("memory", partial(give_back, self._forget))
        manager.require("clouds", warm_up.check)
        manager.on_stopping.append(self._stop)

    def _forget(self) -> None:
        """Empty the caches of what is parsed and sealed: it is done anew where it is needed."""
        record_from_json.clear()
        sealed_entry.clear()
        self.caches.seal.forget()

    def _know_own_writes(self, allocations: Informer[AllocationView]) -> None:
        """Before the first pass: take the key of the Secret, and read every status anew by it."""
        place, caches = self._settings.status_key_secret, self.caches
        caches.seal = OF_THIS_PROCESS

        async def take_key() -> None:
            if key := await load_key(self._manager.client, place):
                caches.seal = Seal(key)
                await list_afresh(allocations)

        if place:
            self._manager.on_leading.append(take_key)

    def _create_provider(self, name: str, region: str) -> Provider:
        if why := self._limits.why_not_cloud(name, region):
            raise InvalidOptions(why)
        factory = cast("Callable[[dict[str, str]], Provider]", load(PLUGINS, name, _ABOUT_PLUGINS))
        timeout = str(self._settings.cloud_timeout)
        provider = factory({"region": region, "timeout_seconds": timeout})
        require(PLUGINS, name, provider, Provider)
        provider.fence = self._manager.election.fence
        provider.on_call = self._metrics.observer(name)
        return provider

    def _replica(self) -> Replica:
        election = self._manager.election
        return Replica(
            # The Lease's holder is this with a random tail.
            pod_name=self._manager.identity.rpartition("_")[0],
            version=self._settings.version,
            leading=lambda: election.is_leader,
            registry=self._manager.metrics.registry,
            cluster_name=self._settings.cluster_name,
        )

    def _add_all(self, names: Iterable[str]) -> None:
        for name in names:
            self.queue.add(name)

    def _ended(self, mutate: Mutate, outcome: Outcome) -> None:
        """A mutation is over: count it, and read its address; the read triggers the pass."""
        counters = {
            Mutation.ATTACH: self._metrics.attached,
            Mutation.MOVE: self._metrics.attached,
            Mutation.DETACH: self._metrics.detached,
        }
        if outcome.must_record_first:
            # The cloud was not changed, so it needs no new reading.
            self.queue.add(mutate.allocation)
            return
        if counter := counters.get(mutate.mutation):
            status = "success" if outcome.error is None else "error"
            counter.labels(*self._metrics.cluster, mutate.allocation, status).inc()
        for name in {mutate.allocation, *self.caches.claims.get(mutate.ip)}:
            scope = self.scopes.of(name)
            if scope is not None:
                scope.invalidate([mutate.ip])
            if scope is None or outcome.error is not None or name != mutate.allocation:
                self.queue.add(name)

    def _taken_off(self, attach: Mutate) -> None:
        """The first of the two steps of a move is done: count it, and have the status say so."""
        cluster = self._metrics.cluster
        self._metrics.detached.labels(*cluster, attach.allocation, "success").inc()
        self.queue.add(attach.allocation)

    async def _stop(self, seconds: float) -> None:
        await self.mutations.drain(seconds)
        await self.scopes.close()


def setup(manager: Manager) -> None:
    """Add the controller to a manager."""
    Core(manager).add_to_manager()
