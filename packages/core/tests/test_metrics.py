"""The series of the core controller: true at each scrape, gone with what they describe."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from core_builders import IP1, IP2, IP3, allocation, raw_allocation, raw_node, record, until
from prometheus_client import CollectorRegistry

from moorage_core.caches import Caches
from moorage_core.metrics import (
    ALARMING,
    VERSION_VARIABLE,
    CoreMetrics,
    Gauges,
    Replica,
    core_metrics,
)
from moorage_core.model import AddressRecord, Phase
from moorage_core.scopes import Scopes
from moorage_kube.telemetry.metrics import ProbedRegistry
from moorage_provider.errors import CloudError
from moorage_provider.protocol import ApiCall
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

PREFIX = "netipallocation_"
Series = dict[tuple[str, ...], float]


class Scraped:
    """Caches and their gauges, leading unless a test changes it."""

    def __init__(self, cluster: str | None = None) -> None:
        self.caches = Caches()
        self.clouds: defaultdict[str, MemoryCloud] = defaultdict(MemoryCloud)
        self.scopes = Scopes(lambda _, region: MemoryProvider(self.clouds[region]), lambda _: None)
        self.leading = True
        self.registry = CollectorRegistry()
        gauges = Gauges(self.caches, self.scopes, lambda: self.leading, cluster)
        self.registry.register(gauges.collector())

    def series(self, name: str) -> Series:
        """Values by label values, in the order of the labels' names."""
        return series(self.registry, name)


def series(registry: CollectorRegistry, name: str) -> Series:
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == name
    }


@pytest.fixture
async def scraped() -> AsyncIterator[Scraped]:
    scraped = Scraped()
    yield scraped
    await scraped.scopes.close()


def degraded(status: str) -> dict[str, str]:
    return {"type": "Degraded", "status": status, "reason": "X", "lastTransitionTime": "t"}


def fill(scraped: Scraped) -> None:
    """Two of the three good addresses of ``a`` serve; one entry is no address."""
    held = record(IP2, "n2", phase=Phase.HOLDING, reason="WorkloadRunning")
    waiting = AddressRecord(IP3, Phase.WAITING, "NoEligibleNode")
    records = (record(IP1, "n1"), held, waiting)
    raw = raw_allocation("a", IP1, IP2, IP3, "10.0.0.1", records=records)
    raw["status"]["conditions"] = [degraded("False")]
    scraped.caches.allocations.apply(raw)
    owned: dict[str, Any] = {"annotations": {"moorage.dev/owner": "uid-a"}}
    labelled = {"labels": {"ip.ready": "true"}, **owned}
    scraped.caches.nodes.apply(raw_node("n1", **labelled))
    scraped.caches.nodes.apply(raw_node("n2", cordoned=True, **owned))
    scraped.caches.nodes.apply(raw_node("n3", cordoned=True))


async def test_the_gauges_show_the_state(scraped: Scraped) -> None:
    fill(scraped)
    assert scraped.series(f"{PREFIX}crd_status") == {("a",): 1}
    assert scraped.series(f"{PREFIX}reserved_ips_total") == {("a",): 4}
    assert scraped.series(f"{PREFIX}attached_ips_total") == {("a",): 2}
    assert scraped.series(f"{PREFIX}unattached_ips_total") == {("a",): 2}
    assert scraped.series(f"{PREFIX}ip_attached") == {("a", IP1, "n1"): 1, ("a", IP2, "n2"): 1}
    assert scraped.series(f"{PREFIX}node_cordoned") == {("n1",): 0, ("n2",): 1}
    assert scraped.series(f"{PREFIX}node_ip_ready") == {("a", "n1"): 1, ("a", "n2"): 0}


async def test_an_address_that_cannot_be_read_counts_as_neither_present_nor_absent(
    scraped: Scraped,
) -> None:
    lost = record(IP1, "n1", phase=Phase.UNKNOWN, reason="CloudUnavailable")
    raw = raw_allocation("a", IP1, IP2, records=(lost, AddressRecord(IP2, Phase.WAITING)))
    scraped.caches.allocations.apply(raw)
    scraped.caches.nodes.apply(raw_node("n1"))
    assert scraped.series(f"{PREFIX}attached_ips_total") == {("a",): 0}
    assert scraped.series(f"{PREFIX}unattached_ips_total") == {("a",): 1}
    assert scraped.series(f"{PREFIX}ip_attached") == {}


async def test_an_address_in_trouble_on_its_node_is_still_attached_there(scraped: Scraped) -> None:
    held = record(IP1, "n1", phase=Phase.HOLDING, reason="NoEligibleNode")
    scraped.caches.allocations.apply(raw_allocation("a", IP1, records=(held,)))
    scraped.caches.nodes.apply(raw_node("n1", cordoned=True))
    assert scraped.series(f"{PREFIX}ip_attached") == {("a", IP1, "n1"): 1}
    assert scraped.series(f"{PREFIX}unattached_ips_total") == {("a",): 0}


