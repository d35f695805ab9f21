"""Metrics: the series of every process and controller, and gauges read from the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class ProbedRegistry(CollectorRegistry):
    """The series of one process, and for gauges what its probes would answer now.

    Attributes:
        cluster: value of the label ``cluster`` of every series; ``""`` = no such label.
        healthy: whether ``/healthz`` would be 200; set once the probes are served.
        ready: the same of ``/readyz``.
    """

    def __init__(self, cluster: str = "") -> None:
        super().__init__()
        self.cluster = cluster
        self.healthy: Callable[[], bool] = lambda: False
        self.ready: Callable[[], bool] = lambda: False

    def collect(self) -> Iterable[Metric]:
        """All families; one Prometheus may see several clusters."""
        for family in super().collect():
            if self.cluster:
                family.samples = [_in_cluster(one, self.cluster) for one in family.samples]
            yield family


def _in_cluster(sample: Sample, cluster: str) -> Sample:
    """A sample with the label ``cluster``; its own one stays."""
    if "cluster" in sample.labels:
        return sample
    return sample._replace(labels={"cluster": cluster, **sample.labels})


@dataclass(frozen=True, slots=True)
class ProcessMetrics:
    """The standard series of one process, in a registry of their own.

    Attributes:
        registry: what ``/metrics`` shows; controllers add their series here.
        requests: requests to the API server by ``verb``, ``resource``, ``code``.
        healthy: what ``/healthz`` would answer.
        ready: what ``/readyz`` would answer.
    """

    registry: ProbedRegistry
    requests: Counter
    healthy: Gauge
    ready: Gauge


@dataclass(frozen=True, slots=True)
class ControllerMetrics:
    """The standard series of one controller.

    Attributes:
        reconciles: passes by ``outcome`` (done, stale, retry, refused, bug; lost with the Lease).
        duration: seconds a pass took.
        queue_depth: keys waiting.
    """

    reconciles: Counter
    duration: Histogram
    queue_depth: Gauge


def metric_name(owner: str, rest: str) -> str:
    """The one rule for names: ``moorage_<command or controller>_<noun>_<unit>``."""
    return f"moorage_{owner.removeprefix('moorage-').replace('-', '_')}_{rest}"


def process_metrics(command: str, cluster: str = "") -> ProcessMetrics:
    """The series of a process, named after its command; all say in which cluster it runs."""
    registry = ProbedRegistry(cluster)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    requests = Counter(
        metric_name(command, "kube_requests"),
        "Requests to the API server.",
        ["verb", "resource", "code"],
        registry=registry,
    )
    healthy = Gauge(metric_name(command, "healthy"), "1 = /healthz is 200.", registry=registry)
    healthy.set_function(lambda: float(registry.healthy()))
    ready = Gauge(metric_name(command, "ready"), "1 = /readyz is 200.", registry=registry)
    ready.set_function(lambda: float(registry.ready()))
    return ProcessMetrics(registry, requests, healthy, ready)


def controller_metrics(registry: CollectorRegistry, controller: str) -> ControllerMetrics:
    """The series of one controller, named after it."""
    return ControllerMetrics(
        reconciles=Counter(
            metric_name(controller, "reconciles"),
            "Passes over an object.",
            ["outcome"],
            registry=registry,
        ),
        duration=Histogram(
            metric_name(controller, "reconcile_duration_seconds"),
            "Time a pass over an object took.",
            buckets=_BUCKETS,
            registry=registry,
        ),
        queue_depth=Gauge(
            metric_name(controller, "queue_depth"),
            "Objects waiting for a pass.",
            registry=registry,
        ),
    )


def leader_metric(registry: CollectorRegistry, command: str) -> Gauge:
    """1 while this process leads; only where there is an election."""
    return Gauge(metric_name(command, "leader"), "Whether this process leads.", registry=registry)


class StateCollector(Collector):
    """Gauges that are read from the state at each scrape.

    Nothing is remembered between scrapes, so the series of a vanished object vanish with it.
    ``read`` yields one family after the other, and other code runs in between: each family is
    built from the live state in one go, or from a copy.
    """

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()

    def describe(self) -> Iterable[Metric]:
        # Registration must not read the state: it is not there yet.
        return ()
