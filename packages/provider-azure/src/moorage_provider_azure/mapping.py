"""Azure's descriptions mapped to Moorage's values."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage_provider import rows
from moorage_provider.errors import MachineUnfit
from moorage_provider.protocol import CloudAddress, Labels, Machine, MachineHolder, OtherHolder
from moorage_provider_azure.identity import interface_of, is_uniform, part

if TYPE_CHECKING:
    from azure.mgmt.compute.models import VirtualMachine, VirtualMachineScaleSetVM
    from azure.mgmt.network.models import (
        NetworkInterface,
        NetworkInterfaceIPConfiguration,
        PublicIPAddress,
    )

MACHINE_TAG = "moorage-machine"
"""A tag on an interface that holds an address: the machine's id, needed once it is deleted."""

# Of AKS, of Karpenter's nodes there; a machine of AKS may have only others of AKS's tags.
_CLUSTER_TAGS = ("aks-managed-cluster-name", "karpenter.azure.com_cluster")
_AKS = "aks-managed-"
# Of cloud-provider-azure, of OpenShift and of Cluster API; Azure's tags cannot hold a slash.
_CLUSTER_PREFIXES = (
    "kubernetes.io_cluster_",
    "kubernetes.io_cluster.",
    "sigs.k8s.io_cluster-api-provider-azure_cluster_",
)


@dataclass(frozen=True, slots=True)
class AzureAddress(CloudAddress):
    """A public address with what ``check`` must know of it.

    Attributes:
        zones: the availability zones it can be used in, none = not bound to any.
        unfit: why no machine can hold it, ``""``: machines can.
    """

    zones: tuple[str, ...] = ()
    unfit: str = ""


def lower(resource_id: str | None) -> str:
    """A resource id as it is compared."""
    return (resource_id or "").lower()


def canonical(ip: str) -> str:
    """An address as text in its one spelling."""
    return str(ipaddress.ip_address(ip))


def location(name: str | None) -> str:
    """A region as ids have it: the older API says ``West Europe``."""
    return (name or "").replace(" ", "").lower()


def address(row: PublicIPAddress, interfaces: Mapping[str, NetworkInterface]) -> AzureAddress:
    """One public address that has been allocated.

    Args:
        row: as ``publicIPAddresses.get`` and its lists describe it.
        interfaces: the interfaces that may hold it, by id in lower case.
    """
    holder, token = _holder(row, interfaces)
    return AzureAddress(
        ip=ip(row),
        reference=lower(row.id),
        holder=holder,
        token=token,
        location=location(row.location),
        zones=tuple(row.zones or ()),
        unfit=_unfit(row),
        labels=labels(row),
    )


def labels(row: PublicIPAddress) -> Labels:
    """The tags of an address."""
    return rows.labels_of(row.tags)


def ip(row: PublicIPAddress) -> str:
    """The address of a row, ``""``: one that is allocated only when it is used has none yet."""
    return canonical(row.ip_address) if row.ip_address else ""


def text_of(row: PublicIPAddress) -> str | None:
    """The address of a row, ``""``: it has none yet; ``None``: it is not understood."""
    return rows.text_of(row, ip)


def held_by_interface(row: PublicIPAddress) -> str:
    """The network interface that an address is on, ``""`` = it is on none."""
    return interface_of(row.ip_configuration.id) if row.ip_configuration else ""


def _holder(
    row: PublicIPAddress, interfaces: Mapping[str, NetworkInterface]
) -> tuple[MachineHolder | OtherHolder | None, str]:
    if row.nat_gateway:
        return OtherHolder(f"NAT gateway {row.nat_gateway.id}"), lower(row.nat_gateway.id)
    if not row.ip_configuration:
        return None, ""
    place, interface_id = lower(row.ip_configuration.id), held_by_interface(row)
    if is_uniform(place):
        machine_id = interface_id.partition("/networkinterfaces/")[0]
        return MachineHolder(machine_id, interface_id), f"{place} {row.resource_guid or ''}"
    interface = interfaces.get(interface_id)
    if interface is None:
        return OtherHolder(f"resource {row.ip_configuration.id}"), place
    holder = MachineHolder(machine_of(interface), interface_id, _misplaced(place, interface))
    return holder, token(place, interface)


def _misplaced(place: str, interface: NetworkInterface) -> str:
    """The ipConfiguration that has an address, if it is not the one of the node's own address."""
    parts: Sequence[NetworkInterfaceIPConfiguration] = interface.ip_configurations or ()
    others = [lower(one.id) for one in parts if len(parts) > 1 and not one.primary]
    # Only of a machine's interface it is known whether it is the first one.
    second = bool(interface.virtual_machine) and interface.primary is False
    return place.partition("/networkinterfaces/")[2] if second or place in others else ""


