"""The series of placement: who is live, where addresses are, and how often they move."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_external_ip.placement.caches import Caches
from moorage_external_ip.placement.model import Life
from moorage_kube.telemetry.metrics import StateCollector, metric_name

_PROG = "moorage-external-ip"


def moves_counter(registry: CollectorRegistry) -> Counter:
    """How often an address was given to a node, or taken from all, by the reason."""
    name = metric_name(_PROG, "placements_total")
    text = "Addresses that were placed, moved or withdrawn, by the reason."
    return Counter(name, text, ("reason",), registry=registry)


@dataclass(frozen=True, slots=True)
class PlacementGauges:
    """Reads how nodes are at each scrape; only on the leader.

    Attributes:
        leading: whether this process leads.
    """

    caches: Caches
    leading: Callable[[], bool]

    def collector(self) -> StateCollector:
        """For the registry."""
        return StateCollector(self.read)

    def read(self) -> Iterable[Metric]:
        """All gauges as they are now."""
        if not self.leading():
            return
        text = "Nodes by what the Lease of their agent says."
        nodes = GaugeMetricFamily(metric_name(_PROG, "nodes"), text, labels=("life",))
        counted = Tally(view.life for view in self.caches.nodes.views.values())
        for life in Life:
            nodes.add_metric((life.value,), counted[life])
        yield nodes
        text = "1 = most leases ended at once, so nothing is moved off lost nodes."
        held = GaugeMetricFamily(metric_name(_PROG, "moves_held"), text)
        held.add_metric((), self.caches.liveness.guard.held)
        yield held
        text = "Addresses that a node shall have; those that every node has are not counted."
        name = metric_name(_PROG, "node_addresses")
        addresses = GaugeMetricFamily(name, text, labels=("node",))
        for node in self.caches.nodes.views:
            addresses.add_metric((node,), self.caches.loads.get(node, 0))
        yield addresses
