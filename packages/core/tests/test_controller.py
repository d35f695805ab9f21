"""The controller put together, with a real API on a socket and a plug-in, but without a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    NOW,
    allocation,
    node_ref,
    outcome,
    raw_allocation,
    raw_node,
    record,
    until,
)
from prometheus_client import CollectorRegistry

from moorage_core.actions import Action, Mutate
from moorage_core.caches import Caches
from moorage_core.controller import Core, CoreLogic, setup
from moorage_core.metrics import CoreMetrics, core_metrics
from moorage_core.model import AddressRecord, Mutation, Observed, Phase, Present, Unread
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.rbac import RULES
from moorage_core.scopes import Scopes
from moorage_core.settings import CoreSettings
from moorage_core.status import AllocationStatus
from moorage_domain.errors import Disposition
from moorage_domain.plans import Finalizer, Plan
from moorage_kube.cache.kopf_source import KopfSource
from moorage_kube.client.client import Client
from moorage_kube.election.lease import LeadershipLost, LeaseElection
from moorage_kube.manager.manager import Manager
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.reconcile.logic import Failure, Pass
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import process_metrics
from moorage_provider.errors import Denied
from moorage_provider.protocol import CloudAddress
from moorage_testing.apiserver import ApiServer, serve_with_client
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider, published

A = "/apis/netinfra.darkbrains.com/v1alpha1/netipallocations/a"
N1 = "/api/v1/nodes/n1"
# A provider from before credentials_expiring was asked of it.
OLDER = """
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

class Older(MemoryProvider):
    credentials_expiring = property()

def create(options):
    return Older(MemoryCloud())
"""


@pytest.fixture(autouse=True)
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution that offers the memory cloud as a provider."""
    folder = tmp_path / "example-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[moorage.providers]\n"
        "memory = moorage_testing.clouds.memory:create\n"
        "older = older_provider:create\n"
    )
    (tmp_path / "older_provider.py").write_text(OLDER)
    monkeypatch.syspath_prepend(str(tmp_path))


def manager_for(client: Client, **settings: Any) -> Manager:
    core = CoreSettings(**settings)
    election = LeaseElection(client, core.lease("default", "me"))
    events = EventRecorder(client, core.prog)
    return Manager(core, "me_1", client, election, events, process_metrics(core.prog))


@asynccontextmanager
async def core_of(cloud: MemoryCloud, **settings: Any) -> AsyncIterator[tuple[Core, Manager]]:
    """A core that does not lead, on a memory cloud in region ``""``."""
    async with serve_with_client() as (_, client):
        manager = manager_for(client, **settings)
        core = Core(manager)
        with published(cloud):
            yield core, manager
        await core.mutations.drain(0)
        await core.scopes.close()


def sample(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"netipallocation_{name}", labels)


def mutate(mutation: Mutation, ip: str = IP1, node: str = "n1") -> Mutate:
    address = CloudAddress(ip, f"res-{ip}", None)
    return Mutate(mutation, "a", ip, address, node_ref(node), f"vm-{node}", "request-1")


# How it is put together.


async def test_it_watches_what_it_may_and_no_more_than_it_needs() -> None:
    async with core_of(MemoryCloud()) as (core, manager):
        core.add_to_manager()
        watched = {one.name: one for one in manager.informers}
        assert set(watched) == {
            "nodes", "pods", "deployments", "statefulsets", "daemonsets", "replicasets",
            "netipallocations",
        }  # fmt: skip
        relisted = {one.name for one in manager.relisted}
        assert set(watched) - relisted == {"pods"}, "of all others are too few"
        by_kopf = {one.name for one in manager.informers if isinstance(one.source, KopfSource)}
        assert by_kopf == {"netipallocations"}
        granted = {
            resource for rule in RULES for resource in rule.resources if "watch" in rule.verbs
        }
        assert set(watched) <= granted
        assert watched["nodes"].store is core.caches.nodes
        assert watched["pods"].store is core.caches.pods
        assert watched["statefulsets"].store is core.caches.workloads["StatefulSet"]


