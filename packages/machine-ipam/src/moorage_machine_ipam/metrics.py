"""The series of machine-ipam: how much of each pool is in use, and what is up with the claims."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from moorage_ipam.pool_metrics import PoolGauges, reason_of
from moorage_kube.telemetry.metrics import StateCollector
from moorage_machine_ipam.caches import Caches

# A label `namespace` would be renamed: Prometheus gives its own one to every series of a pod.
_POOL = ("pool_namespace", "pool")
_OF_POOLS = PoolGauges("moorage-machine-ipam", _POOL, "claims")


@dataclass(frozen=True, slots=True)
class Gauges:
    """Reads the state of pools, claims and records at each scrape; only on the leader.

    Attributes:
        missing_owners: how many addresses have an owner that is not there.
        leading: whether this process leads.
    """

    caches: Caches
    missing_owners: Callable[[], int]
    leading: Callable[[], bool]

    def collector(self) -> StateCollector:
        """For the registry."""
        return StateCollector(self.read)

    def read(self) -> Iterable[Metric]:
        """All gauges as they are now."""
        if not self.leading():
            return
        caches = self.caches
        yield from _OF_POOLS.addresses(
            (key.split("/", 1), pool, caches.waiters.count(key))
            for key, pool in caches.given.items()
        )
        subjects = (view.subject for view in caches.pools.values())
        yield from _OF_POOLS.conditions(((one.namespace or "", one.name), one) for one in subjects)
        yield self._claims()
        yield _OF_POOLS.records(caches.records.values())
        yield _OF_POOLS.missing("Addresses whose owner is not there.", self.missing_owners())

    def _claims(self) -> Metric:
        """Only reasons that occur."""
        text = "Claims by the reason of their condition Ready; empty: nobody looked at them yet."
        gauge = _OF_POOLS.gauge("claims", text, (*_POOL, "reason"))
        counted = Tally(
            (claim.subject.namespace or "", claim.pool_name, reason_of(claim.subject, "Ready"))
            for claim in self.caches.claims.values()
        )
        for labels, count in counted.items():
            gauge.add_metric(labels, count)
        return gauge
