"""What the first version's own tests on a cluster asked for, with real processes and a kernel."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from external_nodes import ExternalNodes, Raw, address_of, external_nodes

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.lab import Lab, Probes
from moorage_testing.lab.probes import doubled
from moorage_testing.pytest_plugin import start_lab
from moorage_testing.waiting import PATIENCE, wait_for

CIDR = "10.99.24.0/24"


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with start_lab(2) as lab:
        yield lab


@pytest.fixture
def nodes(cluster: EmbeddedCluster, network: Lab) -> Iterator[ExternalNodes]:
    with external_nodes(cluster, network) as nodes:
        yield nodes


def test_seed_two_external_ips_are_two_claims_and_both_are_reached(nodes: ExternalNodes) -> None:
    wanted = ["10.99.24.11", "10.99.24.12"]
    nodes.start_scheduler()
    nodes.services.pool(cidr=CIDR, allowExternalIPs=True)
    nodes.start_agent(1)
    plain: Raw = {"type": "ClusterIP", "loadBalancerClass": None}
    nodes.services.service("web", externalIPs=wanted, **plain)
    assert set(nodes.wait_announced(2)) == set(wanted)
    names = sorted(raw["metadata"]["name"] for raw in nodes.claims())
    assert names == ["10-99-24-11-24", "10-99-24-12-24"]
    with nodes.network.node(1).echo(7400):
        for address in wanted:
            assert nodes.network.client.answers(address, 7400) == ["node1"]


def test_seed_while_the_leader_is_frozen_the_next_claims_are_made(nodes: ExternalNodes) -> None:
    lease = [*("--lease-name", "shared"), *("--lease-duration", "4")]
    lease += [*("--lease-renew-deadline", "3"), *("--lease-retry", "0.5")]
    nodes.services.pool(cidr=CIDR)
    first = nodes.start_scheduler(*lease)
    nodes.services.service("before")
    nodes.services.has("before")
    nodes.start_scheduler(*lease)
    first.send(signal.SIGSTOP)
    try:
        nodes.services.service("after")
        given = nodes.services.has("before") + nodes.services.has("after")
        assert len({one["ip"] for one in given}) == 2
    finally:
        first.send(signal.SIGCONT)
    # It has lost the Lease meanwhile, and writes nothing more.
    wait_for(lambda: not first.alive, PATIENCE, "the former leader to end")
    nodes.services.replicas.remove(first)
    assert len(nodes.claims()) == 2


def test_seed_claims_of_services_that_went_while_nobody_looked_go(nodes: ExternalNodes) -> None:
    scheduler = nodes.start_scheduler()
    nodes.services.pool(cidr=CIDR)
    nodes.start_agent(1)
    nodes.services.service("gone")
    nodes.services.service("stays")
    (gone,) = (one["ip"] for one in nodes.services.has("gone"))
    (stays,) = (one["ip"] for one in nodes.services.has("stays"))
    nodes.wait_announced(2)
    scheduler.stop()
    nodes.services.replicas.remove(scheduler)
    nodes.services.cluster.request("DELETE", nodes.services.services("gone"))
    assert nodes.network.node(1).has(gone)
    nodes.start_scheduler()
    wait_for(lambda: not nodes.network.node(1).has(gone), PATIENCE, "its address to go")
    assert [address_of(raw) for raw in nodes.claims()] == [stays]
    assert nodes.network.client.who_has(stays) == {nodes.network.node(1).mac}


def test_seed_even_spread_over_two_macs_a_frozen_agent_and_its_return(nodes: ExternalNodes) -> None:
    """The fail-over case that the first version had, and never ran."""
    one, two = nodes.network.nodes
    nodes.start_scheduler()
    nodes.services.pool(cidr=CIDR)
    frozen = nodes.start_agent(1)
    nodes.start_agent(2)
    for number in range(10):
        nodes.services.service(f"s{number}")
    held = nodes.wait_announced(10)
    assert Counter(held.values()) == {"node1": 5, "node2": 5}
    macs = Counter(min(nodes.network.client.who_has(address)) for address in held)
    assert macs == {one.mac: 5, two.mac: 5}
    with Probes(nodes.network.station.namespace, held) as probes:
        begun = time.monotonic()
        frozen.send(signal.SIGSTOP)
        try:
            wait_for(lambda: probes.all_answered_by(two.mac), PATIENCE, "node2 to answer for all")
            old = nodes.agents.lease(1)["spec"]["renewTime"]
        finally:
            frozen.send(signal.SIGCONT)
        wait_for(lambda: nodes.agents.lease(1)["spec"]["renewTime"] != old, PATIENCE, "its Lease")
        wait_for(
            lambda: set(nodes.announced().values()) == {"node2"}, PATIENCE, "node1 to say nothing"
        )
        asked = probes.between(begun, time.monotonic())
    assert [found for found in map(doubled, asked) if found] == []
    assert not any(one.has(address) for address in held)