async def test_a_change_puts_the_allocation_into_the_queue() -> None:
    async with core_of(MemoryCloud()) as (core, _):
        core.caches.allocations.apply(raw_allocation("a", IP1))
        assert core.queue.depth == 1


async def test_every_provider_is_fenced_by_the_lease_and_has_its_deadline() -> None:
    cloud = MemoryCloud(latency_seconds=60.0)
    async with core_of(cloud, cloud_timeout=0.05) as (core, _):
        scope = core.scopes.want(allocation(IP1), {IP1})
        assert isinstance(scope.provider, MemoryProvider)
        with pytest.raises(LeadershipLost):
            scope.provider.fence()
        with pytest.raises(LeadershipLost):
            core.mutations.fence()
        await until(lambda: scope.error, "the call to be given up")
        assert "0.05 s" in str(scope.error)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "memory"),
        ("memori", "did you mean 'memory'?; how to add one: packages/provider/README.md"),
        ("older", "plug-in 'older' lacks credentials_expiring; install a version"),
    ],
)
async def test_a_plug_in_that_is_not_installed_or_unfit_is_reported_as_such(
    name: str, message: str
) -> None:
    async with core_of(MemoryCloud()) as (core, _):
        spec = {"cloud": {"provider": name}}
        core.caches.allocations.apply(raw_allocation("a", IP1, spec=spec))
        observed = Observer(core.caches, core.scopes, core.mutations, Assumed()).observe("a")
        assert observed is not None
        cloud_state = observed.cloud_states[IP1]
        assert isinstance(cloud_state, Unread)
        assert cloud_state.reason.name == "ProviderMissing"
        assert message in cloud_state.message


async def test_at_the_end_work_is_parked_and_the_clouds_are_left() -> None:
    async with core_of(MemoryCloud()) as (core, manager):
        core.scopes.want(allocation(IP1), {IP1})
        core.add_to_manager()
        (stop,) = manager.on_stopping
        await stop(0.0)
        assert dict(core.scopes.items()) == {}


# The end of a mutation.


@pytest.mark.parametrize(
    ("mutation", "attached", "detached"),
    [
        (Mutation.ATTACH, 1, None),
        (Mutation.MOVE, 1, None),
        (Mutation.DETACH, None, 1),
        (Mutation.PREPARE, None, None),
        (Mutation.RESTORE, None, None),
    ],
)
async def test_attaches_and_detaches_are_counted_and_nothing_else(
    mutation: Mutation, attached: int | None, detached: int | None
) -> None:
    async with core_of(MemoryCloud()) as (core, manager):
        registry = manager.registry
        for error, status in ((None, "success"), (Denied("no"), "error")):
            core._ended(mutate(mutation), outcome(mutation, error))
            labels = {"crd_name": "a", "status": status}
            assert sample(registry, "ip_attach_total", **labels) == attached
            assert sample(registry, "ip_detach_total", **labels) == detached


async def test_after_a_mutation_its_address_is_read_and_then_its_allocation_triggered() -> None:
    cloud = MemoryCloud()
    cloud.add_address(IP1)
    async with core_of(cloud) as (core, _):
        scope = core.scopes.want(allocation(IP1, interval=1000.0), {IP1})
        await until(lambda: isinstance(scope.cloud_state(IP1), Present), "the first read")
        await until(lambda: core.queue.depth == 1, "the first pass")
        core._ended(mutate(Mutation.ATTACH), outcome(Mutation.ATTACH))
        await until(lambda: len(cloud.faults.calls) == 2, "the second read")


async def test_the_end_of_a_mutation_triggers_an_allocation_without_a_scope_at_once() -> None:
    async with core_of(MemoryCloud()) as (core, _):
        core._ended(mutate(Mutation.DETACH), outcome(Mutation.DETACH))
        assert core.queue.depth == 1


# The four methods of a pass.


