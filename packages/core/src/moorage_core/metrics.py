"""The series of the core controller; the names of the first version keep their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_core.caches import Caches
from moorage_core.decide.conditions import serves
from moorage_core.decide.marks import label_ready
from moorage_core.projections import AllocationView
from moorage_core.scopes import Scopes
from moorage_kube.metrics import StateCollector

_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class CoreMetrics:
    """Counters and histograms; gauges are read from the state, see ``state_gauges``.

    Attributes:
        cluster: value of the label ``cluster`` as a tuple; empty without CLUSTER_NAME.
        reconciles: passes by allocation and ``status`` (success, error).
        duration: seconds a pass took, by allocation.
        attached: attach and move mutations by allocation and ``status``.
        detached: detach mutations by allocation and ``status``.
    """

    cluster: tuple[str, ...]
    reconciles: Counter
    duration: Histogram
    attached: Counter
    detached: Counter

    def forget(self, allocation: str) -> None:
        """Drop every series of an allocation that is gone."""
        for status in ("success", "error"):
            for counter in (self.reconciles, self.attached, self.detached):
                _drop(counter, (*self.cluster, allocation, status))
        _drop(self.duration, (*self.cluster, allocation))


def core_metrics(registry: CollectorRegistry, cluster_name: str | None) -> CoreMetrics:
    """Register the series; with a cluster name every one has the label ``cluster``."""
    cluster = (cluster_name,) if cluster_name else ()
    names = ["cluster"] * len(cluster)

    def counter(name: str, text: str) -> Counter:
        labels = [*names, "crd_name", "status"]
        return Counter(f"netipallocation_{name}", text, labels, registry=registry)

    return CoreMetrics(
        cluster=cluster,
        reconciles=counter("reconcile", "Passes over an allocation."),
        duration=Histogram(
            "netipallocation_reconcile_duration_seconds",
            "Time a pass over an allocation took.",
            [*names, "crd_name"],
            buckets=_SECONDS,
            registry=registry,
        ),
        attached=counter("ip_attach", "Addresses given to a node."),
        detached=counter("ip_detach", "Addresses taken off a node."),
    )


@dataclass(frozen=True, slots=True)
class Gauges:
    """Reads the state of the addresses at each scrape; only the leader tells it."""

    caches: Caches
    scopes: Scopes
    leading: Callable[[], bool]
    cluster_name: str | None

    def collector(self) -> StateCollector:
        """For the registry."""
        return StateCollector(self.read)

    def read(self) -> Iterable[Metric]:
        """All gauges as they are now."""
        if not self.leading():
            return
        views = list(self.caches.allocations.values())
        yield self._by_allocation("crd_status", "1 = all is well.", views, _healthy)
        yield self._by_allocation("reserved_ips_total", "Addresses listed.", views, _reserved)
        yield self._by_allocation("attached_ips_total", "Addresses on a node.", views, _attached)
        yield self._by_allocation(
            "unattached_ips_total", "Addresses on no node.", views,
            lambda view: _reserved(view) - _attached(view),
        )  # fmt: skip
        yield self._ip_attached(views)
        yield from self._nodes(views)
        yield self._cloud_age()

    def _gauge(self, name: str, text: str, labels: Sequence[str]) -> GaugeMetricFamily:
        cluster = ["cluster"] if self.cluster_name else []
        return GaugeMetricFamily(name, text, labels=[*cluster, *labels])

    def _values(self, *values: str) -> list[str]:
        return [*([self.cluster_name] if self.cluster_name else []), *values]

    def _by_allocation(
        self,
        name: str,
        text: str,
        views: Iterable[AllocationView],
        value: Callable[[AllocationView], float],
    ) -> Metric:
        gauge = self._gauge(f"netipallocation_{name}", text, ["crd_name"])
        for view in views:
            gauge.add_metric(self._values(view.allocation.name), value(view))
        return gauge

    def _ip_attached(self, views: Iterable[AllocationView]) -> Metric:
        labels = ["crd_name", "ip", "node"]
        gauge = self._gauge("netipallocation_ip_attached", "1 = the node holds it.", labels)
        for view in views:
            for record in view.records:
                if serves(record) and record.place:
                    values = (view.allocation.name, record.ip, record.place.node_name)
                    gauge.add_metric(self._values(*values), 1)
        return gauge

    def _nodes(self, views: Iterable[AllocationView]) -> Iterable[Metric]:
        names = {view.allocation.uid: view.allocation.name for view in views}
        cordoned = self._gauge("netipallocation_node_cordoned", "1 = cordoned.", ["node"])
        ready = self._gauge(
            "netipallocation_node_ip_ready", "1 = labelled ip.ready.", ["node", "crd_name"]
        )
        for node in self.caches.nodes.values():
            if node.owner in names:
                cordoned.add_metric(self._values(node.name), float(node.unschedulable))
                labels = self._values(node.name, names[node.owner])
                ready.add_metric(labels, float(label_ready(node)))
        yield cordoned
        yield ready

    def _cloud_age(self) -> Metric:
        gauge = self._gauge(
            "moorage_core_cloud_read_timestamp_seconds",
            "When all addresses of the scope were last read.",
            ["provider", "region"],
        )
        for (provider, region), scope in self.scopes.items():
            gauge.add_metric(self._values(provider, region), scope.read_at)
        return gauge


def _drop(metric: Counter | Histogram, labels: tuple[str, ...]) -> None:
    try:
        metric.remove(*labels)
    except KeyError:
        return


def _healthy(view: AllocationView) -> float:
    degraded = any(c.type == "Degraded" and c.status == "True" for c in view.conditions)
    return float(not degraded and bool(view.conditions))


def _reserved(view: AllocationView) -> float:
    return float(len(view.allocation.addresses) + len(view.allocation.invalid))


def _attached(view: AllocationView) -> float:
    return float(sum(map(serves, view.records)))