async def test_addresses_are_counted_by_phase_and_reason(scraped: Scraped) -> None:
    waiting = [AddressRecord(ip, Phase.WAITING, "NoEligibleNode") for ip in (IP2, IP3)]
    records = (record(IP1, "n1"), *waiting)
    scraped.caches.allocations.apply(raw_allocation("a", IP1, IP2, IP3, records=records))
    assert scraped.series("moorage_core_addresses") == {
        ("a", "Bound", "Bound"): 1, ("a", "Waiting", "NoEligibleNode"): 2,
    }  # fmt: skip


async def test_an_allocation_in_trouble_or_without_a_pass_is_not_well(scraped: Scraped) -> None:
    raw = raw_allocation("a", IP1)
    scraped.caches.allocations.apply(raw)
    assert scraped.series(f"{PREFIX}crd_status") == {("a",): 0}
    for status, well in (("True", 0), ("False", 1)):
        scraped.caches.allocations.apply(raw | {"status": {"conditions": [degraded(status)]}})
        assert scraped.series(f"{PREFIX}crd_status") == {("a",): well}


async def test_what_is_gone_leaves_no_series(scraped: Scraped) -> None:
    fill(scraped)
    scraped.caches.nodes.forget("n1")
    assert scraped.series(f"{PREFIX}node_cordoned") == {("n2",): 1}
    assert scraped.series(f"{PREFIX}node_ip_ready") == {("a", "n2"): 0}
    assert scraped.series(f"{PREFIX}ip_attached") == {("a", IP2, "n2"): 1}
    scraped.caches.allocations.forget("a")
    samples = [sample for metric in scraped.registry.collect() for sample in metric.samples]
    assert samples == []


async def test_a_node_that_bears_the_name_of_a_vanished_one_is_not_taken_for_it(
    scraped: Scraped,
) -> None:
    fill(scraped)
    scraped.caches.nodes.apply(raw_node("n1", uid="another"))
    assert scraped.series(f"{PREFIX}ip_attached") == {("a", IP2, "n2"): 1}


async def test_a_standby_has_no_series_of_addresses(scraped: Scraped) -> None:
    fill(scraped)
    scraped.leading = False
    assert list(scraped.registry.collect()) == []


async def test_every_gauge_names_the_cluster_where_it_has_a_name() -> None:
    scraped = Scraped("blue")
    fill(scraped)
    scraped.scopes.want(allocation(IP1), {IP1})
    samples = [sample for metric in scraped.registry.collect() for sample in metric.samples]
    assert len({sample.name for sample in samples}) == 9  # not read yet: no time of a read
    assert {sample.labels["cluster"] for sample in samples} == {"blue"}
    assert scraped.series(f"{PREFIX}node_ip_ready") == {
        ("blue", "a", "n1"): 1, ("blue", "a", "n2"): 0,
    }  # fmt: skip
    await scraped.scopes.close()


async def test_the_age_of_the_cloud_state_is_shown_by_provider_and_region(scraped: Scraped) -> None:
    name = "moorage_core_cloud_read_timestamp_seconds"
    began = time.time()
    scope = scraped.scopes.want(allocation(IP1, region="r1"), {IP1})
    await until(lambda: scope.read_at, "the read")
    ((labels, value),) = scraped.series(name).items()
    assert labels == ("memory", "r1")
    assert began <= value <= time.time()
    scraped.scopes.unwant("a")
    assert scraped.series(name) == {}


async def test_a_scope_that_was_never_read_shows_no_time(scraped: Scraped) -> None:
    scraped.scopes.want(allocation(IP1), {IP1})
    assert scraped.series("moorage_core_cloud_read_timestamp_seconds") == {}


async def test_the_expiry_of_credentials_is_shown_by_provider_and_region(scraped: Scraped) -> None:
    name = "moorage_core_cloud_credentials_expiring"
    scraped.scopes.want(allocation(IP1, name="a", region="r1"), {IP1})
    scraped.scopes.want(allocation(IP2, name="b", region="r2"), {IP2})
    assert scraped.series(name) == {("memory", "r1"): 0, ("memory", "r2"): 0}
    scraped.clouds["r2"].credentials_expiring = True
    assert scraped.series(name) == {("memory", "r1"): 0, ("memory", "r2"): 1}
    scraped.scopes.unwant("b")
    assert scraped.series(name) == {("memory", "r1"): 0}


async def test_a_standby_has_no_series_of_credentials(scraped: Scraped) -> None:
    scraped.scopes.want(allocation(IP1), {IP1})
    scraped.clouds[""].credentials_expiring = True
    scraped.leading = False
    assert scraped.series("moorage_core_cloud_credentials_expiring") == {}


# What every replica shows of itself.


