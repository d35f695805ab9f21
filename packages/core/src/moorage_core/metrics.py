"""The series of the core controller; the names of the first version keep their meaning."""

from __future__ import annotations

import os
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_core import reasons
from moorage_core.caches import Caches
from moorage_core.decide.node_labels import label_ready
from moorage_core.evicting import EVICTED, REFUSED
from moorage_core.model import AddressRecord, NodeReference, Phase
from moorage_core.projections import AllocationView
from moorage_core.scopes import Scopes
from moorage_kube.telemetry.metrics import ProbedRegistry, StateCollector
from moorage_provider.protocol import ApiCall

VERSION_VARIABLE = "CONTROLLER_VERSION"
"""The first version's way to say which version the metrics show; else it is the package's."""

# The last but one is what an alert compares with: no quantile is ever above the last.
_PASS_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# Errors worth an alarm. They are there with 0 from an operation's first call on, since rate() does
# not see the step from no series to 1.
ALARMING = (
    "credentials_rejected", "denied", "locked", "quota_exceeded", "throttled", "unavailable",
)  # fmt: skip

_THERE = frozenset({Phase.BOUND, Phase.HOLDING})


@dataclass(frozen=True, slots=True)
class CoreMetrics:
    """Counters and histograms; gauges are read from the state, see ``state_gauges``.

    Attributes:
        cluster: value of the label ``cluster`` as a tuple; empty without CLUSTER_NAME.
        reconciles: passes by allocation and ``status`` (success, error).
        duration: seconds a pass took, by allocation.
        attached: attach and move mutations by allocation and ``status``.
        detached: detach mutations by allocation and ``status``.
        moves: addresses that began to go to another node, by allocation and ``reason``.
        evictions: pods asked to leave, by allocation and ``outcome`` (evicted, refused).
        cloud_calls: calls to a cloud's API by ``provider``, ``operation`` and ``outcome``.
        cloud_duration: seconds such a call took, by ``provider`` and ``operation``.
        gcp_errors: failed calls to GCP by ``operation`` and ``error_type``, as the first version
            counted them.
    """

    cluster: tuple[str, ...]
    reconciles: Counter
    duration: Histogram
    attached: Counter
    detached: Counter
    moves: Counter
    evictions: Counter
    cloud_calls: Counter
    cloud_duration: Histogram
    gcp_errors: Counter

    def observer(self, provider: str) -> Callable[[ApiCall], None]:
        """What counts the calls of one provider, from whatever thread."""

        def count(request: ApiCall) -> None:
            operation = request.operation
            for outcome in ALARMING:
                self.cloud_calls.labels(*self.cluster, provider, operation, outcome)
                if provider == "gcp":
                    self.gcp_errors.labels(*self.cluster, operation, outcome)
            self.cloud_calls.labels(*self.cluster, provider, operation, request.outcome).inc()
            seconds = self.cloud_duration.labels(*self.cluster, provider, operation)
            seconds.observe(request.seconds)
            if provider == "gcp" and request.outcome != "success":
                self.gcp_errors.labels(*self.cluster, operation, request.outcome).inc()

        return count

    def count_eviction(self, allocation: str, outcome: str) -> None:
        """Count a pod that was asked to leave; ``outcome``: evicted, refused."""
        self.evictions.labels(*self.cluster, allocation, outcome).inc()

    def forget(self, allocation: str) -> None:
        """Drop every series of an allocation that is gone."""
        for reason in reasons.ALL:
            _drop(self.moves, (*self.cluster, allocation, reason))
        for outcome in (EVICTED, REFUSED):
            _drop(self.evictions, (*self.cluster, allocation, outcome))
        for status in ("success", "error"):
            for counter in (self.reconciles, self.attached, self.detached):
                _drop(counter, (*self.cluster, allocation, status))
        _drop(self.duration, (*self.cluster, allocation))


