"""Compute Engine's descriptions mapped to Moorage's values."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moorage_provider.errors import MachineUnfit
from moorage_provider.protocol import CloudAddress, Labels, Machine, MachineHolder, OtherHolder
from moorage_provider.rows import labels_of, text_of
from moorage_provider_gcp.identity import InZone, machine_id_of, path

if TYPE_CHECKING:
    from google.cloud.compute_v1 import AccessConfig, Address, Instance, NetworkInterface

PREMIUM = "PREMIUM"
RUNNING = "RUNNING"
# Labels that name the cluster of a node: those of GKE and kOps in their value, those of OpenShift
# and Cluster API in their key.
_CLUSTER_LABELS = ("goog-k8s-cluster-name", "k8s-io-cluster-name")
_CLUSTER_PREFIXES = ("kubernetes-io-cluster-", "capg-cluster-")


@dataclass(frozen=True, slots=True)
class GcpAddress(CloudAddress):
    """A reserved external address.

    The token is the link of its user. The link has only the instance's name: a recreated instance
    with the same name and address has the same token.

    Attributes:
        tier: the network tier, which an access config must name.
        unfit: why no instance can hold it, ``""``: instances can.
    """

    tier: str = ""
    unfit: str = ""


@dataclass(frozen=True, slots=True)
class GcpMachine(Machine):
    """An instance.

    Neither it nor ``MachineHolder`` names an interface: an address names only its instance.

    Attributes:
        number: the numeric id, which another instance of the same name does not have. Mutations use
            it, so that the cloud refuses to change another instance.
        empty_config: its interface has an access config without an address, which is in the way of
            another one.
        no_ipv4: why its interface can hold no IPv4 address, ``""`` = it can.
        no_ipv6: the same for IPv6.
    """

    number: str = ""
    empty_config: bool = False
    no_ipv4: str = ""
    no_ipv6: str = ""


def ip(row: Address) -> str:
    """The address itself, in canonical text; ``""``: it is being reserved and has none yet."""
    return str(ipaddress.ip_address(row.address)) if row.address else ""


def reserves(row: Address, wanted: str, machine_id: str) -> bool:
    """Whether a row reserves an address of an instance; one that is not understood may be its."""
    text = text_of(row, ip)
    return machine_id in map(machine_id_of, row.users) if text is None else text == wanted


def address(row: Address) -> GcpAddress:
    """One row of a list of addresses."""
    users = tuple(row.users)
    # Google does not name every user, but the address is in use.
    token = " ".join(users) or (row.status if row.status == "IN_USE" else "")
    return GcpAddress(
        ip=ip(row),
        reference=path(row.self_link),
        holder=_holder(users) if token else None,
        token=token,
        # A global address has no region, so no instance is in its location.
        location=row.region.rpartition("/")[2] or "global",
        tier=row.network_tier,
        unfit=_unfit(row),
        labels=labels(row),
    )


def labels(row: Address) -> Labels:
    """The labels of an address."""
    return labels_of(row.labels)


def _holder(users: tuple[str, ...]) -> MachineHolder | OtherHolder:
    found = machine_id_of(users[0]) if len(users) == 1 else None
    if found:
        return MachineHolder(found)
    return OtherHolder(" and ".join(map(path, users)) or "something that Google does not name")


def _unfit(row: Address) -> str:
    if row.purpose:
        return f"it is reserved for {row.purpose}"
    if row.ip_version == "IPV6" and row.ipv6_endpoint_type == "NETLB":
        return "it is reserved for load balancers"
    if row.ip_version == "IPV6" and row.network_tier not in ("", PREMIUM):
        return f"its network tier is {row.network_tier}, and IPv6 is {PREMIUM} only"
    return ""


def machine(row: Instance, vm: InZone, nic_name: str, *, reserved: bool) -> GcpMachine:
    """One instance.

    Args:
        row: as the cloud describes it.
        vm: what was asked for.
        nic_name: the interface that gets addresses.
        reserved: whether its public address is a reserved one.
    """
    nic = interface(row, nic_name)
    public_ip = nat_ip(nic)
    return GcpMachine(
        machine_id=f"{vm.project}/{vm.zone}/{vm.name}",
        interface_id="",
        private_ip=nic.network_i_p or nic.ipv6_address,
        running=row.status == RUNNING,
        location=vm.region,
        zone=vm.zone,
        public_ip=public_ip,
        public_ip_reserved=reserved,
        cluster=_cluster(row.labels),
        number=str(row.id),
        empty_config=access_config(nic) is not None and not public_ip,
        no_ipv4="it is of IPv6 only" if nic.stack_type == "IPV6_ONLY" else "",
        no_ipv6=_no_ipv6(nic),
    )


def interface(row: Instance, name: str) -> NetworkInterface:
    """One interface of an instance. Raises ``MachineUnfit``."""
    for nic in row.network_interfaces:
        if nic.name == name:
            return nic
    raise MachineUnfit(f"instance {row.name} has no network interface {name}")


def access_config(nic: NetworkInterface) -> AccessConfig | None:
    """The access config with an interface's public IPv4 address; there is at most one."""
    return next(iter(nic.access_configs), None)


def nat_ip(nic: NetworkInterface) -> str:
    """The public IPv4 address of an interface, ``""`` = none."""
    config = access_config(nic)
    return config.nat_i_p if config else ""


def ipv6(nic: NetworkInterface) -> str:
    """The first address of an interface's external IPv6 range, ``""`` = none."""
    for config in nic.ipv6_access_configs:
        if config.external_ipv6:
            return str(ipaddress.ip_address(config.external_ipv6))
    return ""


def holding(row: Instance, wanted: str) -> NetworkInterface | None:
    """The interface of an instance that has an address; ``None``: no interface has it."""
    for nic in row.network_interfaces:
        if wanted in (nat_ip(nic), ipv6(nic)):
            return nic
    return None


def _no_ipv6(nic: NetworkInterface) -> str:
    if nic.ipv6_access_type == "INTERNAL":
        return "the IPv6 of its subnetwork is internal"
    return ""


def _cluster(labels: Mapping[str, str]) -> str:
    """The cluster an instance is labelled with, ``""`` = none."""
    for label in _CLUSTER_LABELS:
        if label in labels:
            return labels[label]
    return next(_clusters_in_names(labels), "")


def _clusters_in_names(labels: Mapping[str, str]) -> Iterator[str]:
    for label in sorted(labels):
        for prefix in _CLUSTER_PREFIXES:
            if label.startswith(prefix):
                yield label.removeprefix(prefix)
