"""EC2's descriptions mapped to Moorage's values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from moorage_provider.errors import MachineNotFound, MachineUnfit
from moorage_provider.protocol import CloudAddress, Labels, Machine, MachineHolder, OtherHolder
from moorage_provider.rows import text_of

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        AddressTypeDef,
        InstanceNetworkInterfaceTypeDef,
        InstanceTypeDef,
        TagTypeDef,
    )

Place: TypeAlias = tuple[str, str]
"""A network interface and one of its private addresses."""

# The "owner" of a public address that EC2 assigned from its pool when the instance started.
_AMAZON = "amazon"
# What ``ServiceManaged`` may say, for people.
_SERVICES = {
    "alb": "an Application Load Balancer",
    "igw-firewall": "a firewall at an internet gateway",
    "lambda-network-connector": "a network connector of Lambda",
    "nlb": "a Network Load Balancer",
    "rds": "a database of RDS",
    "rnat": "a regional NAT gateway",
}
_CLUSTER_TAGS = ("aws:eks:cluster-name", "eks:cluster-name")
_CLUSTER_PREFIX = "kubernetes.io/cluster/"


@dataclass(frozen=True, slots=True)
class AwsMachine(Machine):
    """An instance.

    Attributes:
        operator: the service that owns it, as EKS Auto Mode does its nodes: EC2 lets nobody else
            change its interfaces, whatever their rights. ``""`` = none does.
        subnet: of its first interface.
        vpc: of that subnet.
        dead_end: the route table of that subnet which leads to no internet gateway, ``""`` = it
            leads to one, as far as known.
    """

    operator: str = ""
    subnet: str = ""
    vpc: str = ""
    dead_end: str = ""


def ip(row: AddressTypeDef) -> str:
    """The address of a row: an Elastic IP, a carrier's (Wavelength) or a customer's (Outposts)."""
    # Only one of them is there: a carrier's address has no PublicIp.
    return row.get("PublicIp") or row.get("CarrierIp") or row["CustomerOwnedIp"]


def name_of(row: AddressTypeDef) -> str:
    """An address for people: its text, or its id where the text is not understood."""
    return text_of(row, ip) or row.get("AllocationId", "an address without a name")


def address(row: AddressTypeDef, own: Mapping[str, Place]) -> CloudAddress:
    """One row of ``DescribeAddresses``.

    Args:
        row: as EC2 describes it.
        own: the node's own private addresses by instance; those of some may be missing.
    """
    # A service keeps its addresses also while it uses them nowhere.
    token = row.get("AssociationId", "") or row.get("ServiceManaged", "")
    return CloudAddress(
        ip=ip(row),
        reference=row.get("AllocationId", ""),
        holder=_holder(row, own) if token else None,
        token=token,
        location=row.get("NetworkBorderGroup", ""),
        labels=labels(row),
    )


def labels(row: AddressTypeDef) -> Labels:
    """The tags of an address."""
    return frozenset((tag["Key"], tag["Value"]) for tag in row.get("Tags", ()))


def instance_of(row: AddressTypeDef) -> str:
    """The instance that has an address, ``""``: none, or a service has it."""
    return "" if row.get("ServiceManaged") else row.get("InstanceId", "")


def own_place(row: InstanceTypeDef) -> Place:
    """The node's own private address of an instance; with IPv6 only it has none, so none is it."""
    interface = _primary(row.get("NetworkInterfaces", ()))
    if interface is None:
        return "", ""
    return interface["NetworkInterfaceId"], interface.get("PrivateIpAddress", "")


def _holder(row: AddressTypeDef, own: Mapping[str, Place]) -> MachineHolder | OtherHolder:
    """Who has an associated address; only an instance of the same account is a machine."""
    interface = row.get("NetworkInterfaceId", "")
    service = row.get("ServiceManaged", "")
    if instance := instance_of(row):
        place = interface, row.get("PrivateIpAddress", "")
        misplaced = "" if own.get(instance, place) == place else " of ".join(reversed(place))
        return MachineHolder(instance, interface, misplaced)
    # NAT gateways and load balancers have interfaces without an instance; this row does not say
    # which of them it is.
    if not service:
        kind = "no EC2 instance, perhaps a NAT gateway"
        return OtherHolder(f"network interface {interface or 'unknown'} ({kind})")
    where = f", network interface {interface}" if interface else ""
    return OtherHolder(f"{_SERVICES.get(service, f'the AWS service {service}')}{where}")


def machine(row: InstanceTypeDef, location: str) -> AwsMachine:
    """One instance of ``DescribeInstances``.

    Raises ``MachineNotFound`` for one that is gone, ``MachineUnfit`` for one without IPv4.
    """
    instance_id = row["InstanceId"]
    state = row["State"]["Name"]
    if state == "terminated":
        raise MachineNotFound(f"instance {instance_id} is terminated", state)
    interface = _primary(row["NetworkInterfaces"])
    if interface is None:
        raise MachineUnfit(f"instance {instance_id} ({state}) has no network interface 0", state)
    private_ip = interface.get("PrivateIpAddress", "")
    if not private_ip:
        raise MachineUnfit(
            f"network interface 0 of instance {instance_id} has no private IPv4 address, which an"
            " Elastic IP needs: its subnet is one of IPv6 only"
        )
    public_ip, reserved = _public_ip(interface)
    return AwsMachine(
        machine_id=instance_id,
        interface_id=interface["NetworkInterfaceId"],
        private_ip=private_ip,
        running=state == "running",
        location=location,
        zone=row["Placement"].get("AvailabilityZone", ""),
        public_ip=public_ip,
        public_ip_reserved=reserved,
        cluster=_cluster(row.get("Tags", ())),
        operator=_operator(row),
        subnet=interface.get("SubnetId", ""),
        vpc=interface.get("VpcId", ""),
    )


def _operator(row: InstanceTypeDef) -> str:
    operator = row.get("Operator", {})
    return operator.get("Principal", "a service of AWS") if operator.get("Managed") else ""


def _primary(
    interfaces: Iterable[InstanceNetworkInterfaceTypeDef],
) -> InstanceNetworkInterfaceTypeDef | None:
    """The interface with the node's own address: the others belong to the CNI, for pods."""
    for interface in interfaces:
        place = interface["Attachment"]
        if place["DeviceIndex"] == 0 and place.get("NetworkCardIndex", 0) == 0:
            return interface
    return None


def _public_ip(interface: InstanceNetworkInterfaceTypeDef) -> tuple[str, bool]:
    """The public address on the primary private one, and whether it is an Elastic IP."""
    for private in interface["PrivateIpAddresses"]:
        association = private.get("Association")
        if private.get("Primary") and association:
            public_ip = (
                association.get("PublicIp")
                or association.get("CarrierIp")
                or association.get("CustomerOwnedIp", "")
            )
            return public_ip, association.get("IpOwnerId") != _AMAZON
    return "", False


def _cluster(tags: Iterable[TagTypeDef]) -> str:
    """The cluster an instance is tagged with, by EKS or by any cluster's own convention."""
    values = {tag["Key"]: tag["Value"] for tag in tags}
    for key in _CLUSTER_TAGS:
        if key in values:
            return values[key]
    marked = sorted(key for key in values if key.startswith(_CLUSTER_PREFIX))
    return marked[0].removeprefix(_CLUSTER_PREFIX) if marked else ""
