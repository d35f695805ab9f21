"""The series of the reclaim controller."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_danm.caches import Caches
from moorage_danm.kinds import NetworkKind
from moorage_danm.reclaim.brake import suspended
from moorage_danm.reclaim.node_class import NodeClass
from moorage_kube.telemetry.metrics import StateCollector, metric_name

_PROG = "moorage-danm"


@dataclass(frozen=True, slots=True)
class DanmMetrics:
    """Counters.

    Attributes:
        reclaimed: endpoints whose addresses were taken, by the class of the node.
        freed: addresses whose bits were cleared, by the kind of network.
        conflicts: writes of networks that others got ahead of.
        stolen: freed static addresses that a pod got which asked for any.
        late_returns: nodes that came back after addresses were taken from their pods.
    """

    reclaimed: Counter
    freed: Counter
    conflicts: Counter
    stolen: Counter
    late_returns: Counter

    @classmethod
    def register(cls, registry: CollectorRegistry) -> DanmMetrics:
        """All of them, and with 0 where a label has a few values only."""

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(metric_name(_PROG, name), text, labels, registry=registry)

        made = cls(
            counter(
                "endpoints_reclaimed_total",
                "Endpoints whose addresses were taken, by what their node was taken for.",
                "node_class",
            ),
            counter(
                "addresses_freed_total",
                "Addresses that were marked as free, by the kind of their network.",
                "network_kind",
            ),
            counter(
                "network_conflicts_total", "Writes of networks that somebody else got ahead of."
            ),
            counter(
                "addresses_stolen_total",
                "Freed static addresses that went to a pod which had asked for any.",
            ),
            counter(
                "late_returns_total",
                "Pods that were seen on a ready node after their addresses were freed.",
            ),
        )
        for node_class in NodeClass:
            made.reclaimed.labels(node_class.value)
        for kind in NetworkKind:
            made.freed.labels(kind.value)
        return made


@dataclass(frozen=True, slots=True)
class Gauges:
    """Reads the state at each scrape; only on the leader.

    Attributes:
        cleaner: whether a danm-cleaner holds us back.
        leaked: of each network, how many addresses are in use and nobody's.
        stale_marks: nodes with marks that prove nothing.
        leading: whether this process leads.
    """

    caches: Caches
    cleaner: Callable[[], bool]
    leaked: Callable[[], Iterable[tuple[str, str, str, int]]]
    stale_marks: Callable[[], int]
    leading: Callable[[], bool]

    def collector(self) -> StateCollector:
        """For the registry."""
        return StateCollector(self.read)

    def read(self) -> Iterable[Metric]:
        """All gauges as they are now."""
        if not self.leading():
            return
        groups = self.caches.groups.values()
        yield _gauge(
            "endpoints_being_freed",
            "Endpoints from which addresses were taken, and that are still there.",
            sum(len(keys) for one in groups for keys in one.taken.by_index_key.values()),
        )
        yield _gauge(
            "suspended",
            "1 = nothing is freed from nodes that are neither gone nor fenced.",
            float(bool(suspended(self.caches))),
        )
        yield _gauge(
            "cleaner_present",
            "1 = a danm-cleaner runs, so nothing is freed before a pod asks for it.",
            float(self.cleaner()),
        )
        yield _gauge(
            "stale_fence_marks",
            "Nodes that are not ready, with a mark that proves nothing.",
            self.stale_marks(),
        )
        yield _gauge(
            "unreadable_networks",
            "Networks whose bits or ranges make no sense.",
            sum(bool(one.problem) for caches in groups for one in caches.all_networks()),
        )
        labels = ("network_kind", "network_namespace", "network")
        text = "Addresses that are in use by the bits of a network, and that no endpoint has."
        leaked = GaugeMetricFamily(metric_name(_PROG, "leaked_addresses"), text, labels=labels)
        for kind, namespace, name, count in self.leaked():
            leaked.add_metric((kind, namespace, name), count)
        yield leaked


def _gauge(name: str, text: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(metric_name(_PROG, name), text)
    gauge.add_metric((), value)
    return gauge
