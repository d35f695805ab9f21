"""The core controller put together: caches, scopes, work under way, and one pass over a key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, cast

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core.act import Actor
from moorage_core.actions import Action, Mutate, RemoveFinalizer, WriteStatus
from moorage_core.caches import Caches
from moorage_core.decide.allocation import decide
from moorage_core.metrics import CoreMetrics, Gauges, Replica, core_metrics
from moorage_core.model import Mutation, Observed, Outcome
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.projections import NOT_ENDED
from moorage_core.report import notes
from moorage_core.scopes import Scopes
from moorage_core.settings import CoreSettings
from moorage_core.triggers import Triggers
from moorage_core.warmup import Standby
from moorage_domain.kinds import Kind
from moorage_domain.plans import Plan
from moorage_kube.cache.informer import Reflector
from moorage_kube.cache.kopf_source import Feed
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery
from moorage_kube.client.kinds import (
    DAEMONSETS,
    DEPLOYMENTS,
    NODES,
    PODS,
    REPLICASETS,
    STATEFULSETS,
)
from moorage_kube.manager.manager import Controller, Ports
from moorage_kube.manager.plugins import load, require
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reconciler import Failure
from moorage_provider.protocol import Provider

_PLUGINS = "moorage.providers"
# Pods that run nowhere yet, or have ended, hold nothing back: the API server keeps them from us.
_RUNNING_PODS = ListQuery(field_selector=f"spec.nodeName!=,{NOT_ENDED}")
_METADATA = ListQuery(metadata_only=True)


class CoreSteps:
    """Observe, decide, act and report for one allocation; passes over one key never overlap."""

    def __init__(self, ports: Ports, observer: Observer, metrics: CoreMetrics) -> None:
        self._ports = ports
        self._observer = observer
        self._metrics = metrics
        self._actor = Actor(ports.client, observer, ports.events.publish)
        self._observed_by_key: dict[str, Observed] = {}
        self._began: dict[str, float] = {}

    async def observe(self, key: str) -> Observed | None:
        """Look at one allocation; nothing is awaited, so that what is seen fits together."""
        observed = self._observer.look(key)
        if observed is None:
            self._observed_by_key.pop(key, None)
            self._metrics.forget(key)
            return None
        self._observed_by_key[key] = observed
        self._began[key] = time.perf_counter()
        return observed

    def decide(self, observed: Observed) -> Plan[Action]:
        """Decide, and keep what is given away from others until the status tells it."""
        plan = decide(observed)
        node_refs = [
            record.node_ref.name
            for action in plan.actions
            if isinstance(action, WriteStatus)
            for record in action.records
            if record.node_ref
        ]
        self._observer.assumed[observed.allocation.name] = frozenset(node_refs)
        return plan

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action."""
        await self._actor.act(action, observed)

    async def report(self, key: str, plan: Plan[Action] | None, failure: Failure | None) -> None:
        """Tell people what is new; the condition was written with the status."""
        cluster = self._metrics.cluster
        status = "success" if failure is None else "error"
        self._metrics.reconciles.labels(*cluster, key, status).inc()
        if began := self._began.pop(key, None):
            self._metrics.duration.labels(*cluster, key).observe(time.perf_counter() - began)
        observed = self._observed_by_key.pop(key, None)
        if observed is None or plan is None or failure is not None:
            return
        for note in notes(observed, plan):
            await self._ports.events.publish(note)
        self._acknowledge(observed, plan)

    def _acknowledge(self, observed: Observed, plan: Plan[Action]) -> None:
        """The status tells it now, so it need not be remembered here."""
        mutations = self._observer.mutations
        if observed.allocation.problem or observed.allocation.dry_run:
            return
        for ip, outcome in observed.outcomes.items():
            if mutations.outcomes.get(ip) is outcome:
                del mutations.outcomes[ip]
        let_go = {record.ip for record in observed.records} - _still_told(observed, plan)
        for ip in let_go - observed.conflicts.keys():
            mutations.forget(ip)


def _still_told(observed: Observed, plan: Plan[Action]) -> set[str]:
    """The addresses that the object tells of once this plan is carried out."""
    told = {record.ip for record in observed.records}
    for action in plan.actions:
        if isinstance(action, RemoveFinalizer):
            return set()
        if isinstance(action, WriteStatus):
            told = {record.ip for record in action.records}
    return told


