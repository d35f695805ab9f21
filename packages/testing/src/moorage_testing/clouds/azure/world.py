"""The emulated subscription, as tests change it directly, without a logged call."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence

from moorage_testing.clouds.azure.account import Account, configurations, interface_of
from moorage_testing.clouds.azure.operations import Operations
from moorage_testing.clouds.azure.resources import (
    ADDRESS,
    INTERFACE,
    MACHINE,
    SCALE_SET,
    UNIFORM_ADDRESS,
    UNIFORM_INTERFACE,
    UNIFORM_MACHINE,
    Place,
    Row,
    identifier,
    interface,
    interface_id_of,
    machine,
    public_address,
    scale_set,
    set_power,
)
from moorage_testing.clouds.world import Instance

ZONES = ("1", "2", "3")
# 10.0.0.0 to 10.0.0.3 are Azure's own.
_FIRST_PRIVATE = ipaddress.IPv4Address("10.0.0.4")


class ArmWorld:
    """One subscription: machines, scale sets and public addresses of one region.

    Ids of machines and interfaces are in lower case, as in the provider; the cloud's own answers
    have mixed case.
    """

    def __init__(self, location: str, account: Account, operations: Operations) -> None:
        """Start with an empty account."""
        self._location = location
        self._account = account
        self._operations = operations
        self._private = (str(_FIRST_PRIVATE + number) for number in itertools.count())
        self._numbers = itertools.count(1)
        self._zones = itertools.cycle(ZONES)

    def add_instances(
        self,
        count: int,
        *,
        tags: Mapping[str, str] | None = None,
        with_public_ip: bool = True,  # noqa: ARG002 - Azure has no ephemeral addresses
        flexible: str = "",
    ) -> tuple[Instance, ...]:
        """Start machines, spread over the zones.

        Args:
            count: how many.
            tags: on each of them.
            with_public_ip: ignored: Azure has no ephemeral public addresses.
            flexible: the Flexible scale set they belong to; created if it is missing.
        """
        return tuple(self._start(tags or {}, flexible) for _ in range(count))

    def add_scale_set_instances(
        self, scale_set_name: str, count: int, *, ips: Sequence[str] = ()
    ) -> tuple[Instance, ...]:
        """Start instances of a Uniform scale set; created if it is missing.

        Args:
            scale_set_name: the scale set.
            count: how many.
            ips: their public addresses, from the first instance on, created and deleted with them.
        """
        set_id = self._scale_set(scale_set_name, "Uniform")
        first = len(self._account.of_kind(UNIFORM_MACHINE, f"{set_id}/"))
        started = [self._start_member(set_id, first + number) for number in range(count)]
        for row, ip in zip(started, ips, strict=False):
            self._give_member(row, ip)
        return tuple(map(self._described, started))

    def add_address(
        self, ip: str, *, location: str = "", sku: str = "Standard", zones: Sequence[str] = ()
    ) -> str:
        """Reserve a public address; return its id.

        Args:
            ip: the address.
            location: another region than the machines'.
            sku: ``Standard`` or ``Basic``.
            zones: the zones it is bound to, none = no zone.
        """
        name = f"ip-{ip.replace('.', '-').replace(':', '-')}"
        place = Place(location or self._location, tuple(zones))
        row = public_address(identifier(ADDRESS, name), ADDRESS, ip, place, sku=sku)
        self._account.add(row)
        return str(row["id"])

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        """Give a public address these tags, and no others."""
        self._address(ip)["tags"] = dict(labels)

    def remove_address(self, ip: str) -> None:
        """Free an address and delete it."""
        row = self._address(ip)
        self._account.free(row)
        self._account.remove(row)

    def spoil(self, ip: str, *, spoiled: bool = True) -> None:
        """Have lists show a text for an address that is none."""
        spoiled_ids, resource_id = self._account.spoiled, self._address(ip)["id"]
        (spoiled_ids.add if spoiled else spoiled_ids.discard)(resource_id)

    def associate(self, ip: str, instance_id: str) -> None:
        """Give an address to a machine, whoever had it; what the machine had is free then."""
        row, nic = self._address(ip), self._interface(instance_id)
        target = next(one for one in configurations(nic) if one["properties"]["primary"])
        for other in [row, *self._account.addresses()]:
            holder = other["properties"].get("ipConfiguration")
            if other is row or (holder and holder["id"] == target["id"]):
                self._account.free(other)
        self._account.bind(nic, target, row)

    def associate_beside(self, ip: str, instance_id: str) -> None:
        """Give an address to a machine on a second interface."""
        row, nic = self._address(ip), self._account.get(self.add_interface(instance_id))
        self._account.free(row)
        self._account.bind(nic, configurations(nic)[0], row)

    def associate_elsewhere(self, ip: str, *, to: str = "loadBalancer") -> str:
        """Give an address to something that is no machine; return its id.

        Args:
            ip: the address.
            to: ``loadBalancer`` or ``natGateway``.
        """
        row = self._address(ip)
        self._account.free(row)
        holder = identifier(f"Microsoft.Network/{to}s", f"{to}-{row['name']}")
        if to == "natGateway":
            row["properties"]["natGateway"] = {"id": holder}
        else:
            part = f"{holder}/frontendIPConfigurations/public"
            row["properties"]["ipConfiguration"] = {"id": part}
        self._account.touch(row)
        return holder

    def add_interface(self, instance_id: str) -> str:
        """Give a machine a second network interface; return its id."""
        row = self._machine(instance_id)
        references = row["properties"]["networkProfile"]["networkInterfaces"]
        nic_id = f"{interface_id_of(row['id'])}{len(references) + 1}"
        nic = interface(nic_id, INTERFACE, row, (next(self._private),))
        nic["properties"]["primary"] = False
        references.append({"id": nic_id, "properties": {"primary": False}})
        self._account.add(nic)
        self._account.touch(row)
        return nic_id.lower()

    def disassociate(self, ip: str) -> None:
        """Free an address."""
        self._account.free(self._address(ip))

    def terminate(self, instance_id: str, *, with_interface: bool = False) -> None:
        """Delete a machine.

        Its interface stays with the address on it, unless ``with_interface``; an instance of a
        Uniform scale set takes both with it.
        """
        row = self._machine(instance_id)
        self._account.remove(row)
        for reference in row["properties"]["networkProfile"]["networkInterfaces"]:
            nic = self._account.get(reference["id"])
            if row["type"] == UNIFORM_MACHINE or with_interface:
                self._delete(nic)
            else:
                del nic["properties"]["virtualMachine"]
                self._account.touch(nic)

    def take_ipv4(self, instance_id: str) -> None:
        """No machine can be so: the primary ipConfiguration of an interface is one of IPv4."""
        raise NotImplementedError(instance_id)

    def stop(self, instance_id: str) -> None:
        """Stop and deallocate a machine; it keeps its address."""
        self._set_power(instance_id, "deallocated")

    def start(self, instance_id: str) -> None:
        """Start a stopped machine."""
        self._set_power(instance_id, "running")

    def begin_deletion(self, instance_id: str, *, late: bool = True) -> None:
        """Mark a machine for deletion, as a scale-down does; ``terminate`` ends it.

        Args:
            instance_id: the machine.
            late: a write to its interface is accepted first, and then fails.
        """
        self._machine(instance_id)["properties"]["provisioningState"] = "Deleting"
        self._account.dying[instance_id.lower()] = late

    def lock(self, instance_id: str) -> None:
        """Put an administrator's lock on a machine's interface."""
        self._account.locked.add(self._interface(instance_id)["id"].lower())

    def touch(self, instance_id: str) -> None:
        """Give a machine's interface a new ETag and change nothing else."""
        self._account.touch(self._interface(instance_id))

    def let_last_write_fail(self, instance_id: str) -> None:
        """Make the last write to a machine's interface fail, but still describe it as done."""
        nic = self._interface(instance_id)
        nic["properties"]["provisioningState"] = "Failed"
        self._account.touch(nic)

    def holder(self, ip: str) -> str:
        """The machine that has an address, ``""`` = none."""
        self._operations.advance()
        holder = self._address(ip)["properties"].get("ipConfiguration")
        nic = self._account.find(interface_of(holder["id"])) if holder else None
        reference = nic["properties"].get("virtualMachine") if nic else None
        return str(reference["id"]).lower() if reference else ""

    def is_beside(self, ip: str) -> bool:
        """Whether an address is on a machine, but not on its own private address."""
        holder = self.holder(ip)
        if not holder:
            return False
        own = next(
            one for one in configurations(self._interface(holder)) if one["properties"]["primary"]
        )
        return bool(self._address(ip)["properties"]["ipConfiguration"]["id"] != own["id"])

    def provisioning_state(self, instance_id: str) -> str:
        """How the last write to a machine's interface ended."""
        self._operations.advance()
        return str(self._interface(instance_id)["properties"]["provisioningState"])

    def addresses(self) -> dict[str, str]:
        """All public addresses with their ids."""
        rows = self._account.addresses()
        return {row["properties"]["ipAddress"]: str(row["id"]) for row in rows}

    def instances(self) -> tuple[Instance, ...]:
        """All machines, including instances of Uniform scale sets."""
        rows = (*self._account.of_kind(MACHINE), *self._account.of_kind(UNIFORM_MACHINE))
        return tuple(map(self._described, rows))

    def _start(self, tags: Mapping[str, str], flexible: str) -> Instance:
        name = f"vm-{next(self._numbers)}"
        place = Place(self._location, (next(self._zones),))
        row = machine(identifier(MACHINE, name), MACHINE, place, tags)
        if flexible:
            set_id = self._scale_set(flexible, "Flexible")
            row["properties"]["virtualMachineScaleSet"] = {"id": set_id}
        return self._described(self._add_machine(row, INTERFACE))

    def _start_member(self, set_id: str, number: int) -> Row:
        place = Place(self._location, (next(self._zones),))
        row = machine(f"{set_id}/virtualMachines/{number}", UNIFORM_MACHINE, place, {})
        row["instanceId"] = str(number)
        return self._add_machine(row, UNIFORM_INTERFACE)

    def _add_machine(self, row: Row, interface_kind: str) -> Row:
        set_power(row, "running")
        self._account.add(row)
        nic_id = interface_id_of(row["id"])
        self._account.add(interface(nic_id, interface_kind, row, (next(self._private),)))
        return row

    def _give_member(self, row: Row, ip: str) -> None:
        nic = self._interface(row["id"])
        (part,) = configurations(nic)
        resource_id = f"{part['id']}/publicIPAddresses/public"
        place = Place(self._location)
        address = public_address(resource_id, UNIFORM_ADDRESS, ip, place, sku="Standard")
        self._account.add(address)
        self._account.bind(nic, part, address)

    def _scale_set(self, name: str, mode: str) -> str:
        set_id = identifier(SCALE_SET, name)
        if self._account.find(set_id) is None:
            self._account.add(scale_set(set_id, self._location, mode))
        return set_id

    def _delete(self, nic: Row) -> None:
        for row in list(self._account.addresses()):
            holder = row["properties"].get("ipConfiguration")
            if holder and interface_of(holder["id"]) == nic["id"]:
                self._account.free(row)
                if row["type"] == UNIFORM_ADDRESS:
                    self._account.remove(row)
        self._account.remove(nic)

    def _set_power(self, instance_id: str, power: str) -> None:
        row = self._machine(instance_id)
        set_power(row, power)
        self._account.touch(row)

    def _machine(self, instance_id: str) -> Row:
        row = self._account.find(instance_id)
        if row is None or row["type"] not in (MACHINE, UNIFORM_MACHINE):
            raise KeyError(instance_id)
        return row

    def _interface(self, instance_id: str) -> Row:
        return self._account.get(interface_id_of(str(self._machine(instance_id)["id"])))

    def _address(self, ip: str) -> Row:
        for row in self._account.addresses():
            if row["properties"]["ipAddress"] == ip:
                return row
        raise KeyError(ip)

    def _described(self, row: Row) -> Instance:
        nic = self._interface(row["id"])
        return Instance(
            id=row["id"].lower(),
            zone=row["zones"][0],
            private_ip=configurations(nic)[0]["properties"]["privateIPAddress"],
            interface_id=nic["id"].lower(),
            provider_id=f"azure://{row['id']}",
        )
