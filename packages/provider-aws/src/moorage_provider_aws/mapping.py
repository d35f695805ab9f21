"""EC2's descriptions mapped to Moorage's values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from moorage_provider.errors import MachineNotFound, MachineUnfit
from moorage_provider.protocol import CloudAddress, Machine, MachineHolder, OtherHolder

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import (
        AddressTypeDef,
        InstanceNetworkInterfaceTypeDef,
        InstanceTypeDef,
        TagTypeDef,
    )

# The "owner" of a public address that EC2 assigned from its pool when the instance started.
_AMAZON = "amazon"
_CLUSTER_TAGS = ("aws:eks:cluster-name", "eks:cluster-name")
_CLUSTER_PREFIX = "kubernetes.io/cluster/"


def address(row: AddressTypeDef) -> CloudAddress:
    """One row of ``DescribeAddresses``."""
    token = row.get("AssociationId", "")
    return CloudAddress(
        ip=row["PublicIp"],
        reference=row.get("AllocationId", ""),
        holder=_holder(row) if token else None,
        token=token,
        location=row.get("NetworkBorderGroup", ""),
    )


def _holder(row: AddressTypeDef) -> MachineHolder | OtherHolder:
    """Who has an associated address; only an instance of the same account is a machine."""
    interface = row.get("NetworkInterfaceId", "")
    instance = row.get("InstanceId", "")
    service = row.get("ServiceManaged", "")
    if instance and not service:
        return MachineHolder(instance, interface)
    # NAT gateways and load balancers have interfaces without an instance; this row does not say
    # which of them it is.
    kind = f"AWS service {service}" if service else "no EC2 instance, perhaps a NAT gateway"
    return OtherHolder(f"network interface {interface or 'unknown'} ({kind})")


def machine(row: InstanceTypeDef, location: str) -> Machine:
    """One instance of ``DescribeInstances``.

    Raises ``MachineNotFound`` for one that is gone, ``MachineUnfit`` for one without a network.
    """
    instance_id = row["InstanceId"]
    state = row["State"]["Name"]
    if state == "terminated":
        raise MachineNotFound(f"instance {instance_id} is terminated", state)
    interface = _primary(row["NetworkInterfaces"])
    if interface is None:
        raise MachineUnfit(f"instance {instance_id} ({state}) has no network interface 0", state)
    public_ip, reserved = _public_ip(interface)
    return Machine(
        machine_id=instance_id,
        interface_id=interface["NetworkInterfaceId"],
        private_ip=interface["PrivateIpAddress"],
        running=state == "running",
        location=location,
        zone=row["Placement"].get("AvailabilityZone", ""),
        public_ip=public_ip,
        public_ip_reserved=reserved,
        cluster=_cluster(row.get("Tags", ())),
    )


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
            # A Wavelength zone's address is its carrier's.
            ip = association.get("PublicIp") or association.get("CarrierIp", "")
            return ip, association.get("IpOwnerId") != _AMAZON
    return "", False


def _cluster(tags: Iterable[TagTypeDef]) -> str:
    """The cluster an instance is tagged with, by EKS or by any cluster's own convention."""
    values = {tag["Key"]: tag["Value"] for tag in tags}
    for key in _CLUSTER_TAGS:
        if key in values:
            return values[key]
    marked = sorted(key for key in values if key.startswith(_CLUSTER_PREFIX))
    return marked[0].removeprefix(_CLUSTER_PREFIX) if marked else ""
