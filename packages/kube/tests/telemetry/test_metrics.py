"""The standard series have their names, and series of vanished objects vanish."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_kube.telemetry.metrics import StateCollector, controller_metrics


def test_the_series_carry_the_controllers_name() -> None:
    metrics = controller_metrics("moorage-external-ip")
    metrics.reconciles.labels("done").inc()
    metrics.requests.labels("GET", "nodes", "200").inc()
    metrics.duration.observe(0.2)
    text = generate_latest(metrics.registry).decode()
    for series in (
        'moorage_external_ip_reconciles_total{outcome="done"} 1.0',
        'moorage_external_ip_kube_requests_total{code="200",resource="nodes",verb="GET"} 1.0',
        "moorage_external_ip_reconcile_duration_seconds_count 1.0",
        "moorage_external_ip_queue_depth 0.0",
        "moorage_external_ip_leader 0.0",
    ):
        assert series in text


def test_two_controllers_in_one_process_do_not_collide() -> None:
    assert controller_metrics("a").registry is not controller_metrics("a").registry


def test_the_series_of_a_vanished_object_vanishes_with_the_next_scrape() -> None:
    bound = {"a": 1.0, "b": 0.0}

    def read() -> Iterable[Metric]:
        family = GaugeMetricFamily("address_bound", "Bound.", labels=["name"])
        for name, value in bound.items():
            family.add_metric([name], value)
        yield family

    registry = CollectorRegistry()
    registry.register(StateCollector(read))
    assert registry.get_sample_value("address_bound", {"name": "b"}) == 0.0
    del bound["b"]
    assert registry.get_sample_value("address_bound", {"name": "b"}) is None
    assert registry.get_sample_value("address_bound", {"name": "a"}) == 1.0
