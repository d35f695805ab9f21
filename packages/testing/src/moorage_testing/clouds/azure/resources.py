"""The resources of the emulated subscription, as Azure Resource Manager describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import NAMESPACE_URL, uuid5

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = "moorage"
ADDRESS = "Microsoft.Network/publicIPAddresses"
INTERFACE = "Microsoft.Network/networkInterfaces"
MACHINE = "Microsoft.Compute/virtualMachines"
SCALE_SET = "Microsoft.Compute/virtualMachineScaleSets"
# Uniform scale sets have resources of their own kind, which the lists of the ordinary kinds do not
# show.
UNIFORM_MACHINE = f"{SCALE_SET}/virtualMachines"
UNIFORM_INTERFACE = f"{UNIFORM_MACHINE}/networkInterfaces"
UNIFORM_ADDRESS = f"{UNIFORM_INTERFACE}/ipConfigurations/publicIPAddresses"

Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource is.

    Attributes:
        location: the region.
        zones: availability zones, none = not bound to any.
    """

    location: str
    zones: tuple[str, ...] = ()


def identifier(kind: str, name: str, *, group: str = GROUP) -> str:
    """The id of a resource of a kind such as ``Microsoft.Network/publicIPAddresses``."""
    return f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/{kind}/{name}"


def public_address(resource_id: str, kind: str, ip: str, place: Place, *, sku: str) -> Row:
    """A public address that nobody has."""
    version = "IPv6" if ":" in ip else "IPv4"
    return _resource(resource_id, kind, place) | {
        "sku": {"name": sku, "tier": "Regional"},
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": _guid(resource_id),
            "ipAddress": ip,
            "publicIPAllocationMethod": "Static",
            "publicIPAddressVersion": version,
            "idleTimeoutInMinutes": 4,
        },
    }


def interface(resource_id: str, kind: str, machine: Row, private_ips: Sequence[str]) -> Row:
    """The primary interface of a machine; its first private address is the primary one."""
    row = _resource(resource_id, kind, Place(machine["location"])) | {
        "tags": {"owner": "platform"},
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": _guid(resource_id),
            "primary": True,
            "macAddress": "00-0D-3A-00-00-01",
            "enableAcceleratedNetworking": True,
            "enableIPForwarding": True,
            "dnsSettings": {"dnsServers": []},
            "networkSecurityGroup": {
                "id": identifier("Microsoft.Network/networkSecurityGroups", "nodes")
            },
            "virtualMachine": {"id": machine["id"]},
            "ipConfigurations": [],
        },
    }
    for number, private_ip in enumerate(private_ips, start=1):
        _add_configuration(row, number, private_ip)
    return row


def _add_configuration(interface_row: Row, number: int, private_ip: str) -> None:
    name = f"ipconfig{number}"
    pool = identifier("Microsoft.Network/loadBalancers", "kubernetes")
    subnet = identifier("Microsoft.Network/virtualNetworks", "nodes")
    interface_row["properties"]["ipConfigurations"].append(
        {
            "id": f"{interface_row['id']}/ipConfigurations/{name}",
            "name": name,
            "type": f"{INTERFACE}/ipConfigurations",
            "etag": "",
            "properties": {
                "provisioningState": "Succeeded",
                "primary": number == 1,
                "privateIPAddress": private_ip,
                "privateIPAllocationMethod": "Dynamic",
                "privateIPAddressVersion": "IPv4",
                "subnet": {"id": f"{subnet}/subnets/default"},
                "loadBalancerBackendAddressPools": [
                    {"id": f"{pool}/backendAddressPools/kubernetes"}
                ],
            },
        }
    )


def machine(resource_id: str, kind: str, place: Place, tags: Mapping[str, str]) -> Row:
    """A running machine; the id of its interface follows from its own."""
    return _resource(resource_id, kind, place) | {
        "tags": dict(tags),
        "properties": {
            "provisioningState": "Succeeded",
            "vmId": _guid(resource_id),
            "networkProfile": {
                "networkInterfaces": [
                    {"id": interface_id_of(resource_id), "properties": {"primary": True}}
                ]
            },
            "instanceView": {"statuses": []},
        },
    }


def set_power(machine_row: Row, power: str) -> None:
    """Set a machine to ``running`` or ``deallocated``."""
    machine_row["properties"]["instanceView"]["statuses"] = [
        {"code": "ProvisioningState/succeeded", "level": "Info"},
        {"code": f"PowerState/{power}", "level": "Info"},
    ]


def scale_set(resource_id: str, location: str, mode: str) -> Row:
    """A scale set: ``Uniform``, or ``Flexible`` whose machines are ordinary ones."""
    return _resource(resource_id, SCALE_SET, Place(location)) | {
        "properties": {"provisioningState": "Succeeded", "orchestrationMode": mode}
    }


def interface_id_of(machine_id: str) -> str:
    """The id of the one interface of an emulated machine."""
    if "/virtualMachineScaleSets/" in machine_id:
        return f"{machine_id}/networkInterfaces/nic"
    return identifier(INTERFACE, f"{machine_id.rpartition('/')[2]}-nic")


def _resource(resource_id: str, kind: str, place: Place) -> Row:
    row: Row = {
        "id": resource_id,
        "name": resource_id.rpartition("/")[2],
        "type": kind,
        "location": place.location,
    }
    return row | ({"zones": list(place.zones)} if place.zones else {})


def _guid(resource_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, resource_id))