def core_metrics(registry: CollectorRegistry, cluster_name: str | None) -> CoreMetrics:
    """Register the series; with a cluster name every one has the label ``cluster``."""
    cluster = (cluster_name,) if cluster_name else ()
    names = ["cluster"] * len(cluster)

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, [*names, *labels], registry=registry)

    def by_status(name: str, text: str) -> Counter:
        return counter(f"netipallocation_{name}", text, "crd_name", "status")

    def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, text, [*names, *labels], buckets=buckets, registry=registry)

    return CoreMetrics(
        cluster=cluster,
        reconciles=by_status("reconcile", "Passes over an allocation."),
        duration=histogram(
            "netipallocation_reconcile_duration_seconds",
            "Time a pass over an allocation took.",
            _PASS_SECONDS,
            "crd_name",
        ),
        attached=by_status("ip_attach", "Addresses given to a node."),
        detached=by_status("ip_detach", "Addresses taken off a node."),
        moves=counter(
            "moorage_core_moves",
            "Addresses that began to go to another node, by why.",
            *("crd_name", "reason"),
        ),
        evictions=counter(
            "moorage_core_evictions",
            "Misplaced pods asked to leave; outcome is evicted or refused.",
            *("crd_name", "outcome"),
        ),
        cloud_calls=counter(
            "moorage_core_cloud_api_requests",
            "Calls to a cloud's API; outcome is success or the error.",
            *("provider", "operation", "outcome"),
        ),
        cloud_duration=histogram(
            "moorage_core_cloud_api_request_seconds",
            "Time a call to a cloud's API took, its repeats included.",
            _CALL_SECONDS,
            *("provider", "operation"),
        ),
        gcp_errors=counter(
            "netipallocation_gcp_api_errors",
            "Calls to GCP that failed.",
            *("operation", "error_type"),
        ),
    )


@dataclass(frozen=True, slots=True)
class Replica:
    """The gauges of every replica, whether it leads or not.

    Attributes:
        pod_name: of the pod, or of the machine where there is none.
        version: of the package; VERSION_VARIABLE wins.
        leading: whether it leads now.
        registry: knows what the probes would answer.
        cluster_name: value of the label ``cluster``, empty = no such label.
    """

    pod_name: str
    version: str
    leading: Callable[[], bool]
    registry: ProbedRegistry
    cluster_name: str | None

    def collector(self) -> StateCollector:
        """For the registry."""
        return StateCollector(self.read)

    def read(self) -> Iterable[Metric]:
        """Leading, ready, healthy, and what it is."""
        yield self._gauge("is_leader", "1 = this replica leads.", self.leading())
        yield self._gauge("ready", "1 = /readyz is 200.", self.registry.ready())
        yield self._gauge("healthy", "1 = /healthz is 200.", self.registry.healthy())
        version = os.environ.get(VERSION_VARIABLE) or self.version
        yield self._gauge("info", "Always 1.", True, version=version)  # noqa: FBT003 - the value

    def _gauge(self, name: str, text: str, value: bool, **more: str) -> Metric:  # noqa: FBT001 - the value
        cluster = {"cluster": self.cluster_name} if self.cluster_name else {}
        labels = {**cluster, "pod_name": self.pod_name, **more}
        full_name = f"netipallocation_controller_{name}"
        gauge = GaugeMetricFamily(full_name, text, labels=list(labels))
        gauge.add_metric(list(labels.values()), float(value))
        return gauge


@dataclass(frozen=True, slots=True)
class Gauges:
    """Reads the state of the addresses at each scrape; only on the leader."""

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
        unattached = "Addresses on no node; those that cannot be read are neither."
        yield self._by_allocation("unattached_ips_total", unattached, views, _unattached)
        yield self._ip_attached(views)
        yield self._addresses(views)
        yield from self._nodes(views)
        yield self._cloud_age()
        yield self._credentials_expiring()

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
                # The node may have vanished a moment ago; its series goes with it.
                if _there(record) and record.node_ref and self._exists(record.node_ref):
                    values = (view.allocation.name, record.ip, record.node_ref.name)
                    gauge.add_metric(self._values(*values), 1)
        return gauge

    def _exists(self, node_ref: NodeReference) -> bool:
        node = self.caches.nodes.get(node_ref.name)
        return node is not None and node.uid == node_ref.uid

    def _addresses(self, views: Iterable[AllocationView]) -> Metric:
        """By phase and reason: only pairs that occur, so never more series than addresses."""
        labels = ["crd_name", "phase", "reason"]
        gauge = self._gauge("moorage_core_addresses", "Addresses by what is up with them.", labels)
        for view in views:
            for pair, count in Tally((r.phase.value, r.reason) for r in view.records).items():
                gauge.add_metric(self._values(view.allocation.name, *pair), count)
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
            if scope.read_at:
                gauge.add_metric(self._values(provider, region), scope.read_at)
        return gauge

    def _credentials_expiring(self) -> Metric:
        gauge = self._gauge(
            "moorage_core_cloud_credentials_expiring",
            "1 = the credentials of the scope end soon and are not renewed.",
            ["provider", "region"],
        )
        for (provider, region), scope in self.scopes.items():
            expiring = scope.provider.credentials_expiring()
            gauge.add_metric(self._values(provider, region), float(expiring))
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


def _there(record: AddressRecord) -> bool:
    return record.phase in _THERE


def _attached(view: AllocationView) -> float:
    return float(sum(map(_there, view.records)))


def _unattached(view: AllocationView) -> float:
    unknown = sum(record.phase is Phase.UNKNOWN for record in view.records)
    return _reserved(view) - _attached(view) - unknown
