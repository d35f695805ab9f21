"""Metrics, alerts and the dashboard of running agents, as a real Prometheus sees them."""

from __future__ import annotations

import pytest
from agent_lab import AgentLab
from lab_prometheus import check_dashboard, need_tools, undescribed
from test_node_agent import FOUR, lab, network

from moorage_testing.processes import Child

__all__ = ["lab", "network"]

# The first run of all builds Prometheus, which is no part of any test: a slow machine takes longer.
pytestmark = pytest.mark.timeout(1200, func_only=True)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    need_tools()


@pytest.fixture
def agents(lab: AgentLab) -> tuple[Child, Child]:
    """Two of them, one with an address."""
    found = (lab.start(1, "--log-format", "json"), lab.start(2, "--log-format", "json"))
    lab.wait_said(lab.claim(f"{FOUR}/16", 1), 1, "Announced")
    return found


def test_every_series_is_described_and_named_as_it_should_be(agents: tuple[Child, Child]) -> None:
    assert undescribed("node-agent", agents[0]) == set()


def test_every_panel_shows_something_and_no_alert_is_pending(agents: tuple[Child, Child]) -> None:
    check_dashboard("node-agent", *agents)
