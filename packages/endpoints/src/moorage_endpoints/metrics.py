"""The series of endpoints: how many Services of ours there are, of which kind, and what is up."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_endpoints.caches import Caches
from moorage_endpoints.modes import Mode
from moorage_endpoints.settings import EndpointsSettings
from moorage_endpoints.targets import target_of
from moorage_kube.telemetry.metrics import StateCollector, metric_name


@dataclass(frozen=True, slots=True)
class Gauges:
    """Reads the state at each scrape; only on the leader.

    Attributes:
        default: the mode of Services that name none.
        problems: how many Services have each warning.
        leading: whether this process leads.
    """

    caches: Caches
    default: Mode
    problems: Callable[[], dict[str, int]]
    leading: Callable[[], bool]

    def collector(self) -> StateCollector:
        """For the registry."""
        return StateCollector(self.read)

    def read(self) -> Iterable[Metric]:
        """All gauges as they are now."""
        if not self.leading():
            return
        text = "Services that name a network, by what is done for them."
        ours = [one for one in self.caches.services.values() if one.concerns_us]
        targets = Tally(target_of(one, self.default).name.lower() for one in ours)
        yield _gauge("services", text, "target", targets)
        text = "Services with a warning, by its reason; a Service may have several."
        yield _gauge("service_warnings", text, "reason", self.problems())
        slices = [one for one in self.caches.slices.values() if one.ours]
        text = "EndpointSlices of ours by their addressType."
        yield _gauge("slices", text, "family", Tally(one.family for one in slices))
        text = "Endpoints in EndpointSlices of ours by whether they are ready."
        counts: Tally[str] = Tally()
        for one in slices:
            counts["true"] += one.ready
            counts["false"] += len(one.endpoints) - one.ready
        yield _gauge("endpoints", text, "ready", counts)


def _gauge(name: str, text: str, label: str, values: Tally[str] | dict[str, int]) -> Metric:
    full = metric_name(EndpointsSettings.prog, name)
    gauge = GaugeMetricFamily(full, text, labels=(label,))
    for value, count in sorted(values.items()):
        gauge.add_metric((value,), count)
    return gauge
