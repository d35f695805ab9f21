"""Five hundred addresses lose their node: another one has all of them, and never two have one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator

import pytest
from external_nodes import ExternalNodes, external_nodes

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.lab import Probes, Station
from moorage_testing.lab.probes import doubled, first_answer
from moorage_testing.processes import Child
from moorage_testing.pytest_plugin import start_lab
from moorage_testing.waiting import wait_for

ADDRESSES = 500
# Hundreds of addresses, with a busy machine in mind.
PATIENCE = 300.0
pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def nodes(cluster: EmbeddedCluster) -> Iterator[ExternalNodes]:
    """All addresses are on node1, and node2 can have them."""
    with start_lab(2) as network, external_nodes(cluster, network) as nodes:
        nodes.start_scheduler("--workers", "16")
        nodes.services.pool(cidr="10.99.16.0/20")
        nodes.start_agent(1)
        for number in range(ADDRESSES):
            # There are not enough ports of nodes for all tests.
            nodes.services.service(f"s{number}", allocateLoadBalancerNodePorts=False)
        nodes.wait_announced(ADDRESSES, PATIENCE)
        nodes.start_agent(2)
        yield nodes


@pytest.fixture
def probes(nodes: ExternalNodes) -> Iterator[Probes]:
    held = nodes.wait_announced(ADDRESSES, PATIENCE)
    with Probes(nodes.network.station.namespace, held) as probes:
        wait_for(lambda: _holder(nodes, probes), PATIENCE, "one node to answer for all")
        yield probes


def _holder(nodes: ExternalNodes, probes: Probes) -> Station | None:
    """The node that answers for every address."""
    return next((one for one in nodes.network.nodes if probes.all_answered_by(one.mac)), None)


def _parts(nodes: ExternalNodes, probes: Probes) -> tuple[Child, Station, Station]:
    """The agent of the holder, the holder, and the other node."""
    holder = _holder(nodes, probes)
    assert holder is not None
    (other,) = (one for one in nodes.network.nodes if one is not holder)
    return nodes.agents.agents[holder.name], holder, other


def test_failover_sigkill_500(nodes: ExternalNodes, probes: Probes) -> None:
    agent, holder, other = _parts(nodes, probes)
    begun = time.monotonic()
    agent.send(signal.SIGKILL)
    del nodes.agents.agents[holder.name]
    try:
        wait_for(lambda: probes.all_answered_by(other.mac), PATIENCE, "the other node to answer")
        asked = probes.between(begun, time.monotonic())
        assert len(asked) == ADDRESSES
        assert all(first_answer(one, holder.mac) is not None for one in asked), "it had them all"
        assert [one for one in map(doubled, asked) if one] == []
        assert set(nodes.wait_announced(ADDRESSES, PATIENCE).values()) == {other.name}
        assert holder.addresses() == {f"{holder.address}/16", f"{holder.address6}/64", *LOOPBACK}
    finally:
        # The next test needs two nodes, whatever became of this one.
        nodes.start_agent(holder.number)


def test_failover_sigstop_resume(nodes: ExternalNodes, probes: Probes) -> None:
    agent, holder, other = _parts(nodes, probes)
    begun = time.monotonic()
    agent.send(signal.SIGSTOP)
    try:
        wait_for(lambda: probes.all_answered_by(other.mac), PATIENCE, "the other node to answer")
        old = nodes.agents.lease(holder.number)["spec"]["renewTime"]
    finally:
        agent.send(signal.SIGCONT)
    # It has surely made passes since when it says again that it lives.
    wait_for(
        lambda: nodes.agents.lease(holder.number)["spec"]["renewTime"] != old, PATIENCE, "its Lease"
    )
    wait_for(
        lambda: set(nodes.announced().values()) == {other.name}, PATIENCE, "nobody else to say it"
    )
    asked = probes.between(begun, time.monotonic())
    assert [one for one in map(doubled, asked) if one] == []
    assert holder.addresses() == {f"{holder.address}/16", f"{holder.address6}/64", *LOOPBACK}


LOOPBACK = ("127.0.0.1/8", "::1/128")
