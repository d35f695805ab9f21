"""The series of a webhook server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from moorage_kube.telemetry.metrics import metric_name
from moorage_kube.webhook.admission import OPERATIONS
from moorage_kube.webhook.webhook import FAILED, LATE, REFUSED

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class WebhookMetrics:
    """What a webhook server counts.

    Attributes:
        requests: answers by ``webhook``, ``operation`` and ``decision``: allowed, denied,
            patched; failed or late where the fail-safe answer was given; refused where the
            request was none that can be answered (``operation`` is ``""`` then).
        duration: seconds from the head of a request to its answer, by ``webhook``.
        connections: open now.
        dropped: connections the server ended, by ``reason``: late, full.
        expiry: Unix time at which the certificate in use ends, 0 = there is none.
        problem: 1 while a certificate that was offered is kept out, or none can be made.
    """

    requests: Counter
    duration: Histogram
    connections: Gauge
    dropped: Counter
    expiry: Gauge
    problem: Gauge
    _counts: dict[tuple[str, str, str], Counter] = field(default_factory=dict, repr=False)
    _observers: dict[str, Callable[[float], None]] = field(default_factory=dict, repr=False)

    def begin(self, webhook: str) -> None:
        """Show what may go wrong with a webhook as 0 before it does.

        Prometheus cannot tell by how much a series that was not there before has grown.
        """
        self.requests.labels(webhook, "", REFUSED)
        for operation in sorted(OPERATIONS):
            for decision in (FAILED, LATE):
                self.requests.labels(webhook, operation, decision)

    def answered(self, webhook: str, operation: str, decision: str, seconds: float) -> None:
        """Count one answer; all three words must come from a fixed set."""
        # A lookup in prometheus_client takes as long as reading a small request.
        key = (webhook, operation, decision)
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = self.requests.labels(*key)
        count.inc()
        observe = self._observers.get(webhook)
        if observe is None:
            observe = self._observers[webhook] = self.duration.labels(webhook).observe
        observe(seconds)


def webhook_metrics(controller: str, registry: CollectorRegistry) -> WebhookMetrics:
    """The series, named after the controller as :func:`metric_name` says."""

    def name(rest: str) -> str:
        # A process that is nothing but a webhook is called so already.
        return metric_name(controller.removesuffix("-webhook"), f"webhook_{rest}")

    return WebhookMetrics(
        requests=Counter(
            name("requests"),
            "Answers to the API server.",
            ["webhook", "operation", "decision"],
            registry=registry,
        ),
        duration=Histogram(
            name("duration_seconds"),
            "Time an answer took.",
            ["webhook"],
            buckets=_BUCKETS,
            registry=registry,
        ),
        connections=Gauge(name("connections"), "Open connections.", registry=registry),
        dropped=Counter(
            name("dropped_connections"),
            "Connections ended by the server.",
            ["reason"],
            registry=registry,
        ),
        expiry=Gauge(
            name("certificate_expiry_timestamp_seconds"),
            "When the certificate in use ends.",
            registry=registry,
        ),
        problem=Gauge(
            name("certificate_problem"),
            "Whether a new certificate is kept out, or none can be made.",
            registry=registry,
        ),
    )
