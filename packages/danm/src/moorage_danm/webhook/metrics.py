"""The series of the admission service, beside those of every webhook."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter

from moorage_danm.webhook.decide import INVALID, TEMPLATE
from moorage_danm.webhook.holders import Standing
from moorage_kube.telemetry.metrics import metric_name

FREED = "freed"
LATE = "late"
NOT_EVALUATED = "not_evaluated"


@dataclass(frozen=True, slots=True)
class AdmissionMetrics:
    """What it counts.

    Attributes:
        findings: what was said about pods and templates, by ``finding``: how the holder of an
            address stands (see :mod:`moorage_danm.webhook.holders`), ``invalid``, ``template``,
            or ``not_evaluated``.
        demands: answers that waited for an address, by ``outcome``: freed, late.
    """

    findings: Counter
    demands: Counter
    _counts: dict[str, Counter] = field(default_factory=dict, repr=False)

    def found(self, findings: Iterable[str]) -> None:
        """Count the findings of one answer."""
        for one in findings:
            # A lookup in prometheus_client takes as long as finding out who has an address.
            count = self._counts.get(one)
            if count is None:
                count = self._counts[one] = self.findings.labels(one)
            count.inc()


def admission_metrics(command: str, registry: CollectorRegistry) -> AdmissionMetrics:
    """The series, named after the command; each is there from the start, with 0.

    Prometheus cannot tell by how much a series that was not there before has grown.
    """
    made = AdmissionMetrics(
        findings=Counter(
            metric_name(command, "findings"),
            "What was said about static addresses.",
            ["finding"],
            registry=registry,
        ),
        demands=Counter(
            metric_name(command, "demands"),
            "Answers that waited for an address.",
            ["outcome"],
            registry=registry,
        ),
    )
    for finding in (*(one.value for one in Standing), INVALID, TEMPLATE, NOT_EVALUATED):
        made.findings.labels(finding)
    for outcome in (FREED, LATE):
        made.demands.labels(outcome)
    return made
