"""The chart's admission policies refuse what RBAC would let the controller's account do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from core_lab import ACCOUNT, GROUP, CoreLab
from lab_policies import GONE, Refusal, api_of, refusal_of, tried
from lab_rights import PENDING

from moorage_core.decide.node_labels import IP_LABELS, READY_LABELS
from moorage_testing.cluster import KubectlError, Pod
from moorage_testing.waiting import PATIENCE, wait_for

NODE = "policed"
NODE_PATH = f"/api/v1/nodes/{NODE}"


@pytest.fixture(scope="module")
def refusal(lab: CoreLab) -> Iterator[Refusal]:
    """What the API server tells the controller's account, once the policies are in force.

    It is empty where it is allowed.
    """
    lab.cluster.add_nodes([NODE])
    token = lab.cluster.service_account_token(ACCOUNT)
    asked = refusal_of(api_of(lab.cluster, token))

    wait_for(lambda: tried(asked, NODE_PATH), PATIENCE, "the policies to be in force")
    yield asked
    lab.cluster.kubectl("delete", "node", NODE)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}, "own labels"),
        ({"metadata": {"annotations": {"example.com/a": "b"}}}, "own annotation"),
        ({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, "may add no taint"),
        ({"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}, "may add no taint"),
        ({"spec": {"unschedulable": True}}, "nothing else of a node"),
        ({"metadata": {"finalizers": ["example.com/f"]}}, "nothing else of a node"),
        # The garbage collector would delete the Node.
        ({"metadata": {"ownerReferences": [GONE]}}, "nothing else of a node"),
    ],
    ids=["label", "annotation", "taint", "no-execute", "cordon", "finalizer", "owner"],
)
def test_sec_06_of_a_node_it_may_change_nothing_else(
    refusal: Refusal, body: dict[str, Any], said: str
) -> None:
    assert said in refusal("PATCH", NODE_PATH, body)


def test_sec_06_labels_of_others_it_may_not_take_off(lab: CoreLab, refusal: Refusal) -> None:
    lab.cluster.kubectl("label", "node", NODE, "zone=a")
    assert "own labels" in refusal("PATCH", NODE_PATH, {"metadata": {"labels": {"zone": None}}})


def test_sec_04_under_the_protected_prefix_it_may_set_its_own_labels_only(
    refusal: Refusal,
) -> None:
    for key in ("moorage.node-restriction.kubernetes.io/a", "node-restriction.kubernetes.io/ip"):
        assert "own labels" in refusal("PATCH", NODE_PATH, {"metadata": {"labels": {key: "b"}}})


def test_its_own_labels_it_may_change(refusal: Refusal) -> None:
    for ready in ("true", None):
        labels = dict.fromkeys(READY_LABELS, ready) | dict.fromkeys(IP_LABELS, "203-0-113-1")
        annotations = {"moorage.dev/owner": "uid"}
        body = {"metadata": {"labels": labels, "annotations": annotations}}
        assert refusal("PATCH", NODE_PATH, body) == ""


def test_sec_06_only_a_taint_that_the_values_list_may_go(lab: CoreLab, refusal: Refusal) -> None:
    pending = {"key": PENDING, "effect": "NoSchedule"}
    own = {"key": "example.com/own", "effect": "NoSchedule"}
    lab.cluster.request("PATCH", NODE_PATH, {"spec": {"taints": [pending, own]}})
    said = refusal("PATCH", NODE_PATH, {"spec": {"taints": [pending]}})
    assert "core.policies.settledTaints" in said
    assert refusal("PATCH", NODE_PATH, {"spec": {"taints": [own]}}) == ""
    lab.cluster.request("PATCH", NODE_PATH, {"spec": {"taints": None}})


def evict(refusal: Refusal, namespace: str) -> str:
    meta = {"name": NODE, "namespace": namespace}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    return refusal("POST", f"/api/v1/namespaces/{namespace}/pods/{NODE}/eviction", body)


def test_sec_06_pods_leave_only_namespaces_that_allow_it(lab: CoreLab, refusal: Refusal) -> None:
    for namespace in ("default", "kube-system"):
        lab.cluster.create_pods([Pod(NODE, node=NODE, namespace=namespace)])
    assert evict(refusal, "default") == ""
    said = evict(refusal, "kube-system")
    assert "label it moorage.dev/evictions=allowed" in said
    assert "core.policies.evictions" in said
    lab.cluster.kubectl("delete", "pod", NODE, "-n", "kube-system", "--wait=false")


def test_sec_06_an_allocation_is_neither_changed_nor_let_go_by_force(
    lab: CoreLab, refusal: Refusal
) -> None:
    path = f"{GROUP}/{lab.allocate(lab.pool(0), ['203.0.113.9'], 'policed')}"
    abuses: list[dict[str, Any]] = [
        {"spec": {"reservedIPs": []}},
        {"metadata": {"labels": {"a": "b"}}},
        {"metadata": {"annotations": {"moorage.dev/force-release": "true"}}},
        {"metadata": {"finalizers": ["example.com/f"]}},
        # The garbage collector would delete it, and so release its addresses.
        {"metadata": {"ownerReferences": [GONE]}},
    ]
    for abuse in abuses:
        assert "only change its own finalizer" in refusal("PATCH", path, abuse)
    for finalizers in (["moorage.dev/release"], None):
        assert refusal("PATCH", path, {"metadata": {"finalizers": finalizers}}) == ""
    lab.delete("policed")


@pytest.mark.usefixtures("refusal")
def test_no_kubelet_says_that_it_has_an_address(lab: CoreLab) -> None:
    kubelet = lab.cluster.kubeconfig_for(user=f"system:node:{NODE}", groups=["system:nodes"])
    # Of two kubeconfigs the last one counts.
    label = ("label", "node", NODE, f"--kubeconfig={kubelet}", "--overwrite")
    with pytest.raises(KubectlError, match="only moorage-core may set these labels"):
        lab.cluster.kubectl(*label, "ip.ready=true")
    with pytest.raises(KubectlError, match="only moorage-core may set this annotation"):
        lab.cluster.kubectl("annotate", *label[1:], "moorage.dev/owner=me")
    lab.cluster.kubectl(*label, "zone=b")