@dataclass
class Passes:
    """A pass over caches filled by hand; Events end up on the server."""

    server: ApiServer
    manager: Manager
    caches: Caches = field(default_factory=Caches)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    metrics: CoreMetrics = field(init=False)
    mutations: PendingMutations = field(init=False)
    observer: Observer = field(init=False)
    logic: CoreLogic = field(init=False)

    def __post_init__(self) -> None:
        cloud = MemoryCloud()
        self.mutations = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(1))
        self.metrics = core_metrics(self.registry, None)
        scopes = Scopes(lambda *_: MemoryProvider(cloud), lambda _: None)
        self.observer = Observer(self.caches, scopes, self.mutations, Assumed())
        self.logic = CoreLogic(self.manager, self.observer, self.metrics)

    async def observe(self) -> Observed:
        observed = await self.logic.observe("a")
        assert observed is not None
        return observed

    async def end(self, plan: Plan[Action], failure: Failure | None = None) -> None:
        """Report the end of a pass with this plan."""
        await self.logic.report(Pass("a", await self.observe(), plan, failure, 0.1))

    async def events(self) -> list[str]:
        """The reasons of the Events written so far."""
        task = asyncio.create_task(self.manager.events.run())
        await self.manager.events.flush(5)
        task.cancel()
        return [one.body["reason"] for one in self.server.asked if one.method == "POST"]


@pytest.fixture
async def passes() -> AsyncIterator[Passes]:
    async with AsyncExitStack() as stack:
        server, client = await stack.enter_async_context(serve_with_client())
        passes = Passes(server, manager_for(client))
        yield passes
        await passes.observer.scopes.close()


def status(*records: AddressRecord) -> Plan[Action]:
    return Plan("AllBound", "fine", status=AllocationStatus((), records))


async def test_a_plan_assumes_the_nodes_that_it_gives_away(passes: Passes) -> None:
    passes.caches.nodes.apply(raw_node("n1"))
    held = record(IP1, "n1")
    passes.caches.allocations.apply(raw_allocation("a", IP1, records=(held,)))
    plan = passes.logic.decide(await passes.observe())
    assert plan.assumes == {"n1"}


async def test_a_pass_is_counted_timed_and_reported(passes: Passes) -> None:
    passes.caches.allocations.apply(raw_allocation("a", IP1))
    await passes.end(status(record(IP1, "n1")))
    assert sample(passes.registry, "reconcile_total", crd_name="a", status="success") == 1
    name = "reconcile_duration_seconds_count"
    assert sample(passes.registry, name, crd_name="a") == 1
    assert await passes.events() == ["Bound"]


async def test_a_pass_that_failed_is_counted_and_remembers_everything(passes: Passes) -> None:
    done = outcome(Mutation.ATTACH)
    passes.mutations.outcomes[IP1] = done
    passes.caches.allocations.apply(raw_allocation("a", IP1, records=(record(IP1),)))
    await passes.observe()
    failure = Failure(Disposition.RETRY, "Unavailable", "no answer", OSError())
    await passes.end(status(record(IP1, "n1")), failure)
    assert sample(passes.registry, "reconcile_total", crd_name="a", status="error") == 1
    assert passes.mutations.outcomes == {IP1: done}
    assert await passes.events() == []


async def test_what_the_status_says_is_not_remembered_besides(passes: Passes) -> None:
    passes.mutations.outcomes |= {IP1: outcome(Mutation.ATTACH), IP2: outcome(Mutation.ATTACH)}
    records = (record(IP1), record(IP2))
    passes.caches.allocations.apply(raw_allocation("a", IP1, IP2, records=records))
    observed = await passes.observe()
    newer = passes.mutations.outcomes[IP2] = outcome(Mutation.MOVE)  # ended meanwhile
    await passes.logic.report(Pass("a", observed, status(*records), None, 0.1))
    assert passes.mutations.outcomes == {IP2: newer}


