"""The series of external-ip: how much of each pool is in use, and what is up with the Services."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from moorage_domain.subject import Subject
from moorage_external_ip.caches import Caches
from moorage_external_ip.claim.decide import CONDITION as CLAIM_CONDITION
from moorage_external_ip.service.model import CONDITION as SERVICE_CONDITION
from moorage_external_ip.service.wish import Mode
from moorage_ipam.pool_metrics import PoolGauges, reason_of
from moorage_kube.telemetry.metrics import StateCollector

_POOL = ("pool",)
_OF_POOLS = PoolGauges("moorage-external-ip", _POOL, "services")


@dataclass(frozen=True, slots=True)
class Gauges:
    """Reads the state of pools, claims and Services at each scrape; only on the leader.

    Attributes:
        missing_owners: how many addresses have a claim that is not there.
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
            ((name,), pool, caches.waiting.count(name)) for name, pool in caches.given.items()
        )
        subjects = (view.subject for view in caches.pools.values())
        yield from _OF_POOLS.conditions(((one.name,), one) for one in subjects)
        yield self._services()
        yield from self._claims()
        yield _OF_POOLS.records(caches.records.values())
        yield _OF_POOLS.missing("Addresses whose claim is not there.", self.missing_owners())

    def _services(self) -> Metric:
        """Only reasons that occur."""
        text = "Services of ours by the reason of their condition; empty: nobody looked yet."
        ours = (
            one.subject
            for one in self.caches.services.values()
            if self.caches.wish(one).mode in (Mode.STATUS, Mode.EXTERNAL)
        )
        return _by_reason("services", text, ours, SERVICE_CONDITION)

    def _claims(self) -> Iterator[Metric]:
        text = "IpClaims by the reason of their condition Allocated; empty: nobody looked yet."
        claims = [one.subject for one in self.caches.claims.values()]
        yield _by_reason("claims", text, claims, CLAIM_CONDITION)
        text = "IpClaims by the reason of their condition Ready, which kubectl shows as the phase."
        yield _by_reason("claim_phases", text, claims, "Ready")


def _by_reason(name: str, text: str, subjects: Iterable[Subject], condition: str) -> Metric:
    gauge = _OF_POOLS.gauge(name, text, ("reason",))
    for reason, count in Tally(reason_of(one, condition) for one in subjects).items():
        gauge.add_metric((reason,), count)
    return gauge
