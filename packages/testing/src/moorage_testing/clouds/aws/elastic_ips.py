"""Elastic IPs as EC2 treats them, as functions over moto's objects.

moto stores which interface an address is associated with; this module stores which of its private
addresses, and what outdated reads still show.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.utils import generate_dns_from_ip, random_eip_association_id

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.elastic_ip_addresses import ElasticAddress
    from moto.ec2.models.elastic_network_interfaces import NetworkInterface
    from moto.ec2.models.instances import Instance as MotoInstance

# What moto's class has no field for; kept in the instance's own dictionary.
_PRIVATE_IP = "moorage_private_ip"
BORDER_GROUP = "moorage_border_group"
SERVICE = "moorage_service"
SHOWN_AS = "moorage_shown_as"


@dataclass(slots=True)
class Consistency:
    """How long DescribeAddresses answers with the state before a change.

    Attributes:
        stale_reads: this many reads after a change still show the old association.
        late: by allocation: the old row and how many reads will still show it.
        unlisted: instances that lists do not show yet.
    """

    stale_reads: int = 0
    late: dict[str, tuple[ElasticAddress, int]] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)

    def changing(self, eip: ElasticAddress) -> None:
        """Keep a row as it is now for outdated reads; called before it changes."""
        if self.stale_reads > 0 and eip.allocation_id is not None:
            self.late[eip.allocation_id] = (copy.copy(eip), self.stale_reads)

    def view(self, addresses: list[ElasticAddress]) -> list[ElasticAddress]:
        """These rows as the next read shows them."""
        visible = [self.late.get(eip.allocation_id or "", (eip, 0))[0] for eip in addresses]
        self.late = {key: (row, left - 1) for key, (row, left) in self.late.items() if left > 1}
        return visible


CONSISTENCY = Consistency()


def refuse(code: str, message: str) -> NoReturn:
    """Answer with an error of EC2's."""
    raise EC2ClientError(code, message)


def refuse_managed(instance: MotoInstance) -> None:
    """Refuse a change of an instance that a service owns, as EKS Auto Mode does its nodes."""
    if vars(instance).get("operator"):
        # "Regardless of the IAM identity and its permissions", says the security overview of EKS
        # Auto Mode; aws/containers-roadmap#2834 met it with AssociateAddress.
        refuse(
            "UnauthorizedOperation",
            "You are not authorized to perform this operation: ec2:AssociateAddress on resource"
            f" {instance.id} with an explicit deny in a resource-based policy",
        )


def private_ip(eip: ElasticAddress) -> str | None:
    """The private address an Elastic IP is associated with, ``None`` = it is free."""
    text: str | None = vars(eip).get(_PRIVATE_IP)
    return text


def interface_of(eip: ElasticAddress) -> NetworkInterface | None:
    """The interface that has an address, ``None`` = it is free."""
    # moto declares the field as if it were always None.
    interface: NetworkInterface | None = vars(eip)["eni"]
    return interface


def holder_of(eip: ElasticAddress) -> MotoInstance | None:
    """The instance that has an address, ``None`` = none."""
    interface = interface_of(eip)
    return interface.instance if interface else None


def on_private_ip(interface: NetworkInterface, text: str | None) -> ElasticAddress | None:
    """The Elastic IP that is associated with this private address of an interface."""
    addresses: list[ElasticAddress] = interface.ec2_backend.addresses
    for eip in addresses:
        if interface_of(eip) is interface and private_ip(eip) == text:
            return eip
    return None


def associate(eip: ElasticAddress, interface: NetworkInterface, text: str | None) -> None:
    """Associate an address with a private one, whoever had either before."""
    displaced = on_private_ip(interface, text)
    if displaced is not None and displaced is not eip:
        disassociate(displaced)
    CONSISTENCY.changing(eip)
    _unlink(eip)
    vars(eip).update(
        eni=interface,
        instance=interface.instance,
        association_id=random_eip_association_id(),
        **{_PRIVATE_IP: text},
    )
    if text == interface.private_ip_address:
        interface.public_ip = eip.public_ip


def is_primary(interface: NetworkInterface) -> bool:
    """Whether an interface is the first one of a running instance."""
    instance = interface.instance
    if instance is None or instance.state != "running":
        return False
    return bool(instance.network_interfaces[0] is interface)


def is_lent_one(interface: NetworkInterface) -> bool:
    """Whether EC2 lends an interface a public address that asks for one.

    Not where the instance has a second interface, nor where one of its secondary private addresses
    has an Elastic IP (EC2 User Guide, "Public IPv4 addresses").
    """
    if interface.instance is None:
        return True
    if len(interface.instance.nics) > 1:
        return False
    addresses: list[ElasticAddress] = interface.ec2_backend.addresses
    return not any(interface_of(eip) is interface for eip in addresses)


def disassociate(eip: ElasticAddress) -> None:
    """Free an address; EC2 may lend the machine one in its place, see ``is_lent_one``."""
    CONSISTENCY.changing(eip)
    _unlink(eip)


def _unlink(eip: ElasticAddress) -> None:
    interface = interface_of(eip)
    vars(eip).update(eni=None, instance=None, association_id=None, **{_PRIVATE_IP: None})
    if interface is not None and interface.public_ip == eip.public_ip:
        interface.public_ip = None
        if interface.instance and interface.instance.state == "running":
            interface.check_auto_public_ip()


def shown(eip: ElasticAddress) -> ElasticAddress:
    """An address as its row shows it: some have their text in another field, or in none."""
    field: str = vars(eip).get(SHOWN_AS, "public_ip")
    if field == "public_ip":
        return eip
    row = copy.copy(eip)
    vars(row).update({"public_ip": None} | ({field: eip.public_ip} if field else {}))
    return row


def filtered_as(eip: ElasticAddress) -> str | None:
    """What the filter ``public-ip`` finds an address by; ``None``: it never finds it.

    "The Elastic IP address, or the carrier IP address" (API reference), so not a customer's.
    """
    field: str = vars(eip).get(SHOWN_AS, "public_ip")
    return eip.public_ip if field in ("public_ip", "carrier_ip") else None


def find(backend: EC2Backend, **wanted: str) -> ElasticAddress | None:
    """The address with this attribute, such as ``allocation_id``; ``None`` = there is none."""
    for eip in backend.addresses:
        if all(getattr(eip, name) == value for name, value in wanted.items()):
            return eip
    return None


def association(eip: ElasticAddress) -> dict[str, str | None]:
    """The association as instances and interfaces show it."""
    field = {"carrier_ip": "carrierIp", "customer_owned_ip": "customerOwnedIp"}
    return {
        "associationId": eip.association_id,
        "allocationId": eip.allocation_id,
        field.get(vars(eip).get(SHOWN_AS, ""), "publicIp"): eip.public_ip,
        "publicDnsName": generate_dns_from_ip(eip.public_ip),
        "ipOwnerId": eip.ec2_backend.account_id,
    }