async def test_an_outcome_that_a_bad_spec_keeps_out_of_the_status_is_remembered(
    passes: Passes,
) -> None:
    done = passes.mutations.outcomes[IP1] = outcome(Mutation.ATTACH)
    records, bad = (record(IP1),), {"cloud": {"provider": ""}}
    passes.caches.allocations.apply(raw_allocation("a", IP1, records=records, spec=bad))
    assert (await passes.observe()).outcomes == {IP1: done}
    await passes.end(status(*records))
    assert passes.mutations.outcomes == {IP1: done}


async def test_an_address_that_was_let_go_is_forgotten_unless_it_is_an_older_ones(
    passes: Passes,
) -> None:
    passes.mutations.avoidance.avoided |= {IP1: {"uid-n1": NOW}, IP2: {"uid-n1": NOW}}
    older: dict[str, Any] = {"creationTimestamp": "2025-01-01T00:00:00Z"}
    passes.caches.allocations.apply(raw_allocation("old", IP2, **older))
    records = (record(IP1, "n1"), AddressRecord(IP2, Phase.BLOCKED, "Conflict"))
    passes.caches.allocations.apply(raw_allocation("a", IP2, records=records))
    await passes.end(status())
    assert passes.mutations.avoidance.avoided == {IP2: {"uid-n1": NOW}}


async def test_the_addresses_of_a_deleted_allocation_are_forgotten_with_it(
    passes: Passes,
) -> None:
    passes.mutations.avoidance.avoided[IP1] = {"uid-n1": NOW}
    gone: dict[str, Any] = {
        "deletionTimestamp": "2026-01-02T00:00:00Z",
        "finalizers": ["moorage.dev/release"],
    }
    records = (record(IP1, "n1"),)
    retained = {"releasePolicy": "Retain"}
    raw = raw_allocation("a", IP1, records=records, spec=retained, **gone)
    passes.caches.allocations.apply(raw)
    passes.server.objects[A] = raw
    plan = passes.logic.decide(await passes.observe())
    assert plan.finalizer is Finalizer.ABSENT
    await passes.end(plan)
    assert passes.mutations.avoidance.avoided == {}


async def test_an_outcome_that_comes_after_the_allocation_is_gone_is_not_the_next_ones(
    passes: Passes,
) -> None:
    """Released by force while a mutation was under way; then somebody else lists the address."""
    passes.caches.allocations.apply(raw_allocation("a", IP1, records=(record(IP1, "n1"),)))
    await passes.observe()
    passes.caches.allocations.forget("a")
    passes.mutations.outcomes[IP1] = outcome(Mutation.ATTACH)
    assert await passes.logic.observe("a") is None  # the pass that the end of it asks for
    passes.caches.allocations.apply(raw_allocation("b", IP1, records=(AddressRecord(IP1),)))
    observed = await passes.logic.observe("b")
    assert observed is not None
    assert observed.outcomes == {}


async def test_an_allocation_that_is_gone_leaves_no_series(passes: Passes) -> None:
    passes.caches.allocations.apply(raw_allocation("a", IP1))
    await passes.end(status())
    passes.caches.allocations.forget("a")
    assert await passes.logic.observe("a") is None
    assert sample(passes.registry, "reconcile_total", crd_name="a", status="success") is None


# From the object to the bound address, as leader.


