"""The objects the demo puts into its cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from e2e.demo.cloud import ADDRESSES, Cloud
from e2e.demo.options import Options
from moorage_core.rbac import RULES
from moorage_domain.rbac import cluster_role, role

CRDS = Path(__file__).parents[2] / "crds"
NAMESPACE = "demo"
READY_LABEL = "ip.ready"
CONTROLLER = "moorage-core"
CONTROLLER_NAMESPACE = "moorage-system"

_RBAC = "rbac.authorization.k8s.io"

Object = dict[str, Any]


def controller_rights() -> list[Object]:
    """The controller's own ClusterRole and Role, bound to its ServiceAccount and nothing else."""
    objects = []
    for one in (cluster_role(CONTROLLER, RULES), role(CONTROLLER, RULES)):
        place = {} if one["kind"] == "ClusterRole" else {"namespace": CONTROLLER_NAMESPACE}
        one["metadata"] |= place
        binding = {
            "apiVersion": one["apiVersion"],
            "kind": f"{one['kind']}Binding",
            "metadata": {"name": CONTROLLER} | place,
            "roleRef": {"apiGroup": _RBAC, "kind": one["kind"], "name": CONTROLLER},
            "subjects": [
                {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": CONTROLLER_NAMESPACE}
            ],
        }
        objects += [one, binding]
    return objects


def pool(cloud: Cloud) -> dict[str, str]:
    """The label of the nodes that are instances of one cloud."""
    return {"pool": cloud.name}


def workload(cloud: Cloud) -> list[Object]:
    """Two pods that run only where an address is, never both on one node."""
    name = _workload_name(cloud)
    labels = {"app": name}
    where_an_address_is = {"key": READY_LABEL, "operator": "In", "values": ["true"]}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [where_an_address_is]}]
            }
        },
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": labels}}
            ]
        },
    }
    pod = {"affinity": affinity, "containers": [{"name": "shop", "image": "shop"}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": len(ADDRESSES),
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [namespace, deployment]


def allocation(cloud: Cloud, region: str, options: Options) -> Object:
    """Two addresses for the nodes of the pool, needed by the workload."""
    return {
        "apiVersion": "netinfra.darkbrains.com/v1alpha1",
        "kind": "NetIPAllocation",
        "metadata": {"name": cloud.name},
        "spec": {
            "reservedIPs": list(ADDRESSES),
            "nodeSelector": pool(cloud),
            "workloadRef": {
                "kind": "Deployment",
                "name": _workload_name(cloud),
                "namespace": NAMESPACE,
            },
            "cloud": {"provider": cloud.name, "region": region},
            "reconcileInterval": 5,
            "failover": {"notReadySeconds": options.not_ready_seconds},
        },
    }


def _workload_name(cloud: Cloud) -> str:
    return f"shop-{cloud.name}"