def token(configuration_id: str | None, interface: NetworkInterface) -> str:
    """What distinguishes one binding from the next: ipConfiguration, interface GUID, machine.

    A recreated interface with the old name is another one: only its GUID shows that.
    """
    guid = interface.resource_guid or ""
    return f"{lower(configuration_id)} {guid} {machine_of(interface)}"


def machine_of(interface: NetworkInterface) -> str:
    """The machine of an interface.

    A deleted machine leaves its interface, and the address on it. The tag that the interface got
    with the address still names that machine. Without a tag the machine is unknown, and the
    interface's own id stands for a machine that does not exist.
    """
    if interface.virtual_machine:
        return lower(interface.virtual_machine.id)
    return (interface.tags or {}).get(MACHINE_TAG) or lower(interface.id)


def _unfit(row: PublicIPAddress) -> str:
    sku: Mapping[str, str] = row.sku or {}
    if sku.get("name", "Standard") != "Standard":
        return f"has the SKU {sku['name']}, machines are given addresses of the SKU Standard"
    if sku.get("tier") == "Global":
        return "is a Global address, which only load balancers can have"
    if row.public_ip_allocation_method == "Dynamic":
        return "is allocated dynamically and would be another one once it is detached"
    if row.public_ip_address_version == "IPv6":
        return "is an IPv6 address, machines are given them on their primary private IPv4 address"
    return ""


def primary(interface: NetworkInterface) -> NetworkInterfaceIPConfiguration:
    """The ipConfiguration with the node's own address. Raises ``MachineUnfit``."""
    parts: Sequence[NetworkInterfaceIPConfiguration] = interface.ip_configurations or ()
    for one in parts:
        if one.primary or len(parts) == 1:
            return one
    raise MachineUnfit(f"network interface {interface.name} has no primary ipConfiguration")


def holding(interface: NetworkInterface, reference: str) -> NetworkInterfaceIPConfiguration | None:
    """The ipConfiguration that a public address is on, ``None`` = it is not on this interface."""
    parts: Sequence[NetworkInterfaceIPConfiguration] = interface.ip_configurations or ()
    return next((one for one in parts if address_id(one) == reference), None)


def address_id(configuration: NetworkInterfaceIPConfiguration) -> str:
    """The public address of an ipConfiguration in lower case, ``""`` = it has none."""
    return lower(configuration.public_ip_address.id) if configuration.public_ip_address else ""


def interface_id(row: VirtualMachine | VirtualMachineScaleSetVM) -> str:
    """The primary network interface of a machine, in lower case. Raises ``MachineUnfit``."""
    interfaces = (row.network_profile.network_interfaces if row.network_profile else None) or []
    for one in interfaces:
        if one.primary or len(interfaces) == 1:
            return lower(one.id)
    raise MachineUnfit(f"machine {row.name} has no primary network interface")


def machine(
    row: VirtualMachine | VirtualMachineScaleSetVM, interface: NetworkInterface, public_ip: str
) -> Machine:
    """A machine with its primary interface and the public address on that, ``""`` = none."""
    return Machine(
        machine_id=lower(row.id),
        interface_id=lower(interface.id),
        private_ip=primary(interface).private_ip_address or "",
        running=_is_running(row) and row.provisioning_state != "Deleting",
        location=location(row.location),
        zone=next(iter(row.zones or ()), ""),
        public_ip=public_ip,
        # Azure has no ephemeral ones: every public address is somebody's resource.
        public_ip_reserved=bool(public_ip),
        cluster=_cluster(row.tags or {}, part(row.id or "", "resourcegroups")),
    )


def _is_running(row: VirtualMachine | VirtualMachineScaleSetVM) -> bool:
    statuses = (row.instance_view.statuses if row.instance_view else None) or []
    return any(status.code == "PowerState/running" for status in statuses)


def _cluster(tags: Mapping[str, str], group: str) -> str:
    """The cluster that a machine is tagged with, by AKS or by any cluster's own convention."""
    values = {name.lower(): value for name, value in tags.items()}
    named = next((values[name] for name in _CLUSTER_TAGS if values.get(name)), "")
    named = named or next(_clusters_in_tags(sorted(tags)), "")
    of_aks = any(name.startswith(_AKS) for name in values)
    return named or (f"{group} (AKS)" if of_aks else "")


def _clusters_in_tags(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        for prefix in _CLUSTER_PREFIXES:
            if name.lower().startswith(prefix):
                yield name[len(prefix) :]
