"""Every right of the agent, as the chart renders it, is enough, and every one is used."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import pytest
from agent_lab import AgentLab
from lab_pages import refused_requests, unused
from lab_rights import rights
from test_node_agent import FOUR, lab, network

from moorage_node_agent.rbac import RULES
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

__all__ = ["lab", "network"]

ACCOUNT = "rendered"
NOT_COUNTED_HERE = {
    # A second Event with the same text within ten minutes; the unit tests of events have it.
    ("events", "patch"),
    # With a drain its Lease is read and goes, when nobody reads its metrics any more.
    ("leases", "get"),
    ("leases", "delete"),
}


@pytest.fixture
def flags(lab: AgentLab) -> Iterator[tuple[str, ...]]:
    """Of an agent with what the chart gives it; its policies have a test of their own."""
    part = {"enabled": True, "fullnameOverride": ACCOUNT, "policies": {"enabled": False}}
    made = rights(lab.namespace, {"core": {"enabled": False}, "nodeAgent": part})
    lab.cluster.apply(made)
    kubeconfig = lab.cluster.kubeconfig_for(f"{lab.namespace}/{ACCOUNT}")
    yield ("--kubeconfig", str(kubeconfig), "--log-format", "json", "--hold-seconds", "0")
    wide = [one for one in made if one["kind"].startswith("ClusterRole")]
    lab.cluster.kubectl("delete", *(f"{one['kind']}/{one['metadata']['name']}" for one in wide))


def test_every_right_is_used_and_none_is_missing(
    lab: AgentLab,
    flags: tuple[str, ...],
) -> None:
    agent = lab.start(1, *flags)
    lab.wait_said(lab.claim(f"{FOUR}/16", 1), 1, "Announced")
    # One of its own addresses: refused with an Event.
    lab.wait_said(lab.claim(f"{lab.lab.node(1).address}/16", 1), 1, "Refused")
    with contextlib.suppress(WaitTimeoutError):  # which would not name the rights
        wait_for(lambda: unused(RULES, agent) <= NOT_COUNTED_HERE, PATIENCE, "all to be used")
    assert unused(RULES, agent) - NOT_COUNTED_HERE == set()
    assert refused_requests(agent) == []
    assert lab.lease(1)
    agent.send(signal.SIGTERM)
    wait_for(lambda: not lab.lease(1), PATIENCE, "its Lease to go")