@pytest.mark.parametrize("cluster", [None, "blue"])
def test_every_replica_shows_whether_it_leads_is_ready_and_well(cluster: str | None) -> None:
    registry = ProbedRegistry()
    leads = True
    replica = Replica("core-0", "1.2", lambda: leads, registry, cluster)
    registry.register(replica.collector())
    labels = {"pod_name": "core-0"} | ({"cluster": cluster} if cluster else {})

    def shown() -> list[float | None]:
        names = ("is_leader", "ready", "healthy")
        return [registry.get_sample_value(f"{PREFIX}controller_{n}", labels) for n in names]

    assert shown() == [1, 0, 0]
    registry.healthy = lambda: True
    assert shown() == [1, 0, 1]
    registry.ready, leads = (lambda: True), False
    assert shown() == [0, 1, 1]
    info = {**labels, "version": "1.2"}
    assert registry.get_sample_value(f"{PREFIX}controller_info", info) == 1


def test_the_version_that_is_shown_can_be_set_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VERSION_VARIABLE, "7")
    registry = ProbedRegistry()
    registry.register(Replica("p", "1.2", lambda: True, registry, None).collector())
    labels = {"pod_name": "p", "version": "7"}
    assert registry.get_sample_value(f"{PREFIX}controller_info", labels) == 1


# Calls to a cloud.

CALLS = "moorage_core_cloud_api_requests_total"
ERRORS = f"{PREFIX}gcp_api_errors_total"


@pytest.mark.parametrize("cluster", [None, "blue"])
def test_calls_to_a_cloud_are_counted_and_timed(cluster: str | None) -> None:
    registry = CollectorRegistry()
    count = core_metrics(registry, cluster).observer("aws")
    count(ApiCall("AssociateAddress", "success", 0.3))
    count(ApiCall("AssociateAddress", "in_use", 0.3))
    first = (cluster,) if cluster else ()
    calls = series(registry, CALLS)
    assert calls[(*first, "AssociateAddress", "success", "aws")] == 1
    assert calls[(*first, "AssociateAddress", "in_use", "aws")] == 1
    seconds = series(registry, "moorage_core_cloud_api_request_seconds_sum")
    assert seconds == {(*first, "AssociateAddress", "aws"): pytest.approx(0.6)}
    assert series(registry, ERRORS) == {}


def test_alarming_errors_are_there_with_0_before_the_first_so_that_rate_sees_it() -> None:
    registry = CollectorRegistry()
    count = core_metrics(registry, None).observer("gcp")
    count(ApiCall("instances.get", "success", 0.1))
    zeros = {(error, "instances.get"): 0 for error in ALARMING}
    assert series(registry, ERRORS) == zeros
    assert series(registry, CALLS)[("instances.get", "denied", "gcp")] == 0
    count(ApiCall("instances.get", "denied", 0.1))
    count(ApiCall("instances.get", "stale", 0.1))
    counted = {("denied", "instances.get"): 1, ("stale", "instances.get"): 1}
    assert series(registry, ERRORS) == zeros | counted


def test_what_is_alarming_is_an_error_there_is() -> None:
    classes, todo = set(), [CloudError]
    while todo:
        one = todo.pop()
        classes.add(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one.__name__).lower())
        todo += one.__subclasses__()
    assert set(ALARMING) <= classes


def test_calls_from_several_threads_at_once_are_all_counted() -> None:
    registry = CollectorRegistry()
    count = core_metrics(registry, None).observer("gcp")

    def calls() -> None:
        for _ in range(200):
            count(ApiCall("instances.get", "throttled", 0.1))

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert series(registry, ERRORS)[("throttled", "instances.get")] == 800
    assert series(registry, CALLS)[("instances.get", "throttled", "gcp")] == 800


# Counters.


def count(metrics: CoreMetrics, name: str) -> None:
    for status in ("success", "error"):
        for counter in (metrics.reconciles, metrics.attached, metrics.detached):
            counter.labels(*metrics.cluster, name, status).inc()
    metrics.duration.labels(*metrics.cluster, name).observe(0.3)


@pytest.mark.parametrize("cluster", [None, "blue"])
def test_counters_are_by_allocation_and_go_with_it(cluster: str | None) -> None:
    registry = CollectorRegistry()
    metrics = core_metrics(registry, cluster)
    count(metrics, "a")
    count(metrics, "b")
    metrics.forget("a")
    metrics.forget("never-there")
    first = (cluster,) if cluster else ()
    for name in ("reconcile_total", "ip_attach_total", "ip_detach_total"):
        assert series(registry, f"{PREFIX}{name}") == {
            (*first, "b", "success"): 1, (*first, "b", "error"): 1,
        }  # fmt: skip
    seconds = series(registry, f"{PREFIX}reconcile_duration_seconds_count")
    assert seconds == {(*first, "b"): 1}


def test_an_empty_cluster_name_is_none() -> None:
    assert core_metrics(CollectorRegistry(), "").cluster == ()


def test_gauges_and_counters_share_no_name() -> None:
    scraped = asyncio.run(_scraped())
    core_metrics(scraped.registry, None)
    names = [metric.name for metric in scraped.registry.collect()]
    assert len(names) == len(set(names))


async def _scraped() -> Scraped:
    return Scraped()
