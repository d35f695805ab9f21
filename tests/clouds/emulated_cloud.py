"""An emulated cloud for the simulation: real provider, real SDK, real HTTP."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_provider.protocol import Capabilities, MachineHolder, OtherHolder
from moorage_testing.clouds.azure import ArmWorld
from moorage_testing.clouds.gcp import GceWorld
from moorage_testing.clouds.serving import HttpEmulator
from moorage_testing.clouds.world import World
from moorage_testing.faults import Fault

_TIMES = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Wrong:
    """The possible faults of one cloud, besides connections.

    Attributes:
        operations: names of its operations, as regular expressions.
        refusals: status and code of refusals that may be retried, or end with a policy.
        late: error codes of accepted operations; empty = they never fail.
        message: in all of them.
    """

    operations: tuple[str, ...]
    refusals: tuple[tuple[int, str], ...]
    late: tuple[str, ...] = ()
    message: str = "injected"


class EmulatedCloud:
    """The memory cloud's methods that a random run uses, over an emulator."""

    def __init__(self, emulator: HttpEmulator[Any], capabilities: Capabilities) -> None:
        self.emulator = emulator
        self.capabilities = capabilities
        self.faults = emulator.faults
        self.policies = 0
        """Every second one is found out only by an operation."""
        self._elsewhere: dict[str, str] = {}

    @property
    def world(self) -> World:
        """The account."""
        world: World = self.emulator.world
        return world

    def clear(self) -> None:
        """Empty the account."""
        self.faults.clear()
        self._elsewhere.clear()
        self.end_restrictions()
        for ip in list(self.world.addresses()):
            self.world.remove_address(ip)
        for machine in self.world.instances():
            self.terminate(machine.id)

    def add_machine(self, _name: str, *, with_public_ip: bool) -> str:
        """Start a machine; return its node's providerID."""
        (machine,) = self.world.add_instances(1, with_public_ip=with_public_ip)
        return machine.provider_id

    @property
    def machine_ids(self) -> tuple[str, ...]:
        """All machines there are."""
        return tuple(machine.id for machine in self.world.instances())

    def add_address(self, ip: str) -> None:
        """Reserve an address."""
        self.world.add_address(ip)

    @property
    def holders(self) -> Mapping[str, MachineHolder | OtherHolder | None]:
        """The holders of all addresses, without a call."""
        return {ip: self.holder(ip) for ip in self.world.addresses()}

    def holder(self, ip: str) -> MachineHolder | OtherHolder | None:
        """The holder of an address, without a call."""
        if ip in self._elsewhere:
            return OtherHolder(self._elsewhere[ip])
        machine = self.world.holder(ip)
        if not machine:
            return None
        beside = "another interface" if self.world.is_beside(ip) else ""
        return MachineHolder(machine, misplaced=beside)

    def assign(self, ip: str, holder: str | OtherHolder | None) -> None:
        """Change the holder of an address directly."""
        self._elsewhere.pop(ip, None)
        if isinstance(holder, str):
            self.world.associate(ip, holder)
        elif holder is None:
            self.world.disassociate(ip)
        else:
            self.world.disassociate(ip)
            self._elsewhere[ip] = self.world.associate_elsewhere(ip)

    def assign_beside(self, ip: str, machine_id: str) -> None:
        """Give an address to a machine on a second network interface."""
        self._elsewhere.pop(ip, None)
        self.world.associate_beside(ip, machine_id)

    def add_interface(self, machine_id: str) -> None:
        """Give a machine a second network interface."""
        self.world.add_interface(machine_id)

    def spoil(self, ip: str, *, spoiled: bool) -> None:
        """Describe an address in a way that nobody understands, or not any more."""
        self.world.spoil(ip, spoiled=spoiled)

    def terminate(self, machine_id: str) -> None:
        """Delete a machine."""
        if isinstance(self.world, ArmWorld):
            # As node pools do: else the interface stays with the address, without a machine.
            self.world.terminate(machine_id, with_interface=True)
        else:
            self.world.terminate(machine_id)

    def take_ipv4(self, machine_id: str) -> None:
        """Leave a machine with IPv6 only."""
        self.world.take_ipv4(machine_id)

    def restrict_addresses(self, *machine_ids: str) -> None:
        """Let a policy forbid public addresses to all but these machines, where it can."""
        if isinstance(self.world, GceWorld):
            self.policies += 1
            self.world.restrict_addresses(*machine_ids, late=self.policies % 2 == 0)

    def end_restrictions(self) -> None:
        """Let every machine have a public address."""
        if isinstance(self.world, GceWorld):
            self.world.end_restrictions()

    def step(self) -> None:
        """Does nothing: real time passes."""


def some_fault(rng: random.Random, wrong: Wrong) -> Fault:
    """A random fault of some calls."""
    op, times = rng.choice((*wrong.operations, ".*")), rng.choice(_TIMES)
    match rng.choice(("refused", "before", "after", "late")):
        case "before":
            return Fault(op=op, drop="before", times=times)
        case "after":
            return Fault(op=op, drop="after", times=times)
        case "late" if wrong.late:
            code = rng.choice(wrong.late)
            return Fault(op=op, late=True, code=code, message=wrong.message, times=times)
        case _:
            status, code = rng.choice(wrong.refusals)
            return Fault(op=op, status=status, code=code, message=wrong.message, times=times)


@contextlib.contextmanager
def emptied(cloud: EmulatedCloud) -> Iterator[EmulatedCloud]:
    """The cloud, empty before and after."""
    cloud.clear()
    try:
        yield cloud
    finally:
        cloud.clear()
