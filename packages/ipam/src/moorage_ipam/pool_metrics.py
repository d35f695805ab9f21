"""The series that every controller with pools has; a process names them as its own."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_domain.conditions import condition_of
from moorage_domain.subject import Subject
from moorage_ipam.pools import Pool
from moorage_ipam.records import Phase, Record
from moorage_kube.telemetry.metrics import metric_name


@dataclass(frozen=True, slots=True)
class PoolGauges:
    """Makes the gauges of one command.

    Attributes:
        prog: the command, which every name begins with.
        labels: of a pool.
        waiters: what waits for addresses, in the plural, as in ``claims``.
    """

    prog: str
    labels: Sequence[str]
    waiters: str

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> GaugeMetricFamily:
        """One of this command, without values."""
        return GaugeMetricFamily(metric_name(self.prog, name), text, labels=labels)

    def addresses(self, pools: Iterable[tuple[Sequence[str], Pool, int]]) -> Iterator[Metric]:
        """Of pools that give addresses away: values of the labels, the pool, how many wait."""
        total = self._of_pool("pool_addresses", "Addresses that a pool can give away.")
        used = self._of_pool("pool_addresses_used", "Addresses of a pool that are in use.")
        free = self._of_pool("pool_addresses_free", "Addresses that can be given away now.")
        quarantined = self._of_pool(
            "pool_addresses_quarantined", "Released addresses in their reuse delay."
        )
        text = f"{self.waiters.capitalize()} that wait for an address."
        waiting = self._of_pool(f"pool_{self.waiters}_waiting", text)
        for labels, pool, count in pools:
            total.add_metric(labels, pool.allocator.total)
            used.add_metric(labels, pool.allocator.used)
            free.add_metric(labels, pool.allocator.free)
            quarantined.add_metric(labels, len(pool.quarantined))
            waiting.add_metric(labels, count)
        yield from (total, used, free, quarantined, waiting)

    def conditions(self, pools: Iterable[tuple[Sequence[str], Subject]]) -> Iterator[Metric]:
        """What the status of each pool says."""
        ready = self._of_pool("pool_ready", "1 = the pool's condition Ready is True.")
        full = self._of_pool("pool_nearly_full", "1 = its condition NearlyFull is True.")
        for labels, subject in pools:
            ready.add_metric(labels, _is_true(subject, "Ready"))
            full.add_metric(labels, _is_true(subject, "NearlyFull"))
        yield from (ready, full)

    def records(self, records: Iterable[Record]) -> Metric:
        """All of them, whoever's they are."""
        gauge = self.gauge("allocations", "IPAllocations by their phase.", ("phase",))
        counted = Tally(record.phase for record in records)
        for phase in Phase:
            gauge.add_metric((phase.value,), counted[phase])
        return gauge

    def missing(self, text: str, count: int) -> Metric:
        """Addresses whose owner is not there."""
        gauge = self.gauge("owners_missing", text)
        gauge.add_metric((), count)
        return gauge

    def _of_pool(self, name: str, text: str) -> GaugeMetricFamily:
        return self.gauge(name, text, self.labels)


def reason_of(subject: Subject, condition: str) -> str:
    """The reason of a condition; ``""`` = there is none."""
    return str(condition_of(subject.status, condition).get("reason", ""))


def _is_true(subject: Subject, condition: str) -> bool:
    return condition_of(subject.status, condition).get("status") == "True"
