"""The emulated account, as tests change it directly, without a logged call."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import ec2_backends
from moto.ec2.models.instances import InstanceState

from moorage_testing.clouds.aws import elastic_ips
from moorage_testing.clouds.world import Instance

if TYPE_CHECKING:
    from moto.ec2.models import EC2Backend
    from moto.ec2.models.elastic_ip_addresses import ElasticAddress
    from moto.ec2.models.instances import Instance as MotoInstance

ACCOUNT = "123456789012"
# One /18 for each zone: 16,379 instances.
_SUBNETS = {"a": "10.0.0.0/18", "b": "10.0.64.0/18", "c": "10.0.128.0/18"}
_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "stopping": 64, "stopped": 80}

State = Literal["pending", "running", "shutting-down", "stopping", "stopped"]


class Ec2World:
    """One region of one account: a VPC with an internet gateway, instances and Elastic IPs."""

    def __init__(self, region: str) -> None:
        """Start with an empty region."""
        self.region = region
        self._backend: EC2Backend = ec2_backends[ACCOUNT][region]
        self._backend.reset()
        elastic_ips.CONSISTENCY.late.clear()
        elastic_ips.CONSISTENCY.unlisted.clear()
        vpc = self._backend.create_vpc("10.0.0.0/16")
        gateway = self._backend.create_internet_gateway()
        self._backend.attach_internet_gateway(gateway.id, vpc.id)
        self._subnets = [
            self._backend.create_subnet(vpc.id, block, availability_zone=f"{region}{letter}").id
            for letter, block in _SUBNETS.items()
        ]
        self._gateway = (gateway.id, vpc.id)
        self._apart = itertools.count(240)
        main = next(one for one in self._backend.route_tables.values() if one.vpc_id == vpc.id)
        self._backend.create_route(main.id, "0.0.0.0/0", gateway_id=gateway.id)

    def add_instances(
        self, count: int, *, tags: Mapping[str, str] | None = None, with_public_ip: bool = True
    ) -> tuple[Instance, ...]:
        """Start instances, spread over the zones.

        Args:
            count: how many.
            tags: on each of them.
            with_public_ip: EC2 assigns them ephemeral public addresses.
        """
        turns = itertools.cycle(self._subnets)
        return tuple(self._start(next(turns), tags or {}, with_public_ip) for _ in range(count))

    def add_instance_apart(self, *, with_public_ip: bool = False) -> Instance:
        """Start an instance in a subnet of its own."""
        block = f"10.0.{next(self._apart)}.0/28"
        subnet = self._backend.create_subnet(self._gateway[1], block, f"{self.region}a")
        return self._start(subnet.id, {}, with_public_ip)

    def add_address(
        self,
        ip: str,
        *,
        border_group: str = "",
        kind: Literal["public_ip", "carrier_ip", "customer_owned_ip"] = "public_ip",
    ) -> str:
        """Allocate an Elastic IP; return its AllocationId.

        Args:
            ip: the address.
            border_group: where it can be used, ``""`` = in the region.
            kind: a carrier's address (Wavelength) or a customer's (Outposts) has no ``PublicIp``.
        """
        eip = self._backend.allocate_address("vpc", address=ip)
        vars(eip)[elastic_ips.SHOWN_AS] = kind
        if border_group:
            vars(eip)[elastic_ips.BORDER_GROUP] = border_group
        return str(eip.allocation_id)

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        """Give an Elastic IP these tags, and no others."""
        self._backend.tags[str(self._eip(ip).allocation_id)] = dict(labels)

    def remove_address(self, ip: str) -> None:
        """Free and release an Elastic IP."""
        self.disassociate(ip)
        self._backend.addresses.remove(self._eip(ip))

    def spoil(self, ip: str, *, spoiled: bool = True) -> None:
        """Have the row of an address show no address at all."""
        vars(self._eip(ip))[elastic_ips.SHOWN_AS] = "" if spoiled else "public_ip"

    def associate(self, ip: str, instance_id: str) -> None:
        """Give an address to an instance, whoever had it."""
        interface = self._instance(instance_id).network_interfaces[0]
        elastic_ips.associate(self._eip(ip), interface, interface.private_ip_address)

    def associate_beside(self, ip: str, instance_id: str) -> None:
        """Give an address to an instance on a second interface, as of a CNI."""
        interface = self._backend.get_network_interface(self.add_interface(instance_id))
        elastic_ips.associate(self._eip(ip), interface, interface.private_ip_address)

    def associate_secondary(self, ip: str, instance_id: str) -> None:
        """Give an address to a secondary private one of an instance, as for a pod."""
        interface = self._instance(instance_id).network_interfaces[0]
        self._backend.assign_private_ip_addresses(interface.id, secondary_ips_count=1)
        private_ip = interface.private_ip_addresses[-1]["PrivateIpAddress"]
        elastic_ips.associate(self._eip(ip), interface, private_ip)

    def associate_elsewhere(self, ip: str, *, service: str = "") -> str:
        """Give an address to an interface without an instance; return the interface's id.

        Args:
            ip: the address.
            service: the service that manages it: ``alb``, ``nlb``, ``rnat`` or ``rds``.
        """
        subnet = self._backend.get_subnet(self._subnets[0])
        # "" = a random one of the subnet.
        interface = self._backend.create_network_interface(subnet, "")
        eip = self._eip(ip)
        if service:
            vars(eip)[elastic_ips.SERVICE] = service
        elastic_ips.associate(eip, interface, interface.private_ip_address)
        return interface.id

    def disassociate(self, ip: str) -> None:
        """Free an address."""
        elastic_ips.disassociate(self._eip(ip))

    def terminate(self, instance_id: str) -> None:
        """Terminate an instance."""
        self._instance(instance_id).terminate()

    def manage(self, instance_id: str, principal: str = "eks.amazonaws.com") -> None:
        """Have a service own an instance, as EKS Auto Mode does its nodes."""
        vars(self._instance(instance_id))["operator"] = {"Managed": True, "Principal": principal}

    def take_ipv4(self, instance_id: str) -> None:
        """Describe an instance as one of a subnet of IPv6 only."""
        interface = self._instance(instance_id).network_interfaces[0]
        vars(interface).update(private_ip_address=None, private_ip_addresses=[], public_ip=None)

    def stop(self, instance_id: str) -> None:
        """Stop an instance; it keeps its Elastic IP."""
        self._instance(instance_id).stop()

    def start(self, instance_id: str) -> None:
        """Start a stopped instance."""
        self._instance(instance_id).start()

    def set_state(self, instance_id: str, state: State) -> None:
        """Put an instance in a state that moto itself skips."""
        vars(self._instance(instance_id))["_state"] = InstanceState(state, _CODES[state])

    def add_interface(self, instance_id: str) -> str:
        """Attach a second interface, as the VPC CNI does; return its id."""
        instance = self._instance(instance_id)
        subnet = self._backend.get_subnet(str(instance.subnet_id))
        interface = self._backend.create_network_interface(subnet, "")
        instance.attach_eni(interface, len(instance.nics))
        return interface.id

    def unlist(self, instance_id: str, *, unlisted: bool = True) -> None:
        """Have lists not show an instance yet, or at last."""
        hidden = elastic_ips.CONSISTENCY.unlisted
        (hidden.add if unlisted else hidden.discard)(instance_id)

    def cut_off(self, instance_id: str) -> str:
        """Let the subnet of an instance lead nowhere but to its VPC; return its route table."""
        table = self._backend.create_route_table(self._gateway[1])
        subnet = str(self._instance(instance_id).subnet_id)
        self._backend.associate_route_table(route_table_id=table.id, subnet_id=subnet)
        return str(table.id)

    def detach_gateway(self) -> None:
        """Cut the VPC off the internet."""
        self._backend.detach_internet_gateway(*self._gateway)

    def holder(self, ip: str) -> str:
        """The instance that has an address, ``""`` = none."""
        holder = elastic_ips.holder_of(self._eip(ip))
        return holder.id if holder else ""

    def is_beside(self, ip: str) -> bool:
        """Whether an address is on an instance, but not on its primary private one."""
        eip = self._eip(ip)
        holder, interface = elastic_ips.holder_of(eip), elastic_ips.interface_of(eip)
        if holder is None or interface is None:
            return False
        primary = holder.network_interfaces[0]
        own = (primary.id, primary.private_ip_address)
        return (interface.id, elastic_ips.private_ip(eip)) != own

    def addresses(self) -> dict[str, str]:
        """All Elastic IPs with their AllocationIds."""
        return {eip.public_ip: str(eip.allocation_id) for eip in self._backend.addresses}

    def instances(self) -> tuple[Instance, ...]:
        """All instances that are not terminated."""
        every = self._backend.all_instances()
        return tuple(_described(one) for one in every if one.state != "terminated")

    def _start(self, subnet: str, tags: Mapping[str, str], with_public_ip: bool) -> Instance:  # noqa: FBT001  # one private caller
        # Not by the API, which would be a logged call.
        reservation = self._backend.run_instances(
            "ami-00000000000000000",
            1,
            None,
            [],
            subnet_id=subnet,
            instance_type="m7i.large",
            is_instance_type_default=True,
            nics=[],
            region_name=self.region,
            associate_public_ip=with_public_ip,
            tags={"instance": dict(tags)},
        )
        return _described(reservation.instances[0])

    def _instance(self, instance_id: str) -> MotoInstance:
        try:
            return self._backend.get_instance(instance_id)
        except EC2ClientError as error:
            raise KeyError(instance_id) from error

    def _eip(self, ip: str) -> ElasticAddress:
        found = elastic_ips.find(self._backend, public_ip=ip)
        if found is None:
            raise KeyError(ip)
        return found


def _described(instance: MotoInstance) -> Instance:
    zone = str(instance.availability_zone)
    return Instance(
        id=instance.id,
        zone=zone,
        private_ip=str(instance.private_ip_address),
        interface_id=instance.nics[0].id,
        provider_id=f"aws:///{zone}/{instance.id}",
    )
