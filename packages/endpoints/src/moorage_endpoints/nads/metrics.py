"""The series of net-attach-defs: ours, and those of the admission controllers that we replace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_endpoints.nads.caches import NadCaches
from moorage_endpoints.nads.config import types_of
from moorage_kube.telemetry.metrics import StateCollector, metric_name

_PROG = "moorage-endpoints"
_ANY = "any"
_STATES = ("used", "unused", "held")


@dataclass(frozen=True, slots=True)
class NadGauges:
    """Reads the state of net-attach-defs at each scrape; only on the leader.

    Attributes:
        leading: whether this process leads.
    """

    caches: NadCaches
    leading: Callable[[], bool]

    def collector(self) -> StateCollector:
        """For the registry."""
        return StateCollector(self.read)

    def read(self) -> Iterable[Metric]:
        """All gauges as they are now."""
        if not self.leading():
            return
        yield self._nads()
        text = "Net-attach-defs that pods name and that are not there; such pods do not start."
        missing = GaugeMetricFamily(metric_name(_PROG, "nads_missing"), text, labels=())
        known = self.caches.nads
        missing.add_metric((), sum(key not in known for key in self.caches.usage.used()))
        yield missing
        yield from self._instances()

    def _nads(self) -> Metric:
        text = "Net-attach-defs: used by pods, unused, or held: deleted while pods use them."
        gauge = GaugeMetricFamily(metric_name(_PROG, "nads"), text, labels=("state",))
        used = self.caches.usage.used()
        counted = Counter(
            "unused" if key not in used else "held" if nad.subject.deleting else "used"
            for key, nad in self.caches.nads.items()
        )
        for state in _STATES:
            gauge.add_metric((state,), counted[state])
        return gauge

    def _instances(self) -> Iterator[Metric]:
        """By the types of their plug-ins, alone and together, under the names that people know."""
        instances = GaugeMetricFamily(
            "network_attachment_definition_instances",
            "Running pods by the types of the CNI plug-ins of their net-attach-defs: each type,"
            " several of one pod together, and any.",
            labels=("networks",),
        )
        enabled = GaugeMetricFamily(
            "network_attachment_definition_enabled_instance_up",
            "Whether any pod runs with a net-attach-def, and with one of the type sriov.",
            labels=("networks",),
        )
        counted = self._by_type()
        for networks, count in sorted(counted.items()):
            instances.add_metric((networks,), count)
        enabled.add_metric((_ANY,), float(counted[_ANY] > 0))
        enabled.add_metric(("sriov",), float(counted["sriov"] > 0))
        yield from (instances, enabled)

    def _by_type(self) -> Counter[str]:
        counted: Counter[str] = Counter({_ANY: 0})
        for nads, pods in self.caches.usage.combinations.items():
            found = (self.caches.nads.get(key) for key in nads)
            types = sorted({one for nad in found if nad for one in types_of(nad.config)})
            if not types:
                continue
            # A pod on one type is counted once under it, and not as a combination of one.
            together = (",".join(types),) if len(types) > 1 else ()
            for networks in (_ANY, *types, *together):
                counted[networks] += pods
        return counted
