"""The emulated Compute Engine as the cloud of the provider contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from moorage_testing.clouds.contract import EmulatedContractWorld
from moorage_testing.clouds.gcp.emulator import REGIONS, GceEmulator
from moorage_testing.contract import CountedStep, FailingStep, Failure
from moorage_testing.faults import Fault

ELSEWHERE = REGIONS[1]
# The start of every token that is signed with a service account's key.
_TOKEN_START = "eyJ0eXAi"  # noqa: S105 - the start of many, and of no use
_DENIED = "Required 'compute.{op}' permission for 'projects/example-project'"
_FORBIDDEN = "Constraint constraints/compute.vmExternalIpAccess violated for project 123456789012."
# A page holds 500 addresses. A machine is read with the reservation of its address, if it has one.
# Before an ephemeral address is removed, the reserved one is asked for: that is refused.
# A step that removes an address reads the interface first; an attachment reads only when it is
# refused.
_CALLS: Mapping[CountedStep, tuple[int, int]] = {
    "snapshot": (2, 0),
    "machine": (2, 0),
    "attach": (0, 1),
    "move": (0, 0),
    "detach": (1, 1),
    "prepare": (2, 2),
    "restore": (1, 1),
}


class GcpContractWorld(EmulatedContractWorld[GceEmulator]):
    """``ContractWorld`` over a ``GceEmulator`` that is running."""

    accepts_operations = True
    operations: ClassVar[Mapping[FailingStep, str]] = {
        "snapshot": "addresses[.](aggregatedList|list)",
        "machine": "instances.get",
        "attach": "instances.addAccessConfig",
        "move": "instances.addAccessConfig",
        "detach": "instances.deleteAccessConfig",
        "poll": "zoneOperations[.](wait|get)",
    }
    calls = _CALLS
    refusals: ClassVar[Mapping[Failure, Fault]] = {
        Failure.THROTTLED: Fault(op="", status=403, code="rateLimitExceeded"),
        Failure.DENIED: Fault(op="", status=403, code="forbidden", message=_DENIED),
        Failure.FORBIDDEN: Fault(op="", status=412, code="conditionNotMet", message=_FORBIDDEN),
        Failure.LATE: Fault(op="", late=True, code="INTERNAL_ERROR"),
    }

    def __init__(self, emulator: GceEmulator) -> None:
        # A line of the key, without its line breaks; the first ones are alike in all keys.
        super().__init__(emulator, (emulator.private_key.splitlines()[5], _TOKEN_START))

    def _reserve_elsewhere(self, ip: str) -> None:
        self._emulator.world.add_address(ip, region=ELSEWHERE)
