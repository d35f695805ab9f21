"""Metrics, alerts and the dashboard of a running controller, as a real Prometheus sees them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from core_lab import CoreLab, Pool
from lab_pages import answer
from lab_prometheus import need_tools

from moorage_testing.cluster.control_plane import free_ports
from moorage_testing.processes import Child, Run
from moorage_testing.prometheus import Prometheus, PromtoolError, panels, promtool
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

# The first run of all builds Prometheus, which is no part of any test: a slow machine takes longer.
pytestmark = pytest.mark.timeout(1200, func_only=True)

ALL_DASHBOARDS = Path(__file__).parents[2] / "dashboards"
DASHBOARDS = ALL_DASHBOARDS / "core"
RULES = DASHBOARDS / "rules.yaml"
TESTS = sorted(ALL_DASHBOARDS.glob("*/tests/*.yaml"))
PANELS = panels(DASHBOARDS / "grafana.json")
CLUSTER = "blue"
# The first version's names, kept as they are: they are gauges, and only counters end in _total.
KNOWN_LINT = {
    f'netipallocation_{what}_ips_total non-counter metrics should not have "_total" suffix'
    for what in ("reserved", "attached", "unattached")
}
# The series of a standby: about itself, and those of every process.
OF_A_REPLICA = re.compile(
    r"netipallocation_controller_(?:is_leader|ready|healthy|info)"
    r"|moorage_core_(?:leader|ready|healthy|(?:false_labels_)?queue_depth)"
    r"|moorage_core_(?:(?:false_labels_)?reconcile_duration_seconds|kube_requests)_\w+"
    r"|(?:process|python)_\w+"
)


def substituted(expression: str, cluster: str) -> str:
    """An expression as Grafana sends it with this cluster chosen."""
    return expression.replace("$cluster", cluster).replace("$__rate_interval", "30s")


def series(child: Child) -> list[str]:
    """Every line of /metrics that is a series, without its value."""
    lines = answer(child, "/metrics")[1].splitlines()
    return [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]


@dataclass(frozen=True)
class Watched:
    """A leader with one bound address, a standby, and the Prometheus that scrapes both."""

    lab: CoreLab
    leader: Child
    standby: Child
    pool: Pool
    node: str
    prometheus: Prometheus


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    need_tools()


@pytest.fixture(scope="module")
def watched(lab: CoreLab) -> Iterator[Watched]:
    with Run.open() as run:
        leader = lab.started("observed-0", CLUSTER_NAME=CLUSTER)
        standby = lab.start("observed-1", CLUSTER_NAME=CLUSTER)
        try:
            wait_for(lambda: answer(standby, "/readyz")[0] == 200, PATIENCE, "the standby")
            lab.clear()  # what other tests left in trouble would raise alerts
            pool, (ip,) = lab.pool(2), lab.addresses(1)
            node = lab.wait_bound(lab.allocate(pool, [ip]), ip)
            ports = [re.search(r'"port": (\d+)', one.log.read_text()) for one in (leader, standby)]
            targets = [f"127.0.0.1:{port[1]}" for port in ports if port]
            prometheus = Prometheus.start(run, targets, [RULES])
            yield Watched(lab, leader, standby, pool, node, prometheus)
            lab.clear()
        finally:
            assert (standby.stop(), leader.stop()) == (0, 0), leader.log_tail()


def gone(watched: Watched, text: str) -> Callable[[], bool]:
    """Whether no series of the leader has this in its labels."""
    return lambda: not [one for one in series(watched.leader) if f'"{text}"' in one]


# The rules of all controllers.


def _of_part(path: Path) -> str:
    return path.parent.name


@pytest.mark.parametrize("rules", sorted(ALL_DASHBOARDS.glob("*/rules.yaml")), ids=_of_part)
def test_the_rules_are_sound(rules: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(rules))


@pytest.mark.parametrize("file", TESTS, ids=lambda path: f"{_of_part(path.parent)}-{path.stem}")
def test_every_alert_fires_when_it_should_and_only_then(file: Path) -> None:
    promtool("test", "rules", str(file))


def test_a_rule_that_is_wrong_fails_its_test(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    copied = tmp_path / "tests" / "addresses.yaml"
    copied.write_text((DASHBOARDS / "tests" / copied.name).read_text("utf-8"))
    text = RULES.read_text("utf-8")
    assert "netipallocation_crd_status == 0" in text
    wrong = text.replace("netipallocation_crd_status == 0", "netipallocation_crd_status == 2")
    (tmp_path / "rules.yaml").write_text(wrong)
    with pytest.raises(PromtoolError, match="NetIPAllocationCRDUnhealthy"):
        promtool("test", "rules", str(copied))


# What a running controller shows.


@pytest.mark.parametrize("chosen", [CLUSTER, ".*"])
def test_every_panel_shows_something(watched: Watched, chosen: str) -> None:
    def empty() -> list[str]:
        queries = [substituted(expression, chosen) for _, expression in PANELS]
        return [query for query in queries if not watched.prometheus.query(query)]

    with contextlib.suppress(WaitTimeoutError):  # which would not name the queries
        wait_for(lambda: not empty(), PATIENCE, "data in every panel")
    assert empty() == []


def test_a_panel_shows_nothing_of_another_cluster(watched: Watched) -> None:
    for panel, expression in PANELS:
        found = watched.prometheus.query(substituted(expression, "green"))
        # `or vector(0)` draws a line at 0 where nothing has failed.
        assert [one for one in found if one.labels or one.value] == [], panel


def test_all_rules_are_evaluated_and_no_alert_is_pending(watched: Watched) -> None:
    prometheus = watched.prometheus
    wait_for(lambda: set(prometheus.rules().values()) == {"ok"}, PATIENCE, "every rule to be ok")
    # Before the first scrape there was no leader.
    wait_for(lambda: prometheus.alerts() == [], PATIENCE, "no alert")


def test_the_metrics_are_named_as_they_should_be(watched: Watched) -> None:
    text = answer(watched.leader, "/metrics")[1]
    assert "netipallocation_crd_status" in text
    with pytest.raises(PromtoolError) as refused:
        promtool("check", "metrics", stdin=text)
    assert set(str(refused.value).splitlines()) == KNOWN_LINT


def test_calls_to_the_cloud_are_counted(watched: Watched) -> None:
    calls = {
        (one.labels["operation"], one.labels["outcome"]): one.value
        for one in watched.prometheus.query("moorage_core_cloud_api_requests_total > 0")
    }
    assert calls["AssociateAddress", "success"] == 1
    assert calls["DescribeAddresses", "success"] >= 1


def test_keys_have_no_end_to_warn_of(watched: Watched) -> None:
    shown = watched.prometheus.query("moorage_core_cloud_credentials_expiring")
    assert {(one.labels["provider"], one.value) for one in shown} == {("aws", 0)}


def test_a_standby_shows_only_its_own_series(watched: Watched) -> None:
    names = {one.partition("{")[0] for one in series(watched.standby)}
    assert {name for name in names if not OF_A_REPLICA.fullmatch(name)} == set()
    shown = {}
    for one in watched.prometheus.query('{__name__=~"netipallocation_controller_.*"}'):
        shown[one.labels["__name__"].rpartition("_")[2], one.labels["pod_name"]] = one.value
    assert {key: value for key, value in shown.items() if key[0] != "info"} == {
        ("leader", "observed-0"): 1, ("ready", "observed-0"): 1, ("healthy", "observed-0"): 1,
        ("leader", "observed-1"): 0, ("ready", "observed-1"): 1, ("healthy", "observed-1"): 1,
    }  # fmt: skip


def test_a_process_whose_caches_are_cold_lives_and_is_not_ready(
    lab: CoreLab, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    text = lab.kubeconfig.read_text("utf-8")
    nowhere = tmp_path / "nowhere.kubeconfig"
    nowhere.write_text(re.sub(r"(https://127\.0\.0\.1):\d+", rf"\1:{port}", text))
    cold = lab.start("cold", "--kubeconfig", str(nowhere))
    try:
        wait_for(lambda: answer(cold, "/healthz")[0] == 200, PATIENCE, "it to live")
        status, why = answer(cold, "/readyz")
        assert status == 503
        assert "cache of nodes: not listed yet" in why
        ready = "netipallocation_controller_ready"
        assert f'{ready}{{pod_name="cold"}} 0.0' in answer(cold, "/metrics")[1]
    finally:
        cold.stop()


# What is gone has no series. These change the cluster, so they come last.


def test_a_node_that_is_gone_has_no_series(watched: Watched) -> None:
    assert not gone(watched, watched.node)()
    watched.lab.remove_node(watched.node)
    wait_for(gone(watched, watched.node), PATIENCE, "its series to go")
    selector = f'{{node="{watched.node}"}}'
    wait_for(lambda: not watched.prometheus.query(selector), PATIENCE, "Prometheus to see it")


def test_an_allocation_and_an_address_that_are_gone_have_no_series(watched: Watched) -> None:
    lab, pool = watched.lab, watched.lab.pool(2)
    first, second = lab.addresses(2)
    name = lab.allocate(pool, [first, second])
    for ip in (first, second):
        lab.wait_bound(name, ip)
    # The page may be a second old.
    wait_for(lambda: not gone(watched, second)(), PATIENCE, "the series of the address to come")
    lab.allocate(pool, [first], name)
    wait_for(gone(watched, second), PATIENCE, "the series of the address to go")
    assert not gone(watched, first)()
    lab.delete(name)
    wait_for(lambda: lab.gone(name), PATIENCE, "it to go")
    wait_for(gone(watched, name), PATIENCE, "its series to go, the counters among them")
