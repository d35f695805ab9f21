"""The objects the demo puts into its cluster."""

from __future__ import annotations

import yaml

from e2e.demo.rights import CRDS, Object, controller_rights
from moorage_machine_ipam.rbac import RULES
from moorage_testing.cluster_api import ipam_crds
from moorage_testing.openshift import machine_crd

NAMESPACE = "openshift-machine-api"
CONTROLLER = "moorage-machine-ipam"
POOL = "workers"
ADDRESSES = 29
"""Of the pool: a /27 without its network, broadcast and gateway addresses."""
_SUBNET, _GATEWAY, _PREFIX = "10.77.0.0/27", "10.77.0.1", 27
_GROUP = "ipamcontroller.openshift.io"


def kinds() -> list[Object]:
    """Machines of OpenShift, Cluster API's claims, and our own."""
    return [*ipam_crds(), machine_crd(), *_own()]


def _own() -> list[Object]:
    return [yaml.safe_load(one.read_text("utf-8")) for one in sorted(CRDS.glob("ip*.yaml"))]


def objects() -> list[Object]:
    """The controller's rights, and a pool that Machines take their addresses from."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    spec = {"address-cidr": _SUBNET, "prefix": _PREFIX, "gateway": _GATEWAY}
    pool = {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "IPPool",
        "metadata": {"name": POOL, "namespace": NAMESPACE},
        "spec": spec,
    }
    return [*controller_rights(CONTROLLER, RULES), namespace, pool]


def machine_name(number: int) -> str:
    """Of equal length, so that they sort by number."""
    return f"worker-{number:02}"


def machine(number: int) -> Object:
    """A Machine of vSphere as OpenShift's documentation has it, with one device."""
    pool = {"group": _GROUP, "resource": "ippools", "name": POOL}
    network = {"devices": [{"networkName": "lab", "addressesFromPools": [pool]}]}
    return {
        "apiVersion": "machine.openshift.io/v1beta1",
        "kind": "Machine",
        "metadata": {"name": machine_name(number), "namespace": NAMESPACE},
        "spec": {"providerSpec": {"value": {"network": network}}},
    }
