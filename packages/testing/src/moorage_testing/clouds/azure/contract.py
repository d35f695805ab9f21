"""The emulated Azure as the cloud of the provider contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from moorage_testing.clouds.azure.emulator import ASSERTION, TOKEN, ArmEmulator
from moorage_testing.clouds.contract import EmulatedContractWorld
from moorage_testing.contract import CountedStep, FailingStep, Failure
from moorage_testing.faults import Fault

_WRITE = "networkInterfaces.createOrUpdate"
_DENIED = (
    "The client 'moorage' with object id '0' does not have authorization to perform action"
    " 'Microsoft.Network/networkInterfaces/write' over scope '/subscriptions/0' or the scope is"
    " invalid."
)
_FORBIDDEN = "Resource 'vm-1-nic' was disallowed by policy."
# Lists of addresses and interfaces; a machine, its interface and the address on that; before
# a write the interface is read. A free address needs no list of interfaces.
_CALLS: Mapping[CountedStep, tuple[int, int]] = {
    "snapshot": (2, 0),
    "machine": (3, 0),
    "attach": (1, 1),
    "move": (0, 0),
    "detach": (1, 1),
    "prepare": (0, 0),
    "restore": (0, 0),
}


class AzureContractWorld(EmulatedContractWorld[ArmEmulator]):
    """``ContractWorld`` over an ``ArmEmulator`` that is running."""

    # Every public address is a resource that somebody reserved.
    assigns_ephemeral_addresses = False
    accepts_operations = True
    has_ipv6_only_machines = False
    operations: ClassVar[Mapping[FailingStep, str]] = {
        "snapshot": "publicIPAddresses.(listAll|get)",
        "machine": "virtualMachines.get",
        "attach": _WRITE,
        "move": _WRITE,
        "detach": _WRITE,
        "poll": "operations.get",
    }
    calls = _CALLS
    refusals: ClassVar[Mapping[Failure, Fault]] = {
        Failure.THROTTLED: Fault(op="", status=429, code="TooManyRequests"),
        Failure.DENIED: Fault(op="", status=403, code="AuthorizationFailed", message=_DENIED),
        Failure.FORBIDDEN: Fault(
            op="", status=403, code="RequestDisallowedByPolicy", message=_FORBIDDEN
        ),
        Failure.LATE: Fault(op="", late=True, code="InternalServerError"),
    }
    uncounted = frozenset({"identity.getToken"})

    def __init__(self, emulator: ArmEmulator) -> None:
        super().__init__(emulator, (ASSERTION, TOKEN))

    def _reserve_elsewhere(self, ip: str) -> None:
        self._emulator.world.add_address(ip, location="brazilsouth")
