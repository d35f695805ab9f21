"""The objects the demo puts into its cluster."""

from __future__ import annotations

import json
from typing import Final

from e2e.demo.rights import Object, controller_rights
from moorage_endpoints import names
from moorage_endpoints.nads.names import NETWORKS
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_endpoints.rbac import RULES
from moorage_testing.cni import nad_crd

NAMESPACE, NETWORK, NAME = "shop", "storage", "web"
CONTROLLER = "moorage-endpoints"
PODS: Final = 3
HANDOVER = {"metadata": {"annotations": {names.NETWORKS: NETWORK, names.MODE: "handover"}}}
_SUBNET = "192.168.7"
_LABELS = {"app": NAME}
_META = {"name": NAME, "namespace": NAMESPACE}
# The scheduler takes a pod only once Multus has done its part, which comes before it runs.
_GATE = "demo.moorage.dev/attached"


def kinds() -> list[Object]:
    """Those of others that this part needs."""
    return [nad_crd()]


def objects() -> list[Object]:
    """The controller's rights, and a namespace."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    return [*controller_rights(CONTROLLER, RULES), namespace]


def network() -> Object:
    """A net-attach-def whose network every node reaches."""
    config = {"cniVersion": "0.3.1", "type": "bridge", "bridge": "br-storage", "isGateway": True}
    notes = {names.NODE_ROUTABLE: "true"}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": NETWORK, "namespace": NAMESPACE, "annotations": notes},
        "spec": {"config": json.dumps(config)},
    }


def deployment() -> Object:
    """Pods that are in the network."""
    template = {
        "metadata": {"labels": _LABELS, "annotations": {NETWORKS: NETWORK}},
        "spec": {
            "containers": [{"name": "main", "image": "app"}],
            "schedulingGates": [{"name": _GATE}],
        },
    }
    spec = {"replicas": PODS, "selector": {"matchLabels": _LABELS}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _META, "spec": spec}


def service() -> Object:
    """A Service as users of Kubernetes write it."""
    spec = {"selector": _LABELS, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": _META, "spec": spec}


def attached(number: int) -> Object:
    """The merge patch of a pod whose network Multus has attached; ``number`` from 1 on."""
    address = f"{_SUBNET}.{number}"
    entry = {"name": f"{NAMESPACE}/{NETWORK}", "interface": "net1", "ips": [address], "dns": {}}
    notes = {STATUS_ANNOTATION: json.dumps([entry])}
    return {"metadata": {"annotations": notes}, "spec": {"schedulingGates": None}}
