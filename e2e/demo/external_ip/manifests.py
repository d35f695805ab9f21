"""The objects the demo puts into its cluster."""

from __future__ import annotations

import yaml

from e2e.demo.rights import CRDS, Object, controller_rights
from moorage_external_ip.rbac import RULES as CONTROLLER_RULES
from moorage_node_agent.rbac import RULES as AGENT_RULES

NAMESPACE = "default"
CONTROLLER, AGENT = "moorage-external-ip", "moorage-node-agent"
SERVICE = "web"
PORT = 7000
_GROUP = "ipcontroller.ext"
# Of the lab's network, and no station's own.
_POOL = "10.99.8.0/28"


def kinds() -> list[Object]:
    """Those of this part."""
    files = (*CRDS.glob(f"*.{_GROUP}.yaml"), *CRDS.glob("ipallocations.*.yaml"))
    return [yaml.safe_load(one.read_text("utf-8")) for one in sorted(files)]


def objects() -> list[Object]:
    """The rights of both programs, and a pool."""
    pool = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "IpClaimPool",
        "metadata": {"name": "demo"},
        "spec": {"cidr": _POOL},
    }
    return [
        *controller_rights(CONTROLLER, CONTROLLER_RULES),
        *controller_rights(AGENT, AGENT_RULES),
        pool,
    ]


def service() -> Object:
    """A Service that asks for an address."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "namespace": NAMESPACE},
        "spec": {
            "type": "LoadBalancer",
            "loadBalancerClass": "moorage.dev/external-ip",
            "selector": {"app": SERVICE},
            "ports": [{"port": PORT, "protocol": "UDP"}],
        },
    }
