"""Metrics: the series every controller has, and gauges read from the state at each scrape."""

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

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class ProbedRegistry(CollectorRegistry):
    """The series of one process, and for gauges what its probes would answer now.

    Attributes:
        healthy: whether ``/healthz`` would be 200; set once the probes are served.
        ready: the same of ``/readyz``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.healthy: Callable[[], bool] = lambda: False
        self.ready: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class ControllerMetrics:
    """The standard series of one controller, in a registry of their own.

    Attributes:
        registry: what ``/metrics`` shows; a controller adds its own series here.
        reconciles: passes by ``outcome`` (done, stale, retry, refused, bug).
        duration: seconds a pass took.
        requests: requests to the API server by ``verb``, ``resource``, ``code``.
        queue_depth: keys waiting.
        leader: 1 while this process leads.
    """

    registry: ProbedRegistry
    reconciles: Counter
    duration: Histogram
    requests: Counter
    queue_depth: Gauge
    leader: Gauge


def controller_metrics(controller: str) -> ControllerMetrics:
    """The standard series, named ``moorage_<controller>_...``; ``-`` becomes ``_``."""
    registry = ProbedRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    prefix = "moorage_" + controller.removeprefix("moorage-").replace("-", "_")
    return ControllerMetrics(
        registry=registry,
        reconciles=Counter(
            f"{prefix}_reconciles", "Passes over an object.", ["outcome"], registry=registry
        ),
        duration=Histogram(
            f"{prefix}_reconcile_duration_seconds",
            "Time a pass over an object took.",
            buckets=_BUCKETS,
            registry=registry,
        ),
        requests=Counter(
            f"{prefix}_kube_requests",
            "Requests to the API server.",
            ["verb", "resource", "code"],
            registry=registry,
        ),
        queue_depth=Gauge(
            f"{prefix}_queue_depth", "Objects waiting for a pass.", registry=registry
        ),
        leader=Gauge(f"{prefix}_leader", "Whether this process leads.", registry=registry),
    )


class StateCollector(Collector):
    """Gauges that are read from the state at each scrape.

    Nothing is remembered between scrapes, so the series of a vanished object vanish with it.
    """

    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()

    def describe(self) -> Iterable[Metric]:
        # Registration must not read the state: it is not there yet.
        return ()
