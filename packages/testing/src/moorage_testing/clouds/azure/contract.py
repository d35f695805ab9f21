"""The emulated Azure as the provider contract arranges it."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping

from moorage_testing.clouds.azure.emulator import ASSERTION, TOKEN, ArmEmulator
from moorage_testing.contract import (
    IMPATIENT_SECONDS,
    Asked,
    ContractWorld,
    Counted,
    Failure,
)
from moorage_testing.faults import Fault

_WRITE = "networkInterfaces.createOrUpdate"
_OPERATIONS: dict[Asked, str] = {
    "snapshot": "publicIPAddresses.listAll",
    "machine": "virtualMachines.get",
    "attach": _WRITE,
    "move": _WRITE,
    "detach": _WRITE,
}
# Lists of addresses and interfaces; a machine, its interface and the address on that; before a
# write the interface is read. Seen as free, an address costs no list of interfaces.
_CALLS: Mapping[Counted, tuple[int, int]] = {
    "snapshot": (2, 0),
    "machine": (3, 0),
    "attach": (1, 1),
    "move": (0, 0),
    "detach": (1, 1),
    "prepare": (0, 0),
    "compensate": (0, 0),
}
_RETRY_AFTER_SECONDS = 7.0
_SLOW_SECONDS = 5.0
# 198.18.0.0/15 is for benchmarks (RFC 2544): more addresses than the documentation ranges have.
_FIRST_ADDRESS = ipaddress.IPv4Address("198.18.0.1")
_NO_READS = (_WRITE, "identity.getToken")
_DENIED = (
    "The client 'moorage' with object id '0' does not have authorization to perform action"
    " 'Microsoft.Network/networkInterfaces/write' over scope '/subscriptions/0' or the scope is"
    " invalid."
)


class AzureContractWorld(ContractWorld):
    """``ContractWorld`` over an ``ArmEmulator`` that is running."""

    calls = _CALLS
    # Every public address is a resource that somebody reserved.
    lends_addresses = False
    accepts_operations = True
    retry_after_seconds = _RETRY_AFTER_SECONDS
    slow_seconds = _SLOW_SECONDS

    def __init__(self, emulator: ArmEmulator) -> None:
        self._emulator = emulator
        self._world = emulator.world
        self.secrets = (ASSERTION, TOKEN)
        self._fresh = itertools.count(len(self._world.addresses()))

    def add_machine(self) -> str:
        return self._world.add_instances(1)[0].provider_id

    def add_address(self, *, elsewhere: bool = False) -> str:
        ip = str(_FIRST_ADDRESS + next(self._fresh))
        while ip in self._world.addresses():
            ip = str(_FIRST_ADDRESS + next(self._fresh))
        self._world.add_address(ip, location="brazilsouth" if elsewhere else "")
        return ip

    def give(self, ip: str, machine_id: str | None) -> None:
        if machine_id is None:
            self._world.disassociate(ip)
        else:
            self._world.associate(ip, machine_id)

    def give_elsewhere(self, ip: str) -> None:
        self._world.associate_elsewhere(ip)

    def remove_address(self, ip: str) -> None:
        self._world.remove_address(ip)

    def terminate(self, machine_id: str) -> None:
        self._world.terminate(machine_id)

    def fail(self, asked: Asked, failure: Failure) -> None:
        self._emulator.faults.inject(_fault(_OPERATIONS[asked], failure))

    def heal(self) -> None:
        self._emulator.faults.clear()

    def reads(self) -> int:
        return sum(op not in _NO_READS for op in self._emulator.faults.ops())

    def mutations(self) -> int:
        return sum(op == _WRITE for op in self._emulator.faults.ops())


def _fault(op: str, failure: Failure) -> Fault:
    match failure:
        case Failure.THROTTLED | Failure.DENIED:
            return _refusal(op, failure)
        case Failure.NO_ANSWER:
            return Fault(op=op, drop="before", times=None)
        case Failure.ANSWER_LOST:
            return Fault(op=op, drop="after", times=None)
        case Failure.SLOW:
            return Fault(op=op, delay_seconds=_SLOW_SECONDS, times=None)
        case Failure.HANGS:
            return Fault(op=op, delay_seconds=5 * IMPATIENT_SECONDS, times=None)
        case Failure.LATE:
            return Fault(op=op, late=True, code="InternalServerError", times=None)


def _refusal(op: str, failure: Failure) -> Fault:
    if failure is Failure.DENIED:
        return Fault(op=op, status=403, code="AuthorizationFailed", message=_DENIED, times=None)
    headers = {"Retry-After": f"{_RETRY_AFTER_SECONDS:g}"}
    return Fault(op=op, status=429, code="TooManyRequests", headers=headers, times=None)
