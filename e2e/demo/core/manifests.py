"""The objects the demo puts into its cluster."""

from __future__ import annotations

from e2e.demo.core.cloud import ADDRESSES, Cloud
from e2e.demo.core.options import Options
from e2e.demo.rights import Object

NAMESPACE = "demo"
READY_LABEL = "moorage.node-restriction.kubernetes.io/ip.ready"
CONTROLLER = "moorage-core"


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
