"""Nodes, pods and rights as tests state them, and the objects they become."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from moorage_testing.cluster.control_plane import KUBELET_LABEL, KUBELET_RUNS

# Nothing is ever pulled: nobody runs containers here.
IMAGE = "fake"
CAPACITY = {"cpu": "1k", "memory": "1Ti", "pods": "10k", "ephemeral-storage": "100Gi"}


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint of a node."""

    key: str
    effect: str = "NoSchedule"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A node to be added: Ready from the start."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    provider_id: str | None = None
    taints: tuple[Taint, ...] = ()
    internal_ip: str | None = None
    """One of its own is chosen if None."""
    heartbeat: bool = True
    """Whether a fake kubelet keeps it Ready; else it turns Unknown after the grace period."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller a pod belongs to."""

    kind: str
    name: str
    uid: str
    api_version: str = "apps/v1"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod to be created; a fake kubelet runs it."""

    name: str
    namespace: str = "default"
    node: str | None = None
    """The node it is bound to from the start; the scheduler chooses if None."""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    owner: Owner | None = None


def node_object(node: Node, internal_ip: str, now: str) -> dict[str, Any]:
    """Return the Node, with the status a kubelet registers: the API takes it on creation."""
    labels = {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        **({KUBELET_LABEL: KUBELET_RUNS} if node.heartbeat else {}),
        **node.labels,
    }
    taints = [
        {"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in node.taints
    ]
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "fake kubelet is ready",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": labels,
            "annotations": dict(node.annotations),
        },
        "spec": {
            "taints": taints,
            **({"providerID": node.provider_id} if node.provider_id is not None else {}),
        },
        "status": {
            # kwok leaves a node alone that is in this phase and Ready, but for its heartbeat.
            "phase": "Running",
            "conditions": [condition],
            "addresses": [
                {"type": "InternalIP", "address": internal_ip},
                {"type": "Hostname", "address": node.name},
            ],
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
        },
    }


def pod_object(pod: Pod) -> dict[str, Any]:
    """Return the Pod."""
    metadata: dict[str, Any] = {
        "name": pod.name,
        "namespace": pod.namespace,
        "labels": dict(pod.labels),
        "annotations": dict(pod.annotations),
    }
    if pod.owner is not None:
        metadata["ownerReferences"] = [
            {
                "apiVersion": pod.owner.api_version,
                "kind": pod.owner.kind,
                "name": pod.owner.name,
                "uid": pod.owner.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]
    spec: dict[str, Any] = {"containers": [{"name": "main", "image": IMAGE}]}
    if pod.node is not None:
        spec["nodeName"] = pod.node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def granted(rules: Mapping[str, Any], full_name: str) -> Iterator[dict[str, Any]]:
    """A Role or ClusterRole, with its binding to the account ``namespace/name``.

    A Role is put into the account's namespace.
    """
    namespace, account = full_name.split("/")
    place = {} if rules["kind"] == "ClusterRole" else {"namespace": namespace}
    name = rules["metadata"]["name"]
    yield {**rules, "metadata": {"name": name, **place}}
    yield {
        "apiVersion": rules["apiVersion"],
        "kind": f"{rules['kind']}Binding",
        "metadata": {"name": name, **place},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": rules["kind"], "name": name,
        },
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }  # fmt: skip


def cluster_role_of(name: str, *rules: Mapping[str, Any]) -> dict[str, Any]:
    """A ClusterRole of rules as the API has them."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name}, "rules": list(rules),
    }  # fmt: skip
