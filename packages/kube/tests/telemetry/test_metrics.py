"""The standard series have their names, and series of vanished objects vanish."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from moorage_kube.telemetry.metrics import (
    StateCollector,
    controller_metrics,
    leader_metric,
    metric_name,
    process_metrics,
)


@pytest.mark.parametrize(
    ("owner", "rest", "name"),
    [
        ("moorage-external-ip", "leader", "moorage_external_ip_leader"),
        ("core", "queue_depth", "moorage_core_queue_depth"),
        ("node-agent", "kube_requests", "moorage_node_agent_kube_requests"),
    ],
)
def test_a_name_is_ours_then_its_owners_then_what_it_counts(
    owner: str, rest: str, name: str
) -> None:
    assert metric_name(owner, rest) == name


def test_the_series_of_a_process_and_of_its_controllers_carry_their_names() -> None:
    process = process_metrics("moorage-external-ip")
    process.requests.labels("get", "nodes", "200").inc()
    leader_metric(process.registry, "moorage-external-ip").set(1)
    for name, depth in (("core", 2), ("node-labels", 3)):
        metrics = controller_metrics(process.registry, name)
        metrics.reconciles.labels("done").inc()
        metrics.duration.observe(0.2)
        metrics.queue_depth.set(depth)
    text = generate_latest(process.registry).decode()
    for series in (
        'moorage_external_ip_kube_requests_total{code="200",resource="nodes",verb="get"} 1.0',
        "moorage_external_ip_leader 1.0",
        'moorage_core_reconciles_total{outcome="done"} 1.0',
        "moorage_core_reconcile_duration_seconds_count 1.0",
        "moorage_core_queue_depth 2.0",
        'moorage_node_labels_reconciles_total{outcome="done"} 1.0',
        "moorage_node_labels_queue_depth 3.0",
        "process_start_time_seconds",
    ):
        assert series in text


def test_a_process_without_an_election_has_no_series_about_leading() -> None:
    assert b"leader" not in generate_latest(process_metrics("agent").registry)


def test_two_controllers_of_one_name_are_refused() -> None:
    registry = CollectorRegistry()
    controller_metrics(registry, "core")
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        controller_metrics(registry, "core")


def test_two_processes_in_one_interpreter_do_not_collide() -> None:
    assert process_metrics("a").registry is not process_metrics("a").registry


def test_nothing_is_ready_or_healthy_before_the_probes_are_served() -> None:
    registry = process_metrics("a").registry
    assert (registry.healthy(), registry.ready()) == (False, False)


def test_every_replica_says_whether_it_is_ready_and_healthy() -> None:
    registry = process_metrics("moorage-agent").registry
    assert registry.get_sample_value("moorage_agent_ready") == 0
    registry.ready = registry.healthy = lambda: True
    assert registry.get_sample_value("moorage_agent_ready") == 1
    assert registry.get_sample_value("moorage_agent_healthy") == 1


def test_with_its_name_every_series_says_which_cluster_it_is_of() -> None:
    process = process_metrics("moorage-agent", "blue")
    process.requests.labels("get", "nodes", "200").inc()
    own = Gauge("own", "Has one already.", ["cluster"], registry=process.registry)
    own.labels("green").set(1)
    text = generate_latest(process.registry).decode()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert 'own{cluster="green"} 1.0' in lines
    assert all('cluster="blue"' in line for line in lines if not line.startswith("own"))
    assert 'code="200"' in text
    # Nothing of it stays in what is counted.
    assert generate_latest(process.registry).decode().count('cluster="blue"') == text.count(
        'cluster="blue"'
    )


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
