"""Which nodes may have an address, by what a real API server says of nodes and workloads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from core_lab import CoreLab, Pool

from moorage_testing.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.usefixtures("core", "alone")

CONTROL = "node-role.kubernetes.io/control-plane"


@contextmanager
def being_deleted(lab: CoreLab, node: str) -> Iterator[None]:
    """The node's object is being deleted, and a finalizer holds it."""
    path = f"/api/v1/nodes/{node}"
    lab.cluster.request("PATCH", path, {"metadata": {"finalizers": ["example.com/drain"]}})
    lab.remove_node(node)
    try:
        yield
    finally:
        lab.cluster.request("PATCH", path, {"metadata": {"finalizers": None}})


def untaint(lab: CoreLab, node: str) -> None:
    lab.cluster.request("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": None}})


def message(lab: CoreLab, name: str, ip: str) -> str:
    return str(lab.record(name, ip).get("message"))


def runs_on(lab: CoreLab, pool: Pool, app: str) -> str:
    """The node on which the pod of a workload runs, ``""`` = none yet."""
    pods = lab.cluster.request(
        "GET", f"/api/v1/namespaces/default/pods?labelSelector=app={app}-{pool.label}"
    )["items"]
    return next((pod["spec"].get("nodeName", "") for pod in pods), "")


def test_harm_01_a_node_gets_an_address_once_its_agent_has_taken_the_taint_off(
    lab: CoreLab,
) -> None:
    pool, ips = lab.pool(2), lab.addresses(2)
    first, second = pool.names
    lab.taint(first, "node.cilium.io/agent-not-ready")
    name = lab.allocate(pool, ips)
    lab.wait_bound(name, ips[0], second)
    lab.wait_reason(name, ips[1], "NoEligibleNode")
    assert "starting up (tainted node.cilium.io/agent-not-ready)" in message(lab, name, ips[1])
    untaint(lab, first)
    lab.wait_bound(name, ips[1], first)


def test_harm_02_a_node_that_a_finalizer_holds_gets_no_address_and_gives_its_own_up(
    lab: CoreLab,
) -> None:
    pool, ips = lab.pool(3), lab.addresses(1)
    first, second, third = pool.names
    with being_deleted(lab, first):
        name = lab.allocate(pool, ips)
        lab.wait_bound(name, ips[0], second)
        with being_deleted(lab, second):
            lab.wait_bound(name, ips[0], third)


def test_harm_03_an_address_comes_to_a_tainted_node_once_the_workload_tolerates_it(
    lab: CoreLab,
) -> None:
    pool, ips = lab.pool(2), lab.addresses(2)
    first, second = pool.names
    lab.taint(first, CONTROL)
    app = lab.workload(pool, replicas=0)
    name = lab.allocate(pool, ips, workloadRef={"kind": "Deployment", "name": app})
    lab.wait_bound(name, ips[0], second)
    lab.wait_reason(name, ips[1], "NoEligibleNode")
    why = f"{first} tainted {CONTROL} (not tolerated by Deployment default/{app})"
    assert why in message(lab, name, ips[1])
    assert why in lab.condition(name, "Ready")["message"]
    tolerations = [{"key": CONTROL, "operator": "Exists"}]
    patch = {"spec": {"template": {"spec": {"tolerations": tolerations}}}}
    lab.cluster.request("PATCH", f"/apis/apps/v1/namespaces/default/deployments/{app}", patch)
    lab.wait_bound(name, ips[1], first)


def test_harm_04_a_scale_down_waits_for_the_pods(lab: CoreLab) -> None:
    pool, ips = lab.pool(2), lab.addresses(1)
    first, second = pool.names
    app = lab.workload(pool, node_selector={"pool": pool.label, "ip.ready": "true"})
    name = lab.allocate(pool, ips, workloadRef={"kind": "Deployment", "name": app})
    lab.wait_bound(name, ips[0], first)
    wait_for(lambda: runs_on(lab, pool, app) == first, PATIENCE, "its pod to run there")
    lab.taint(first, "karpenter.sh/disrupted")
    lab.wait_reason(name, ips[0], "WorkloadRunning")
    lab.cluster.kubectl("delete", "deployment", app)
    lab.wait_bound(name, ips[0], second)


def test_harm_05_a_daemon_set_does_not_hold_a_drain_up(lab: CoreLab) -> None:
    pool, ips = lab.pool(2), lab.addresses(1)
    first, second = pool.names
    app = lab.workload(pool, "DaemonSet")
    other = lab.workload(
        pool, name=f"other-{pool.label}", node_selector={"kubernetes.io/hostname": first}
    )
    labels = {"metadata": {"labels": {"kubernetes.io/hostname": first}}}
    lab.cluster.request("PATCH", f"/api/v1/nodes/{first}", labels)
    name = lab.allocate(pool, ips, workloadRef={"kind": "DaemonSet", "name": app})
    lab.wait_bound(name, ips[0], first)
    wait_for(lambda: runs_on(lab, pool, other) == first, PATIENCE, "another pod to run there")
    lab.cordon(first)
    lab.wait_reason(name, ips[0], "WorkloadRunning")
    assert "spec.failover.drain: Immediate" in message(lab, name, ips[0])
    lab.cluster.kubectl("drain", first, "--ignore-daemonsets", "--force", "--timeout=60s")
    lab.wait_bound(name, ips[0], second)
    assert first in lab.cluster.kubectl(
        "get", "pods", "-l", f"app={app}-{pool.label}", "-o", "wide"
    )