class Core:
    """All parts of the controller, each made once."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._settings = cast("CoreSettings", ports.settings)
        self.queue = WorkQueue()
        self.caches = Caches()
        self._metrics = core_metrics(ports.metrics.registry, self._settings.cluster_name)
        self.scopes = Scopes(self._create_provider, self._look_at)
        self.mutations = PendingMutations(
            fence=ports.election.fence,
            ended=self._ended,
            accepted=lambda mutate: self.queue.add(mutate.allocation),
            priority=PrioritySemaphore(self._settings.cloud_calls),
        )
        Triggers(self.caches, self.queue.add)
        gauges = Gauges(
            self.caches,
            self.scopes,
            lambda: ports.election.is_leader,
            self._settings.cluster_name,
        )
        ports.metrics.registry.register(gauges.collector())
        ports.metrics.registry.register(self._replica().collector())

    def controller(self) -> Controller:
        """For the shell to run."""
        ports = self._ports
        dry_run = self._settings.dry_run
        observer = Observer(self.caches, self.scopes, self.mutations, dry_run=dry_run)
        steps = CoreSteps(ports, observer, self._metrics)
        allocations = Feed(ports.client, NETIPALLOCATIONS, self.caches.allocations)
        standby = Standby(allocations, self.scopes)
        return Controller(
            queue=self.queue,
            # A plan held back is told in the status, by the decision itself.
            reconcile=ports.reconciler(steps, dry_run=False),
            reflectors=_reflectors(ports, self.caches),
            hints=(Reflector(ports.client, PODS, self.caches.pods, _RUNNING_PODS, PODS.plural),),
            feeds=(allocations,),
            tasks={"standby": standby.run},
            checks={"clouds": standby.check},
            on_stopping=self._stop,
        )

    def _create_provider(self, name: str, region: str) -> Provider:
        factory = cast("Callable[[dict[str, str]], Provider]", load(_PLUGINS, name))
        timeout = str(self._settings.cloud_timeout)
        provider = factory({"region": region, "timeout_seconds": timeout})
        require(_PLUGINS, name, provider, Provider)
        provider.fence = self._ports.election.fence
        provider.on_call = self._metrics.observer(name)
        return provider

    def _replica(self) -> Replica:
        election = self._ports.election
        return Replica(
            # The Lease's holder is this with a random tail.
            pod_name=election.settings.identity.rpartition("_")[0],
            version=self._settings.version,
            leading=lambda: election.is_leader,
            registry=self._ports.metrics.registry,
            cluster_name=self._settings.cluster_name,
        )

    def _look_at(self, names: Iterable[str]) -> None:
        for name in names:
            self.queue.add(name)

    def _ended(self, mutate: Mutate, outcome: Outcome) -> None:
        """A mutation is over: count it, and read what it did; the pass comes with the reading."""
        counters = {
            Mutation.ATTACH: self._metrics.attached,
            Mutation.MOVE: self._metrics.attached,
            Mutation.DETACH: self._metrics.detached,
        }
        if counter := counters.get(mutate.mutation):
            status = "success" if outcome.error is None else "error"
            counter.labels(*self._metrics.cluster, mutate.allocation, status).inc()
        for name in {mutate.allocation, *self.caches.claims.get(mutate.ip)}:
            scope = self.scopes.of(name)
            if scope is not None:
                scope.invalidate([mutate.ip])
            if scope is None or outcome.error is not None or name != mutate.allocation:
                self.queue.add(name)

    async def _stop(self, seconds: float) -> None:
        await self.mutations.drain(seconds)
        await self.scopes.close()


def build(ports: Ports) -> Controller:
    """The controller on its ports."""
    return Core(ports).controller()


def _reflectors(ports: Ports, caches: Caches) -> tuple[Reflector[Any], ...]:
    def reflect(kind: Kind, store: Store[Any], query: ListQuery) -> Reflector[Any]:
        return Reflector(ports.client, kind, store, query=query, name=kind.plural)

    workloads = (
        (DEPLOYMENTS, "Deployment"),
        (STATEFULSETS, "StatefulSet"),
        (DAEMONSETS, "DaemonSet"),
    )
    return (
        reflect(NODES, caches.nodes, ListQuery()),
        reflect(REPLICASETS, caches.replicasets, _METADATA),
        *(reflect(kind, caches.workloads[name], _METADATA) for kind, name in workloads),
    )
