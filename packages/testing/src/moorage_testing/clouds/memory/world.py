"""The state of the memory cloud: machines, reserved addresses and their holders."""

from __future__ import annotations

from dataclasses import dataclass, replace

from moorage_provider.errors import AddressNotFound, MachineNotFound
from moorage_provider.protocol import CloudAddress, Labels, Machine, MachineHolder, OtherHolder

# Where ephemeral public addresses come from: 198.18.0.0/15 (RFC 2544), never reserved ones.
_EPHEMERAL_POOL = 198 << 24 | 18 << 16
_PRIVATE_POOL = 10 << 24
_PRIVATE_IPV6 = "2001:db8::2"


@dataclass(slots=True)
class Vm:
    """A machine.

    Attributes:
        described: as the provider describes it, without its public address.
        born_with_public_ip: it had an ephemeral public address from the start.
        ephemeral_ip: its unreserved public address on its own interface, ``""`` = none.
        interfaces: how many it has; addresses come to the first one.
    """

    described: Machine
    born_with_public_ip: bool
    ephemeral_ip: str = ""
    interfaces: int = 1


class World:
    """The state; it changes only through these methods and has no policy.

    Invariants: an address has one holder, a machine's interface holds one reserved address, and
    no ephemeral one beside it.
    """

    def __init__(self, *, restores_ephemeral: bool) -> None:
        """Make an empty world.

        Args:
            restores_ephemeral: a machine that loses its reserved address gets an ephemeral one by
                itself, if it was started with one and has no second interface.
        """
        self._restores_ephemeral = restores_ephemeral
        self._vms: dict[str, Vm] = {}
        self._addresses: dict[str, CloudAddress] = {}
        self._held: dict[str, str] = {}
        self._counter = 0

    def add_machine(self, described: Machine, *, with_public_ip: bool) -> None:
        """Add a machine; what is empty in its description is filled in."""
        number = self._next()
        vm = Vm(
            replace(
                described,
                interface_id=described.interface_id or f"nic-{described.machine_id}",
                private_ip=described.private_ip or _dotted(_PRIVATE_POOL + number),
            ),
            with_public_ip,
        )
        self._vms[described.machine_id] = vm
        if with_public_ip:
            vm.ephemeral_ip = _dotted(_EPHEMERAL_POOL + number)

    def add_address(self, ip: str, location: str) -> None:
        """Reserve an address that nobody holds."""
        self._addresses[ip] = CloudAddress(ip, f"res-{ip}", None, "", location, frozenset())

    def label(self, ip: str, labels: Labels) -> None:
        """Give a reservation these labels, and no others."""
        self._addresses[ip] = replace(self._addresses[ip], labels=labels)

    def remove_address(self, ip: str) -> None:
        """Release a reservation, whoever holds the address."""
        self.assign(ip, None)
        del self._addresses[ip]

    def remove_machine(self, machine_id: str, *, frees_address: bool) -> None:
        """Remove a machine; its address is freed or stays on an unused interface."""
        held = self._held.get(machine_id)
        if held is not None and frees_address:
            self.assign(held, None)
        for ip, address in self.addresses.items():
            holder = address.holder
            beside = isinstance(holder, MachineHolder) and holder.misplaced
            if beside and isinstance(holder, MachineHolder) and holder.machine_id == machine_id:
                self.assign(ip, None)
        del self._vms[machine_id]

    def set_running(self, machine_id: str, *, running: bool) -> None:
        """Start or stop a machine; it keeps its addresses."""
        vm = self.vm(machine_id)
        vm.described = replace(vm.described, running=running)

    def take_ipv4(self, machine_id: str) -> None:
        """Leave a machine with IPv6 only, and without a public address."""
        vm = self.vm(machine_id)
        vm.described = replace(vm.described, private_ip=_PRIVATE_IPV6)
        vm.ephemeral_ip, vm.born_with_public_ip = "", False

    def assign(self, ip: str, holder: MachineHolder | OtherHolder | None) -> None:
        """Make ``holder`` the only one of this address and this address its only one."""
        address = self.address(ip)
        if isinstance(address.holder, MachineHolder) and not address.holder.misplaced:
            self._leave(address.holder.machine_id)
        token = f"{ip}#{self._next()}" if holder else ""
        if isinstance(holder, MachineHolder) and not holder.misplaced:
            displaced = self._held.get(holder.machine_id)
            if displaced is not None:
                self.assign(displaced, None)
            vm = self.vm(holder.machine_id)
            vm.ephemeral_ip = ""
            holder = MachineHolder(holder.machine_id, vm.described.interface_id)
            self._held[holder.machine_id] = ip
        self._addresses[ip] = replace(address, holder=holder, token=token)

    def give_ephemeral(self, machine_id: str) -> None:
        """Give a machine an ephemeral public address."""
        self.vm(machine_id).ephemeral_ip = _dotted(_EPHEMERAL_POOL + self._next())

    def take_ephemeral(self, machine_id: str) -> None:
        """Take a machine's ephemeral public address away."""
        self.vm(machine_id).ephemeral_ip = ""

    def address(self, ip: str) -> CloudAddress:
        """One address. Raises ``AddressNotFound``."""
        try:
            return self._addresses[ip]
        except KeyError:
            raise AddressNotFound(f"there is no reserved address {ip}", "NoSuchAddress") from None

    def vm(self, machine_id: str) -> Vm:
        """One machine. Raises ``MachineNotFound``."""
        try:
            return self._vms[machine_id]
        except KeyError:
            raise MachineNotFound(f"there is no machine {machine_id}", "NoSuchMachine") from None

    def machine(self, machine_id: str) -> Machine:
        """One machine with the public address it has now. Raises ``MachineNotFound``."""
        vm = self.vm(machine_id)
        held = self._held.get(machine_id, "")
        return replace(
            vm.described, public_ip=held or vm.ephemeral_ip, public_ip_reserved=bool(held)
        )

    def held_by(self, machine_id: str) -> str:
        """The reserved address of a machine, ``""`` = none."""
        return self._held.get(machine_id, "")

    @property
    def addresses(self) -> dict[str, CloudAddress]:
        """All reserved addresses by their text; a copy."""
        return dict(self._addresses)

    @property
    def machine_ids(self) -> tuple[str, ...]:
        """All machines."""
        return tuple(self._vms)

    def _leave(self, machine_id: str) -> None:
        self._held.pop(machine_id, None)
        vm = self._vms.get(machine_id)
        lends = self._restores_ephemeral and vm is not None and vm.interfaces == 1
        if vm is not None and vm.born_with_public_ip and lends:
            self.give_ephemeral(machine_id)

    def _next(self) -> int:
        self._counter += 1
        return self._counter


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