class Leader:
    """A core that leads, on a memory cloud with one node and one address."""

    def __init__(self, server: ApiServer, manager: Manager, cloud: MemoryCloud) -> None:
        self.server = server
        self.cloud = cloud
        self.registry = manager.registry
        self.core = Core(manager)
        self._manager = manager

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        manager = self._manager
        self.core.add_to_manager()
        controller = next(one for one in manager.controllers if one.name == "core")
        tasks = [
            asyncio.create_task(manager.election.run(_nothing, _nothing)),
            asyncio.create_task(manager.events.run()),
            asyncio.create_task(controller.queue.run(controller.reconcile, workers=2)),
        ]
        try:
            await until(lambda: manager.election.is_leader, "the Lease")
            yield
            await manager.events.flush(5)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            (stop,) = manager.on_stopping
            await stop(0)

    def change(self, **meta: Any) -> None:
        """Change the allocation's metadata, as people would, and apply it to the cache."""
        self.server.version += 1
        raw = self.server.objects[A]
        version = {"resourceVersion": str(self.server.version)}
        self.server.objects[A] = raw | {"metadata": raw["metadata"] | version | meta}
        self.core.caches.allocations.apply(self.server.objects[A])

    @property
    def ready(self) -> str:
        conditions = self.server.objects[A]["status"].get("conditions", [])
        return next((one["status"] for one in conditions if one["type"] == "Ready"), "")

    @property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.server.objects[N1]["metadata"]["labels"]
        return labels

    @property
    def events(self) -> list[str]:
        posts = [one.body for one in self.server.asked if one.method == "POST"]
        return [body["reason"] for body in posts if body["kind"] == "Event"]


@pytest.fixture
async def leader() -> AsyncIterator[Leader]:
    cloud = MemoryCloud()
    cloud.add_machine("vm-n1")
    cloud.add_address(IP1)
    async with serve_with_client() as (server, client):
        server.objects.update({A: raw_allocation("a", IP1), N1: raw_node("n1")})
        leader = Leader(server, manager_for(client), cloud)
        with published(cloud):
            async with leader.working():
                leader.core.caches.nodes.apply(server.objects[N1])
                leader.core.caches.allocations.apply(server.objects[A])
                yield leader


async def test_an_address_is_bound_counted_labelled_and_reported(leader: Leader) -> None:
    await until(lambda: leader.ready == "True", "the address to be bound")
    await until(lambda: leader.labels.get("moorage.dev/ip") == "203-0-113-10", "the label")
    assert leader.cloud.mutations == [("attach", frozenset({IP1, "vm-n1"}))]
    attached = {"crd_name": "a", "status": "success"}
    assert sample(leader.registry, "ip_attach_total", **attached) == 1
    assert sample(leader.registry, "attached_ips_total", crd_name="a") == 1
    await until(lambda: leader.events == ["Attaching", "Bound"], "both Events")


async def test_a_deleted_allocation_lets_its_address_go_and_then_itself(leader: Leader) -> None:
    await until(lambda: leader.ready == "True", "the address to be bound")
    leader.change(deletionTimestamp="2026-01-02T00:00:00Z")
    await until(lambda: A not in leader.server.objects, "the object to go")
    assert leader.cloud.holder(IP1) is None
    assert leader.labels == {"pool": "a"}


async def test_two_controllers_share_nothing() -> None:
    async with serve_with_client() as (_, client):
        managers = [manager_for(client) for _ in range(2)]
        for manager in managers:
            setup(manager)
        first, second = (manager.controllers for manager in managers)
        assert [one.name for one in first] == ["core", "core-false-labels"]
        assert len({id(one.queue) for one in (*first, *second)}) == len(first) + len(second)


async def _nothing() -> None:
    """Taking over or standing down asks for nothing here."""


async def test_sec_03_a_hundred_allocations_that_are_gone_leave_no_series(passes: Passes) -> None:
    def series() -> list[str]:
        samples = (one for family in passes.registry.collect() for one in family.samples)
        return [one.name for one in samples if "invented" in one.labels.get("crd_name", "")]

    for number in range(100):
        name = f"invented-{number}"
        passes.caches.allocations.apply(raw_allocation(name, IP1))
        observed = await passes.logic.observe(name)
        assert observed is not None
        plan = passes.logic.decide(observed)
        await passes.logic.report(Pass(name, observed, plan, None, 0.0, dry_run=False))
        assert series()
        passes.caches.allocations.forget(name)
        assert await passes.logic.observe(name) is None
        await passes.logic.report(Pass(name, None, None, None, 0.0, dry_run=False))
        assert series() == []
