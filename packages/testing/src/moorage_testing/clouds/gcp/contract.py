"""The emulated Compute Engine as the provider contract arranges it."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping
from typing import Literal

from moorage_testing.clouds.control import changes
from moorage_testing.clouds.gcp.emulator import REGIONS, GceEmulator
from moorage_testing.contract import (
    IMPATIENT_SECONDS,
    Asked,
    ContractWorld,
    Counted,
    Failure,
)
from moorage_testing.faults import Fault

_OPERATIONS: dict[Asked, str] = {
    "snapshot": "addresses[.](aggregatedList|list)",
    "machine": "instances.get",
    "attach": "instances.addAccessConfig",
    "move": "instances.addAccessConfig",
    "detach": "instances.deleteAccessConfig",
}
# A page holds 500 addresses. A machine is read with the reservation of its address, if there is
# one; what takes an address away looks at the interface first; an attachment looks only when it
# is refused.
_CALLS: Mapping[Counted, tuple[int, int]] = {
    "snapshot": (2, 0),
    "machine": (2, 0),
    "attach": (0, 1),
    "move": (0, 0),
    "detach": (1, 1),
    "prepare": (2, 1),
    "compensate": (1, 1),
}
ELSEWHERE = REGIONS[1]
_RETRY_AFTER_SECONDS = 7.0
_SLOW_SECONDS = 5.0
# 198.18.0.0/15 is for benchmarks (RFC 2544): more addresses than the documentation ranges have.
_FIRST_ADDRESS = ipaddress.IPv4Address("198.18.0.1")
# How every token begins that is signed with a service account's key.
_TOKEN_START = "eyJ0eXAi"  # noqa: S105 - the start of many, and of no use


class GcpContractWorld(ContractWorld):
    """``ContractWorld`` over a ``GceEmulator`` that is running."""

    calls = _CALLS
    accepts_operations = True
    retry_after_seconds = _RETRY_AFTER_SECONDS
    slow_seconds = _SLOW_SECONDS

    def __init__(self, emulator: GceEmulator) -> None:
        self._emulator = emulator
        self._world = emulator.world
        # A line of the key, without its line breaks; the first ones are alike in all keys.
        self.secrets = (emulator.private_key.splitlines()[5], _TOKEN_START)
        self._fresh = itertools.count(len(self._world.addresses()))

    def add_machine(self) -> str:
        return self._world.add_instances(1)[0].provider_id

    def add_address(self, *, elsewhere: bool = False) -> str:
        ip = str(_FIRST_ADDRESS + next(self._fresh))
        while ip in self._world.addresses():
            ip = str(_FIRST_ADDRESS + next(self._fresh))
        self._world.add_address(ip, region=ELSEWHERE if elsewhere else None)
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
        return len(self._emulator.faults.ops()) - self.mutations()

    def mutations(self) -> int:
        return sum(map(changes, self._emulator.faults.ops()))


def _fault(op: str, failure: Failure) -> Fault:
    match failure:
        case Failure.THROTTLED:
            headers = {"Retry-After": f"{_RETRY_AFTER_SECONDS:g}"}
            return Fault(op=op, status=403, code="rateLimitExceeded", headers=headers, times=None)
        case Failure.DENIED:
            text = f"Required 'compute.{op}' permission for 'projects/example-project'"
            return Fault(op=op, status=403, code="forbidden", message=text, times=None)
        case Failure.NO_ANSWER | Failure.ANSWER_LOST:
            when: Literal["before", "after"] = "after"
            if failure is Failure.NO_ANSWER:
                when = "before"
            return Fault(op=op, drop=when, times=None)
        case Failure.SLOW | Failure.HANGS:
            seconds = _SLOW_SECONDS if failure is Failure.SLOW else 5 * IMPATIENT_SECONDS
            return Fault(op=op, delay_seconds=seconds, times=None)
        case Failure.LATE:
            return Fault(op=op, late=True, code="INTERNAL_ERROR", times=None)
