"""The series of the core controller: true at each scrape, gone with what they tell of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from core_builders import IP1, IP2, IP3, allocation, raw_allocation, raw_node, record, until
from prometheus_client import CollectorRegistry

from moorage_core.caches import Caches
from moorage_core.metrics import CoreMetrics, Gauges, core_metrics
from moorage_core.model import Phase, Record
from moorage_core.scopes import Scopes
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

PREFIX = "netipallocation_"
Series = dict[tuple[str, ...], float]


class Scraped:
    """Caches and their gauges, leading until told otherwise."""

    def __init__(self, cluster: str | None = None) -> None:
        self.caches = Caches()
        self.scopes = Scopes(lambda *_: MemoryProvider(MemoryCloud()), lambda _: None)
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
    waiting = Record(IP3, Phase.WAITING, "NoEligibleNode")
    records = (record(IP1, "n1"), held, waiting)
    raw = raw_allocation("a", IP1, IP2, IP3, "10.0.0.1", records=records)
    raw["status"]["conditions"] = [degraded("False")]
    scraped.caches.allocations.apply(raw)
    owned: dict[str, Any] = {"annotations": {"moorage.dev/owner": "uid-a"}}
    marked = {"labels": {"ip.ready": "true"}, **owned}
    scraped.caches.nodes.apply(raw_node("n1", **marked))
    scraped.caches.nodes.apply(raw_node("n2", cordoned=True, **owned))
    scraped.caches.nodes.apply(raw_node("n3", cordoned=True))


async def test_the_gauges_tell_the_state(scraped: Scraped) -> None:
    fill(scraped)
    assert scraped.series(f"{PREFIX}crd_status") == {("a",): 1}
    assert scraped.series(f"{PREFIX}reserved_ips_total") == {("a",): 4}
    assert scraped.series(f"{PREFIX}attached_ips_total") == {("a",): 2}
    assert scraped.series(f"{PREFIX}unattached_ips_total") == {("a",): 2}
    assert scraped.series(f"{PREFIX}ip_attached") == {("a", IP1, "n1"): 1, ("a", IP2, "n2"): 1}
    assert scraped.series(f"{PREFIX}node_cordoned") == {("n1",): 0, ("n2",): 1}
    assert scraped.series(f"{PREFIX}node_ip_ready") == {("a", "n1"): 1, ("a", "n2"): 0}


async def test_an_allocation_in_trouble_or_never_looked_at_is_not_well(scraped: Scraped) -> None:
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
    scraped.caches.allocations.forget("a")
    samples = [sample for metric in scraped.registry.collect() for sample in metric.samples]
    assert samples == []


async def test_a_standby_tells_nothing(scraped: Scraped) -> None:
    fill(scraped)
    scraped.leading = False
    assert list(scraped.registry.collect()) == []


async def test_every_gauge_names_the_cluster_where_it_has_a_name() -> None:
    scraped = Scraped("blue")
    fill(scraped)
    scraped.scopes.want(allocation(IP1), {IP1})
    samples = [sample for metric in scraped.registry.collect() for sample in metric.samples]
    assert len({sample.name for sample in samples}) == 8
    assert {sample.labels["cluster"] for sample in samples} == {"blue"}
    assert scraped.series(f"{PREFIX}node_ip_ready") == {
        ("blue", "a", "n1"): 1, ("blue", "a", "n2"): 0,
    }  # fmt: skip
    await scraped.scopes.close()


async def test_the_age_of_the_readings_is_told_by_provider_and_region(scraped: Scraped) -> None:
    name = "moorage_core_cloud_read_timestamp_seconds"
    began = time.time()
    scope = scraped.scopes.want(allocation(IP1, region="r1"), {IP1})
    await until(lambda: scope.read_at, "the reading")
    ((labels, value),) = scraped.series(name).items()
    assert labels == ("memory", "r1")
    assert began <= value <= time.time()
    scraped.scopes.unwant("a")
    assert scraped.series(name) == {}


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
