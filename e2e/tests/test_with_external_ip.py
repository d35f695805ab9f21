"""External addresses: one node answers for each, whatever happens to nodes and agents."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from e2e.clusters.cluster import Cluster, ClusterError
from e2e.clusters.outside import NoOutsideError
from e2e.tests.external_ip import AGENT, CONTROLLER, POOL, ExternalIps
from e2e.tests.installation import NAMESPACE, RELEASE, Installation
from e2e.tests.leftovers import left, wait_left

WEB, LOCAL = "web", "local"
# As the kernel numbers them, CAP_NET_ADMIN and CAP_NET_RAW.
CAPABILITIES = 1 << 12 | 1 << 13


@pytest.fixture(scope="module")
def ips(installation: Installation, before: set[str]) -> Iterator[ExternalIps]:
    """The release with both parts, a Service, and a pod of it on each node."""
    del before
    try:
        outside = installation.cluster.outside()
    except NoOutsideError as error:
        pytest.skip(str(error))
    except ClusterError as error:
        if os.environ.get("CI") and os.geteuid() == 0:
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    ips = ExternalIps(installation, outside)
    ips.install()
    for node in ips.cluster.nodes:
        ips.run_pod(WEB, node)
    yield ips
    ips.kubectl.run("delete", "pods", "-n", "default", "-l", f"app in ({WEB},{LOCAL})", "--force")


@pytest.fixture(scope="module")
def address(ips: ExternalIps) -> str:
    """Of the Service, on a node."""
    address = ips.expose(WEB)
    ips.wait_held(address)
    return address


@pytest.fixture
def served(ips: ExternalIps) -> ExternalIps:
    """On a cluster with service proxies, and pods that run."""
    if not ips.outside.serves:
        pytest.skip("the nodes of this cluster have no service proxy, and their pods do not run")
    return ips


def test_one_node_answers_for_an_address_and_pods_of_all_nodes_behind_it(
    served: ExternalIps, address: str
) -> None:
    with served.asking(address) as seen:
        served.wait(
            lambda: seen.requests.answers == {f"{WEB}-{node}" for node in served.cluster.nodes},
            "pods of all nodes to answer",
        )
    assert {macs for _, macs in seen.watch.samples} == {frozenset({served.said(address)["mac"]})}
    assert seen.counted.lost == 0


def test_helm_test_says_that_both_parts_work(ips: ExternalIps) -> None:
    assert "Succeeded" in ips.installation.run_helm("test", RELEASE, "--timeout", "120s")


def test_an_agent_has_the_two_capabilities_that_it_needs_and_no_other(
    served: ExternalIps,
) -> None:
    agents = served.cluster.pods(NAMESPACE, AGENT)
    found = {served.cluster.effective_capabilities(one) for one in agents}
    assert found == {CAPABILITIES}


def test_a_killed_agent_never_leaves_two_nodes_with_an_address(
    ips: ExternalIps, address: str, measured: Callable[[str], None]
) -> None:
    node = ips.wait_held(address)
    with ips.asking(address) as seen:
        ips.cluster.kill(ips.agent(node))
        ips.wait_working()
        after = ips.wait_held(address)
    measured(seen.told(f"the agent of {node} is killed, {after} has the address"))
    assert seen.watch.doubled == []


def test_an_address_leaves_a_node_whose_agent_is_killed_for_good(
    ips: ExternalIps, address: str, measured: Callable[[str], None]
) -> None:
    node = ips.wait_held(address)
    ips.lead_elsewhere(node)
    with ips.asking(address) as seen:
        ips.cluster.kill_for_good(ips.agent(node))
        try:
            ips.wait_held(address, ips.other(node))
        finally:
            ips.cluster.find(node)
    measured(seen.told(f"the agent of {node} is killed and not started again"))
    assert seen.watch.doubled == []
    ips.wait_working()


def test_an_address_leaves_a_node_that_is_lost_and_stays_where_it_is_when_that_one_is_back(
    ips: ExternalIps, address: str, measured: Callable[[str], None]
) -> None:
    node = ips.wait_held(address)
    ips.lead_elsewhere(node)
    with ips.asking(address) as seen:
        ips.cluster.lose(node)
        try:
            ips.wait_held(address, ips.other(node))
        finally:
            ips.cluster.find(node)
        ips.wait_working()
        assert ips.holder(address) == ips.other(node)
    measured(seen.told(f"{node} is lost and comes back"))
    assert seen.watch.doubled == []


def test_an_address_leaves_a_drained_node_before_its_agent_ends(
    ips: ExternalIps, address: str, measured: Callable[[str], None]
) -> None:
    node = ips.wait_held(address)
    with ips.asking(address) as seen:
        # But for the pods behind the Service: no controller would make them anew.
        ips.kubectl.run("drain", node, "--ignore-daemonsets", "--force", "--timeout=60s",
                        f"--pod-selector=app.kubernetes.io/name=moorage-{CONTROLLER}")  # fmt: skip
        try:
            ips.lead_elsewhere(node)
            assert ips.holder(address) == node, "until the node is shut down it stays"
            agent = ips.agent(node)["metadata"]["name"]
            ips.kubectl.run("delete", "pod", "-n", NAMESPACE, agent, "--wait=false")
            ips.wait_held(address, ips.other(node))
        finally:
            ips.kubectl.run("uncordon", node)
    measured(seen.told(f"{node} is drained"))
    assert seen.watch.doubled == []
    ips.wait_working()
    assert ips.holder(address) == ips.other(node)


def test_with_policy_local_an_address_follows_its_pods_and_its_health_check_port(
    served: ExternalIps, measured: Callable[[str], None]
) -> None:
    one, two = served.cluster.nodes
    first = served.run_pod(LOCAL, one)
    address = served.expose(LOCAL, externalTrafficPolicy="Local")
    assert served.wait_held(address) == one
    with served.asking(address) as seen:
        assert seen.requests.answers == {first}
        second = served.run_pod(LOCAL, two)
        served.kubectl.run("delete", "pod", "-n", "default", first, "--wait=false")
        served.wait_held(address, two)
    measured(seen.told("with policy Local the only pod moves"))
    assert seen.counted.answers == {first, second}
    assert seen.watch.doubled == []
    # Both nodes heard from their health check port that they have an endpoint.
    assert "ProxyNotReady" not in served.events(address)


def test_where_no_health_check_port_answers_an_address_is_taken_all_the_same_and_an_event_says_so(
    ips: ExternalIps,
) -> None:
    if ips.outside.serves:
        pytest.skip("the nodes of this cluster have a service proxy")
    node = ips.cluster.nodes[0]
    ips.run_pod(LOCAL, node)
    address = ips.expose(LOCAL, externalTrafficPolicy="Local")
    assert ips.wait_held(address) == node
    ips.wait(lambda: "ProxyNotReady" in ips.events(address), "the Event")


def test_uninstalling_takes_the_addresses_off_and_leaves_leases_of_nodes_alone(
    ips: ExternalIps, address: str, cluster: Cluster, before: set[str]
) -> None:
    client = ips.outside.client
    ips.installation.run_helm("uninstall", RELEASE, "--wait")
    ips.wait(lambda: not client.who_has(address), "nobody to answer")
    assert ips.claim(address), "claims stay"
    # Nobody is left who would take a finalizer off.
    ips.kubectl.patch("ipclaimpool", POOL, metadata={"finalizers": None})
    ips.kubectl.run("delete", "services", "-n", "default", WEB, LOCAL, "--ignore-not-found")
    crds = [one.rpartition("/")[2] for one in left(cluster, before) if one.startswith("Custom")]
    ips.kubectl.run("delete", "crd", *crds, "--timeout=60s")
    secrets = {one for one in left(cluster, before) if one.startswith("Secret ")}
    # They go with their Nodes.
    leases = {f"Lease {NAMESPACE}/moorage-agent-{node}" for node in cluster.nodes}
    wait_left(cluster, before, secrets | leases)
    ips.kubectl.run("delete", "leases", "-n", NAMESPACE, "-l", "moorage.dev/node-agent=true")
