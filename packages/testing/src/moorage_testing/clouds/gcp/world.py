"""The emulated project, as tests change it directly, without a logged call."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping
from typing import Literal

from moorage_testing.clouds.gcp.operations import Operations
from moorage_testing.clouds.gcp.project import (
    DIRECT_V6,
    DUAL,
    EXTERNAL_V6,
    ONE_TO_ONE,
    Project,
    Row,
    add_interface,
    new_address,
    new_instance,
    public_ips,
    region_of,
)
from moorage_testing.clouds.world import Instance

# 10.0.0.0 and 10.0.0.1 are the network's own.
_FIRST_PRIVATE = ipaddress.IPv4Address("10.0.0.2")
_ZONES = ("b", "c", "d")
_LENT_IPV6 = "2600:1900:4000:1::"

Status = Literal["PROVISIONING", "STAGING", "RUNNING", "STOPPING", "SUSPENDED", "TERMINATED"]


class GceWorld:
    """One project: instances of one region, external addresses of any.

    Instances are named as the provider names them: PROJECT/ZONE/NAME.
    """

    def __init__(self, region: str, project: Project, operations: Operations) -> None:
        """Start with an empty project."""
        self._region = region
        self._project = project
        self._operations = operations
        self._private = (str(_FIRST_PRIVATE + number) for number in itertools.count())
        self._numbers = itertools.count(1)
        self._zones = itertools.cycle(f"{region}-{letter}" for letter in _ZONES)

    def add_instances(
        self, count: int, *, tags: Mapping[str, str] | None = None, with_public_ip: bool = True
    ) -> tuple[Instance, ...]:
        """Start instances, spread over the zones.

        Args:
            count: how many.
            tags: labels on each of them.
            with_public_ip: each with an ephemeral address.
        """
        names = (f"vm-{next(self._numbers)}" for _ in range(count))
        return tuple(
            self._start(next(self._zones), name, tags or {}, with_public_ip=with_public_ip)
            for name in names
        )

    def add_address(self, ip: str, *, region: str | None = None, tier: str = "PREMIUM") -> str:
        """Reserve an external address, or promote an ephemeral one; return its path.

        Args:
            ip: the address; of IPv6 the first one of its /96.
            region: another region than the instances', ``""`` = a global one.
            tier: its network tier.
        """
        where = self._region if region is None else region
        row = new_address(self._project, where, ip, tier)
        self._project.addresses[ip] = row
        return _path(row)

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        """Give a reserved address these labels, and no others."""
        self._address(ip)["labels"] = dict(labels)

    def remove_address(self, ip: str) -> None:
        """Free an address and release it."""
        self.disassociate(ip)
        self._project.spoiled.discard(ip)
        del self._project.addresses[ip]

    def describe_address(self, ip: str, **fields: str) -> None:
        """Set fields of a reserved address, such as ``purpose``."""
        self._address(ip).update(fields)

    def spoil(self, ip: str, *, spoiled: bool = True) -> None:
        """Have lists show a text for an address that is none."""
        self._address(ip)
        (self._project.spoiled.add if spoiled else self._project.spoiled.discard)(ip)

    def associate(self, ip: str, instance_id: str) -> None:
        """Give an address to an instance, whoever had it; what the instance had is free then."""
        row, interface = self._address(ip), self._interface(instance_id)
        self._project.release(ip)
        config = {"type": ONE_TO_ONE, "natIP": ip, "networkTier": row["networkTier"]}
        if ":" in ip:
            config = {"type": DIRECT_V6, EXTERNAL_V6: ip, "networkTier": row["networkTier"]}
        self._project.bind(interface, config)

    def associate_beside(self, ip: str, instance_id: str) -> None:
        """Give an address to an instance on a second interface."""
        name, row = self.add_interface(instance_id), self._address(ip)
        self._project.release(ip)
        interface = self._project.interface(self._instance(instance_id), name)
        config = {"type": ONE_TO_ONE, "natIP": ip, "networkTier": row["networkTier"]}
        self._project.bind(interface, config)

    def associate_elsewhere(self, ip: str) -> str:
        """Give an address to a forwarding rule; return the rule's link."""
        row = self._address(ip)
        self._project.release(ip)
        rule = self._project.link(f"regions/{region_of(row)}/forwardingRules/{row['name']}")
        self._project.elsewhere[ip] = rule
        return rule

    def disassociate(self, ip: str) -> None:
        """Free an address."""
        self._address(ip)
        self._project.release(ip)

    def terminate(self, instance_id: str) -> None:
        """Delete an instance: its addresses are free."""
        self._instance(instance_id)
        _, zone, name = instance_id.split("/")
        del self._project.instances[zone, name]

    def recreate(self, instance_id: str) -> str:
        """Delete an instance and start another of the same name; return its numeric id."""
        labels = self._instance(instance_id)["labels"]
        self.terminate(instance_id)
        _, zone, name = instance_id.split("/")
        self._start(zone, name, labels, with_public_ip=True)
        return str(self._instance(instance_id)["id"])

    def take_ipv4(self, instance_id: str) -> None:
        """Describe an instance as one of a subnetwork of IPv6 only."""
        interface = self._interface(instance_id)
        for key in ("networkIP", "accessConfigs"):
            interface.pop(key, None)
        self.set_stack(instance_id, "IPV6_ONLY")

    def stop(self, instance_id: str) -> None:
        """Stop an instance: it keeps a reserved address and loses an ephemeral one."""
        row = self._instance(instance_id)
        row["status"] = "TERMINATED"
        for interface in row["networkInterfaces"]:
            for config in interface.get("accessConfigs", ()):
                if config.get("natIP") not in self._project.addresses:
                    config.pop("natIP", None)

    def start(self, instance_id: str) -> None:
        """Start a stopped instance."""
        row = self._instance(instance_id)
        row["status"] = "RUNNING"
        for interface in row["networkInterfaces"]:
            for config in interface.get("accessConfigs", ()):
                config.setdefault("natIP", self._project.new_ephemeral_ip())

    def lose_ephemeral_ip(self, instance_id: str) -> None:
        """Leave an instance the access config of its ephemeral address, without an address."""
        for config in self._interface(instance_id).get("accessConfigs", ()):
            config.pop("natIP", None)

    def set_status(self, instance_id: str, status: Status) -> None:
        """Put an instance in a state that the emulator itself skips."""
        self._instance(instance_id)["status"] = status

    def add_interface(self, instance_id: str) -> str:
        """Give an instance a second interface with an ephemeral address; return its name."""
        row = self._instance(instance_id)
        zone = instance_id.split("/")[1]
        interface = add_interface(self._project, row, zone, next(self._private))
        self._project.bind(
            interface, {"type": ONE_TO_ONE, "natIP": self._project.new_ephemeral_ip()}
        )
        return str(interface["name"])

    def set_stack(self, instance_id: str, stack: Literal["IPV4_IPV6", "IPV6_ONLY"]) -> None:
        """Give an instance's interface IPv6, with an ephemeral range if that is external."""
        interface = self._interface(instance_id)
        access = self._project.ipv6_access
        interface |= {"stackType": stack, "ipv6AccessType": access}
        if stack == DUAL and access == "EXTERNAL":
            self._project.bind(interface, {"type": DIRECT_V6, EXTERNAL_V6: _LENT_IPV6})

    def set_ipv6_access(self, access: Literal["EXTERNAL", "INTERNAL"]) -> None:
        """Set whether the subnetwork's IPv6 is reachable from the internet."""
        self._project.ipv6_access = access

    def restrict_addresses(self, *instance_ids: str, late: bool = False) -> None:
        """Let an organisation policy forbid public addresses to all but some instances.

        Args:
            instance_ids: the instances that may have one.
            late: an operation that asks for one is accepted first.
        """
        self._project.may_have_addresses = frozenset(one.split("/")[2] for one in instance_ids)
        self._project.policy_is_late = late

    def end_restrictions(self) -> None:
        """Let every instance have a public address."""
        self._project.may_have_addresses = None

    def rename_access_config(self, instance_id: str, name: str) -> None:
        """Name the access config of an instance as another tool would."""
        (config,) = self._interface(instance_id)["accessConfigs"]
        config["name"] = name

    def holder(self, ip: str) -> str:
        """The instance that has an address, ``""`` = none."""
        self._operations.advance()
        self._address(ip)
        for row in self._project.instances.values():
            for interface in row["networkInterfaces"]:
                if ip in public_ips(interface):
                    return self._id(row)
        return ""

    def is_beside(self, ip: str) -> bool:
        """Whether an address is on an instance, but not on its first interface."""
        holder = self.holder(ip)
        return holder != "" and ip not in self.public_ips(holder)

    def public_ips(self, instance_id: str) -> tuple[str, ...]:
        """The public addresses of an instance's first interface."""
        self._operations.advance()
        return tuple(public_ips(self._interface(instance_id)))

    def addresses(self) -> dict[str, str]:
        """All reserved addresses with their paths."""
        return {ip: _path(row) for ip, row in self._project.addresses.items()}

    def instances(self) -> tuple[Instance, ...]:
        """All instances."""
        return tuple(self._described(row) for row in self._project.instances.values())

    def _start(
        self, zone: str, name: str, labels: Mapping[str, str], *, with_public_ip: bool
    ) -> Instance:
        row = new_instance(self._project, zone, name, labels)
        interface = add_interface(self._project, row, zone, next(self._private))
        if with_public_ip:
            self._project.bind(
                interface, {"type": ONE_TO_ONE, "natIP": self._project.new_ephemeral_ip()}
            )
        self._project.instances[zone, name] = row
        return self._described(row)

    def _described(self, row: Row) -> Instance:
        interface = row["networkInterfaces"][0]
        instance_id = self._id(row)
        return Instance(
            id=instance_id,
            zone=instance_id.split("/")[1],
            private_ip=interface.get("networkIP", ""),
            interface_id=interface["name"],
            provider_id=f"gce://{instance_id}",
        )

    def _id(self, row: Row) -> str:
        zone = row["zone"].rsplit("/", 1)[-1]
        return f"{self._project.name}/{zone}/{row['name']}"

    def _instance(self, instance_id: str) -> Row:
        project, _, rest = instance_id.partition("/")
        zone, _, name = rest.partition("/")
        if project != self._project.name or (zone, name) not in self._project.instances:
            raise KeyError(instance_id)
        return self._project.instances[zone, name]

    def _interface(self, instance_id: str) -> Row:
        interface: Row = self._instance(instance_id)["networkInterfaces"][0]
        return interface

    def _address(self, ip: str) -> Row:
        return self._project.addresses[ip]


def _path(row: Row) -> str:
    """The link of an address without the service's own part: PROJECT/regions/..."""
    return str(row["selfLink"]).partition("/projects/")[2]
