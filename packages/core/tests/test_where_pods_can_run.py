"""An address comes to a node where its workload can run, and leaves one that is excluded."""

from __future__ import annotations

import pytest
from core_builders import IP1, IP2, raw_allocation, raw_node, raw_owned, raw_pod, tainted
from simulation import Simulation

from moorage_core.caches import Caches
from moorage_core.model import AddressRecord, Workload
from moorage_core.triggers import Triggers
from moorage_domain.label_selectors import Selector
from moorage_domain.nodes import EXCLUDE_LABEL
from moorage_domain.scheduling import PodPlacement, Toleration

WEB = Workload("Deployment", "default", "web")
CONTROL = "node-role.kubernetes.io/control-plane"
TOLERANT = PodPlacement((Toleration(CONTROL, exists=True),))


def cluster(*names: str, pods_go: PodPlacement | None = None) -> Simulation:
    """The first node is tainted as one of the control plane."""
    simulation = Simulation()
    for name in names:
        simulation.add_node(name)
    simulation.change_node(names[0], taints=tainted(CONTROL))
    simulation.pods_go = pods_go
    return simulation


def test_harm_03_an_address_comes_to_no_node_that_its_workload_does_not_tolerate() -> None:
    simulation = cluster("n1", "n2", pods_go=PodPlacement())
    simulation.allocate("a", IP1, IP2, workload=WEB)
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    record = simulation.record("a", IP2)
    assert record.reason == "NoEligibleNode"
    assert record.message == (
        "2 nodes match pool=a, 0 free: 1 holds an address,"
        f" n1 tainted {CONTROL} (not tolerated by Deployment default/web)"
    )
    assert f"n1 tainted {CONTROL}" in simulation.stored["a"].conditions[0].message
    simulation.pods_go = TOLERANT
    simulation.settle()
    assert simulation.where(IP2) == "n1"


def test_harm_03_what_the_workload_tolerates_is_no_obstacle() -> None:
    simulation = cluster("n1", "n2", pods_go=TOLERANT)
    simulation.allocate("a", IP1, workload=WEB)
    simulation.settle()
    assert simulation.where(IP1) == "n1"


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute", "PreferNoSchedule"])
def test_harm_03_without_a_workload_a_tainted_node_is_the_last_resort(effect: str) -> None:
    simulation = cluster("n1", "n2")
    simulation.change_node("n1", taints=tainted(f"{CONTROL}:{effect}"))
    simulation.allocate("a", IP1)
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    assert simulation.where(IP2) == "n1"


def test_harm_03_a_node_that_is_to_be_scaled_down_perhaps_is_taken_last() -> None:
    simulation = cluster("n1", "n2", pods_go=PodPlacement())
    candidate = "DeletionCandidateOfClusterAutoscaler:PreferNoSchedule"
    simulation.change_node("n1", taints=tainted(candidate))
    simulation.allocate("a", IP1, IP2, workload=WEB)
    simulation.settle()
    assert (simulation.where(IP1), simulation.where(IP2)) == ("n2", "n1")


def test_harm_03_an_address_comes_where_the_workload_selects_to_run() -> None:
    ssd = Selector.of_labels({"disk": "ssd"})
    simulation = cluster("n1", "n2", "n3", pods_go=PodPlacement(selector=ssd))
    simulation.change_node("n3", labels={"pool": "a", "disk": "ssd"})
    simulation.allocate("a", IP1, IP2, workload=WEB)
    simulation.settle()
    assert simulation.where(IP1) == "n3"
    assert "n2 not selected by Deployment default/web" in simulation.record("a", IP2).message


def test_harm_03_a_bound_address_stays_where_a_taint_comes_later() -> None:
    simulation = cluster("n1", "n2", pods_go=TOLERANT)
    simulation.allocate("a", IP1, workload=WEB)
    simulation.settle()
    simulation.pods_go = PodPlacement()
    simulation.settle(seconds=700)
    assert simulation.where(IP1) == "n1"


def test_harm_03_an_excluded_node_is_no_target_and_left_like_a_cordoned_one() -> None:
    simulation = cluster("n1", "n2")
    excluded = {"pool": "a", EXCLUDE_LABEL: ""}
    simulation.change_node("n1", taints=(), labels=excluded)
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    assert f"n1 excluded by the label {EXCLUDE_LABEL}" in simulation.record("a", IP2).message
    simulation.allocate("a", IP1)
    simulation.add_node("n3")
    simulation.busy = {"n2"}
    simulation.change_node("n2", labels=excluded)
    simulation.settle(seconds=60)
    assert simulation.where(IP1) == "n2"
    simulation.busy = set()
    simulation.settle()
    assert simulation.where(IP1) == "n3"


def test_harm_03_the_label_is_ignored_where_the_allocation_says_so() -> None:
    simulation = cluster("n1")
    simulation.change_node("n1", taints=(), labels={"pool": "a", EXCLUDE_LABEL: ""})
    simulation.allocate("a", IP1, ignore_exclude_label=True)
    simulation.settle()
    assert simulation.where(IP1) == "n1"


def test_harm_03_a_workload_that_changes_concerns_who_waits_for_a_node() -> None:
    caches, keys = Caches(), list[str]()
    triggers = Triggers(caches, keys.append)
    waiting = AddressRecord(IP1, reason="NoEligibleNode")
    caches.allocations.apply(raw_allocation("a", IP1, records=(waiting,)))
    caches.allocations.apply(raw_allocation("b", IP2))
    keys.clear()
    caches.workloads["Deployment"].apply(raw_owned("web", "uid-web"))
    assert keys == ["a"]
    del triggers


# DaemonSets: their pods stay on a drained node.


def test_harm_05_the_drain_of_a_daemon_set_is_over_when_no_other_pod_is_left() -> None:
    caches = Caches()
    caches.nodes.apply(raw_node("n1"))
    caches.workloads["DaemonSet"].apply(raw_owned("edge", "uid-edge"))
    caches.pods.apply(raw_pod("edge-1", "n1", "uid-edge", "DaemonSet"))
    caches.pods.apply(raw_pod("web-1", "n1", "uid-rs"))
    edge = Workload("DaemonSet", "default", "edge")
    assert set(caches.busy_nodes(edge)[0]) == {"n1"}
    caches.pods.forget("default/web-1")
    assert set(caches.busy_nodes(edge)[0]) == set()


def test_harm_05_the_message_names_the_setting_that_would_not_wait() -> None:
    simulation = Simulation()
    simulation.add_node("n1")
    simulation.add_node("n2")
    simulation.allocate("a", IP1, workload=Workload("DaemonSet", "default", "edge"))
    simulation.settle()
    simulation.busy = {"n1"}
    simulation.change_node("n1", unschedulable=True)
    simulation.settle()
    record = simulation.record("a", IP1)
    assert (record.reason, simulation.where(IP1)) == ("WorkloadRunning", "n1")
    assert record.message == (
        "node n1 is cordoned; DaemonSet default/edge never leaves, so all count that are of no"
        " DaemonSet (none would with spec.failover.drain: Immediate): pods still run there"
    )
    simulation.busy = set()
    simulation.settle()
    assert simulation.where(IP1) == "n2"
