"""A Ready node is not always usable: it starts up, is being drained or is being deleted."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import IP1, IP2, tainted
from simulation import Simulation

SPOT = "aws-node-termination-handler/spot-itn"
KARPENTER = "karpenter.sh/disrupted"


def cluster(*names: str) -> Simulation:
    simulation = Simulation()
    for name in names:
        simulation.add_node(name)
    return simulation


def settled(*names: str) -> Simulation:
    """With IP1 on the first node."""
    simulation = cluster(*names)
    simulation.allocate("a", IP1)
    simulation.settle()
    return simulation


STARTING: list[dict[str, Any]] = [
    {"network_unavailable": True},
    {"taints": tainted("node.cilium.io/agent-not-ready:NoExecute")},
    {"taints": tainted("node.cloudprovider.kubernetes.io/uninitialized")},
    {"taints": tainted("startup-taint.cluster-autoscaler.kubernetes.io/gpu")},
]


@pytest.mark.parametrize("starting", STARTING)
def test_harm_01_a_node_that_starts_up_gets_no_address_until_it_has(
    starting: dict[str, Any],
) -> None:
    simulation = cluster("n1", "n2")
    simulation.change_node("n1", **starting)
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    record = simulation.record("a", IP2)
    assert record.reason == "NoEligibleNode"
    why = ("n1 starting up (tainted ", "n1 without a network (condition NetworkUnavailable)")
    assert any(one in record.message for one in why), record.message
    simulation.change_node("n1", network_unavailable=False, taints=())
    simulation.settle()
    assert simulation.where(IP2) == "n1"


@pytest.mark.parametrize("starting", STARTING)
def test_harm_01_a_node_that_starts_up_again_keeps_its_address(starting: dict[str, Any]) -> None:
    simulation = settled("n1", "n2")
    simulation.change_node("n1", **starting)
    simulation.settle(seconds=700)
    assert simulation.where(IP1) == "n1"
    assert simulation.record("a", IP1).reason == "Bound"
    # Somebody takes it off: it is put back there, not moved.
    simulation.cloud.assign(IP1, None)
    simulation.settle(seconds=31)
    assert simulation.where(IP1) == "n1"


def test_harm_01_the_settled_taint_keeps_no_address_away_whatever_its_name() -> None:
    key = "startup-taint.cluster-autoscaler.kubernetes.io/address-pending"
    simulation = cluster("n1")
    simulation.change_node("n1", taints=tainted(key))
    simulation.allocate("a", IP1, settled_taint=key)
    simulation.settle()
    assert simulation.where(IP1) == "n1"
    assert simulation.nodes["n1"].taints == ()


def test_harm_02_a_node_that_is_being_deleted_is_no_target() -> None:
    simulation = cluster("n1", "n2")
    simulation.change_node("n1", deleting=True)
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    record = simulation.record("a", IP2)
    assert record.reason == "NoEligibleNode"
    assert record.message == "2 nodes match pool=a, 0 free: 1 holds an address, n1 being deleted"


def test_harm_02_an_address_leaves_a_node_that_is_being_deleted_like_a_cordoned_one() -> None:
    simulation = settled("n1", "n2")
    simulation.busy = {"n1"}
    simulation.change_node("n1", deleting=True)
    simulation.settle(seconds=700)
    record = simulation.record("a", IP1)
    assert (simulation.where(IP1), record.reason) == ("n1", "WorkloadRunning")
    assert record.message == "node n1 is being deleted; pods still run there"
    simulation.busy = set()
    simulation.settle()
    assert simulation.where(IP1) == "n2"


@pytest.mark.parametrize(
    "key",
    [
        KARPENTER,
        "ToBeDeletedByClusterAutoscaler",
        "aws-node-termination-handler/rebalance-recommendation",
        "remediator.kubernetes.azure.com/unschedulable",
    ],
)
def test_harm_04_an_address_waits_for_its_pods_where_a_node_is_scaled_down(key: str) -> None:
    simulation = settled("n1", "n2")
    simulation.busy = {"n1"}
    simulation.change_node("n1", taints=tainted(key))
    simulation.settle(seconds=3600)
    record = simulation.record("a", IP1)
    assert (simulation.where(IP1), record.reason) == ("n1", "WorkloadRunning")
    assert record.message == f"node n1 is tainted {key}; pods still run there"
    simulation.busy = set()
    simulation.settle()
    assert simulation.where(IP1) == "n2"


def test_harm_04_a_scale_down_that_is_called_off_moves_nothing() -> None:
    simulation = settled("n1", "n2")
    simulation.busy = {"n1"}
    before = len(simulation.cloud.mutations)
    simulation.change_node("n1", taints=tainted(KARPENTER))
    simulation.settle(seconds=60)
    simulation.change_node("n1", taints=())
    simulation.busy = set()
    simulation.settle(seconds=60)
    assert simulation.record("a", IP1).reason == "Bound"
    assert len(simulation.cloud.mutations) == before


@pytest.mark.parametrize("key", [SPOT, "node.kubernetes.io/out-of-service"])
def test_harm_04_an_address_waits_for_nothing_where_a_machine_is_about_to_vanish(key: str) -> None:
    simulation = settled("n1", "n2")
    simulation.busy = {"n1"}
    simulation.change_node("n1", taints=tainted(KARPENTER, key))
    simulation.settle()
    assert simulation.where(IP1) == "n2"
