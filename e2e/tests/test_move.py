"""The address follows healthy nodes, whatever happens to nodes and controllers."""

from __future__ import annotations

import pytest

from e2e.tests.installation import NAMESPACE, Installation


def other(installation: Installation, node: str) -> str:
    """The other node."""
    (found,) = set(installation.cluster.nodes) - {node}
    return found


@pytest.fixture
def powered(bound: Installation) -> Installation:
    """On a cluster whose machines may be switched off."""
    if not bound.cluster.loses_power:
        pytest.skip("no machine of this cluster is switched off")
    return bound


def test_kubectl_drain_ends_and_moves_the_address(bound: Installation) -> None:
    node, writes = bound.holder, bound.cloud_writes
    bound.drain(node)
    bound.wait_bound(other(bound, node))
    assert bound.cloud_writes == writes + 1
    assert bound.leader


def test_a_killed_controller_takes_no_address_along(bound: Installation) -> None:
    node, writes = bound.holder, bound.cloud_writes
    killed = bound.leading_pod()
    renewed = _renewals(bound)
    bound.cluster.kill(killed)
    bound.wait(lambda: _renewals(bound) > renewed, "a leader to renew its Lease")
    bound.wait_working()
    assert bound.wait_bound() == node
    assert bound.cloud_writes == writes


def test_the_address_leaves_a_node_that_lost_power_with_the_leader(powered: Installation) -> None:
    node = powered.holder
    if powered.leading_pod()["spec"]["nodeName"] != node:
        # Not by a drain: then the other replica would be there as well, and nobody left to lead.
        powered.kubectl.run("delete", "pod", "-n", NAMESPACE, powered.leader)
        powered.wait_working()
    assert powered.leading_pod()["spec"]["nodeName"] == node
    assert {one["spec"]["nodeName"] for one in powered.pods} == set(powered.cluster.nodes)
    writes = powered.cloud_writes
    powered.cluster.power_off(node)
    try:
        powered.wait_bound(other(powered, node))
        assert powered.cloud_writes == writes + 1
        powered.wait(lambda: powered.leader, "a leader")
    finally:
        powered.cluster.power_on(node)
    assert powered.wait_bound() == powered.holder


def test_after_all_nodes_lost_power_at_once_the_cluster_comes_back(powered: Installation) -> None:
    node, writes = powered.holder, powered.cloud_writes
    for name in powered.cluster.nodes:
        powered.cluster.power_off(name)
    for name in powered.cluster.nodes:
        powered.cluster.power_on(name)
    powered.wait_working()
    powered.wait_bound()
    assert powered.holder == node
    assert powered.cloud_writes == writes


def _renewals(installation: Installation) -> tuple[int, str]:
    """Who has renewed the Lease, and when; a later state is greater."""
    lease = installation.kubectl.get("lease", "-n", "kube-system", "moorage-core")
    spec = lease.get("spec", {})
    return int(spec.get("leaseTransitions") or 0), str(spec.get("renewTime") or "")
