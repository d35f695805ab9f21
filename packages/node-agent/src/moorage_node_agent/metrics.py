"""The series of the agent: addresses by state, changes, announcements, and its Lease."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_kube.telemetry.metrics import StateCollector, metric_name
from moorage_node_agent.model import NEVER, State
from moorage_node_agent.proxy import ProxyHealth
from moorage_node_agent.state import AgentState, clock

_PROG = "moorage-node-agent"


@dataclass(frozen=True, slots=True)
class NetworkMetrics:
    """What the agent counts.

    Attributes:
        changes: addresses added to, and removed from, links, by ``change``.
        announcements: addresses announced, by ``outcome``: sent or failed.
        refreshes: times that all lives were begun anew.
        renewals: of the Lease, by ``outcome``: done or failed.
    """

    changes: Counter
    announcements: Counter
    refreshes: Counter
    renewals: Counter

    @classmethod
    def register(cls, registry: CollectorRegistry) -> NetworkMetrics:
        """The counters, in the process's registry."""

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(metric_name(_PROG, name), text, labels, registry=registry)

        return cls(
            counter("address_changes", "Addresses added and removed.", "change"),
            counter("announcements", "Addresses announced on the network.", "outcome"),
            counter("refreshes", "Times all addresses were renewed in the kernel."),
            counter("lease_renewals", "Renewals of the node's Lease.", "outcome"),
        )


def gauges(state: AgentState, proxy: ProxyHealth) -> StateCollector:
    """What is now, read at each scrape."""
    return StateCollector(_reader(state, proxy))


def _reader(state: AgentState, proxy: ProxyHealth) -> Callable[[], Iterable[Metric]]:
    def read() -> Iterable[Metric]:
        found = Tally(one.state for one in state.states.values())
        text = "Addresses that this node shall have, by what it does with them."
        addresses = GaugeMetricFamily(metric_name(_PROG, "addresses"), text, labels=("state",))
        for one in State:
            addresses.add_metric((one.value,), found[one])
        yield addresses
        healthy = proxy.healthy is not False
        yield _gauge("proxy_healthy", "1 = the service proxy is healthy, or not asked.", healthy)
        age = 0.0 if state.lease_at == NEVER else clock() - state.lease_at
        yield _gauge("lease_age_seconds", "Seconds since the Lease was last renewed.", age)

    return read


def _gauge(name: str, text: str, value: float) -> Metric:
    gauge = GaugeMetricFamily(metric_name(_PROG, name), text)
    gauge.add_metric((), value)
    return gauge
