"""The objects the demo puts into its cluster."""

from __future__ import annotations

import json

from e2e.demo.rights import Object, controller_rights
from moorage_danm.rbac import RULES
from moorage_testing.danm.ipam import fresh

GROUP = "danm.k8s.io"
NAMESPACE, NETWORK, NAME = "shop", "net", "web"
CONTROLLER = "moorage-danm"
ADDRESS, BIT = "10.88.0.5", 5
_CIDR = "10.88.0.0/24"
OUT_OF_SERVICE = {
    "key": "node.kubernetes.io/out-of-service",
    "value": "nodeshutdown",
    "effect": "NoExecute",
}


def objects() -> list[Object]:
    """The controller's rights, and a network."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [*controller_rights(CONTROLLER, RULES), namespace]


def network() -> Object:
    """A network of DANM; pods that ask for any address get one of its upper half."""
    pool = {"start": "10.88.0.128", "end": "10.88.0.254"}
    options = {"cidr": _CIDR, "allocation_pool": pool, "alloc": fresh(_CIDR)}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "DanmNet",
        "metadata": {"name": NETWORK, "namespace": NAMESPACE},
        "spec": {"NetworkID": NETWORK, "NetworkType": "ipvlan", "Options": options},
    }


def deployment() -> Object:
    """One replica with a static address."""
    labels = {"app": NAME}
    wanted = json.dumps([{"network": NETWORK, "ip": ADDRESS}])
    template = {
        "metadata": {"labels": labels, "annotations": {f"{GROUP}/interfaces": wanted}},
        "spec": {"containers": [{"name": "main", "image": "app"}]},
    }
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},
        "selector": {"matchLabels": labels},
        "template": template,
    }
    meta = {"name": NAME, "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
