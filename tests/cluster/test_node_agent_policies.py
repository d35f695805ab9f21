"""The chart's admission policies hold an agent to the status and the Lease of its own node."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from lab_policies import Refusal, api_of, refusal_of
from lab_rights import rights, without_policies

from moorage_api.crds import crd
from moorage_api.ipclaim import DEFINITION as IPCLAIM
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for

NAMESPACE = "agent-policies"
CLAIM = "192-0-2-9-24"
CLAIMS = "/apis/ipcontroller.ext/v1/ipclaims"
STATUS = f"{CLAIMS}/{CLAIM}/status"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
NODE = "worker-1"
HELD = {"state": "Announced"}


def lease(name: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": {}}


def entry(node: str, value: dict[str, str] | None) -> dict[str, Any]:
    return {"status": {"nodes": {node: value}}}


@pytest.fixture(scope="module")
def account(cluster: EmbeddedCluster) -> Iterator[str]:
    """The token of an agent's pod on the node, which is held to what the chart gives it."""
    cluster.apply([crd(IPCLAIM)])
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    part = {"enabled": True, "fullnameOverride": "agent"}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    made = rights(NAMESPACE, {"core": {"enabled": False}, "nodeAgent": part})
    claim = {"apiVersion": "ipcontroller.ext/v1", "kind": "IpClaim", "metadata": {"name": CLAIM}}
    containers = [{"name": "agent", "image": "none"}]
    spec = {"serviceAccountName": "agent", "nodeName": NODE, "containers": containers}
    meta = {"name": "agent", "namespace": NAMESPACE}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    # Pods of a node that is not there are deleted.
    cluster.apply([node])
    cluster.apply([space, *made, {**claim, "spec": {"cidr": "192.0.2.9/24"}}])
    cluster.apply([pod, lease("moorage-external-ip"), lease("moorage-agent-worker-2")])
    other = '{"status": {"nodes": {"worker-2": {"state": "Announced"}}}}'
    patch = ("patch", "ipclaim", CLAIM, "--subresource=status", "--type=merge", "-p", other)
    cluster.kubectl(*patch)
    bound = ("--bound-object-kind=Pod", "--bound-object-name=agent")
    yield cluster.kubectl("create", "token", "agent", "-n", NAMESPACE, *bound).strip()
    without_policies(cluster, made)
    cluster.kubectl("delete", "ipclaim", CLAIM)
    cluster.kubectl("delete", "node", NODE)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def refusal(cluster: EmbeddedCluster, account: str) -> Refusal:
    """What the API server tells the agent, once the policies are in force.

    It is empty where it is allowed.
    """
    asked = refusal_of(api_of(cluster, account))

    tries = itertools.count()

    def abuse() -> str:
        # What is written already may be written again.
        return asked("PATCH", STATUS, entry("worker-3", {**HELD, "message": str(next(tries))}))

    wait_for(abuse, PATIENCE, "one policy to be in force")
    leader = f"{LEASES}/moorage-external-ip"

    def abuse_of_leader() -> str:
        foreign = {"metadata": {"annotations": {"tried": str(next(tries))}}}
        return asked("PATCH", leader, foreign)

    wait_for(abuse_of_leader, PATIENCE, "the other one, too")
    return asked


def test_it_writes_the_entry_of_its_own_node_and_no_other(refusal: Refusal) -> None:
    assert refusal("PATCH", STATUS, entry(NODE, HELD)) == ""
    assert refusal("PATCH", STATUS, entry(NODE, {"state": "Probing"})) == ""
    assert refusal("PATCH", STATUS, entry(NODE, None)) == ""
    said = "only write the entry of its own node"
    assert said in refusal("PATCH", STATUS, entry("worker-2", {"state": "Yielded"}))
    assert said in refusal("PATCH", STATUS, entry("worker-2", None))
    assert said in refusal("PATCH", STATUS, {"status": {"nodes": None}})


def test_conditions_are_not_its_own(refusal: Refusal) -> None:
    condition = {"type": "Ready", "status": "True", "reason": "Announced", "message": ""}
    condition["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    said = "only write status.nodes"
    assert said in refusal("PATCH", STATUS, {"status": {"conditions": [condition]}})
    assert said in refusal("PATCH", STATUS, {"status": {"observedGeneration": 7}})
    tried = [{"node": NODE, "state": "Refused"}]
    assert said in refusal("PATCH", STATUS, {"status": {"tried": tried}})


def test_it_writes_the_lease_of_its_own_node_and_no_other(refusal: Refusal) -> None:
    own = f"moorage-agent-{NODE}"
    assert refusal("POST", LEASES, lease(own)) == ""
    mark = {"metadata": {"annotations": {"moorage.dev/draining": "true"}}}
    assert refusal("PATCH", f"{LEASES}/{own}", mark) == ""
    assert refusal("DELETE", f"{LEASES}/{own}") == ""
    said = "only write the Lease of its own node"
    assert said in refusal("POST", LEASES, lease("moorage-agent-worker-9"))
    for name in ("moorage-agent-worker-2", "moorage-external-ip"):
        assert said in refusal("PATCH", f"{LEASES}/{name}", mark)
        assert said in refusal("DELETE", f"{LEASES}/{name}")
