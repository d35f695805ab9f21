"""Metrics, alerts and the dashboard of a running external-ip, as a real Prometheus sees them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab_pages import answer
from lab_prometheus import check_dashboard, need_tools, undescribed
from test_external_ip import Lab, lab
from test_external_ip_placement import Cluster, beating, nodes

from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

__all__ = ["lab", "nodes"]

# The first run of all builds Prometheus, which is no part of any test: a slow machine takes longer.
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    need_tools()


@pytest.fixture
def leader(nodes: Cluster) -> Iterator[Child]:
    """With a pool, nodes with agents, and a Service whose address is on one of them."""
    lab = nodes.lab
    with beating(*nodes.agents.values()):
        nodes.begin()
        holder = nodes.agents[wait_for(nodes.node, PATIENCE, "a node to be chosen")]
        holder.announce(nodes.claim)
        wait_for(lambda: nodes.phase() == "Announced", PATIENCE, "the claim to be ready")
        (child,) = lab.replicas
        yield child
        lab.cluster.request("DELETE", lab.services("web"))
        wait_for(lambda: not lab.records(), PATIENCE, "all to be released")


def test_every_series_is_described_and_named_as_it_should_be(leader: Child) -> None:
    assert undescribed("external-ip", leader) == set()


def test_every_panel_shows_something_and_no_alert_is_pending(leader: Child) -> None:
    check_dashboard("external-ip", leader)


def test_a_standby_shows_nothing_of_pools_claims_and_nodes(leader: Child, lab: Lab) -> None:
    standby = lab.start("--lease-name", "external-ip-0")
    wait_for(lambda: answer(standby, "/readyz")[0] == 200, PATIENCE, "the standby")
    named = f'pool="{lab.namespace}"'
    assert named in answer(leader, "/metrics")[1]
    shown = answer(standby, "/metrics")[1]
    assert "moorage_external_ip_leader 0.0" in shown
    assert "{pool=" not in shown
    assert "moorage_external_ip_nodes{" not in shown
