"""The emulated EC2 as the provider contract arranges it."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping

from moorage_testing.clouds.aws.emulator import Ec2Emulator
from moorage_testing.contract import (
    IMPATIENT_SECONDS,
    Asked,
    ContractWorld,
    Counted,
    Failure,
)
from moorage_testing.faults import Fault

_OPERATIONS: dict[Asked, str] = {
    "snapshot": "DescribeAddresses",
    "machine": "DescribeInstances",
    "attach": "AssociateAddress",
    "move": "AssociateAddress",
    "detach": "DisassociateAddress",
}
# A move looks at the address and its target first; an attachment looks only when it is refused.
_CALLS: Mapping[Counted, tuple[int, int]] = {
    "snapshot": (1, 0),
    "machine": (2, 0),
    "attach": (0, 1),
    "move": (2, 1),
    "detach": (0, 1),
    "prepare": (0, 0),
    "compensate": (0, 0),
}
_RETRY_AFTER_SECONDS = 7.0
_SLOW_SECONDS = 5.0
# 198.18.0.0/15 is for benchmarks (RFC 2544): more addresses than the documentation ranges have.
_FIRST_ADDRESS = ipaddress.IPv4Address("198.18.0.1")


class AwsContractWorld(ContractWorld):
    """``ContractWorld`` over an ``Ec2Emulator`` that is running."""

    calls = _CALLS
    retry_after_seconds = _RETRY_AFTER_SECONDS
    slow_seconds = _SLOW_SECONDS

    def __init__(self, emulator: Ec2Emulator) -> None:
        self._emulator = emulator
        self._world = emulator.world
        secret = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        self.secrets = tuple(emulator.environment[name] for name in secret)
        self._fresh = itertools.count(len(self._world.addresses()))

    def add_machine(self) -> str:
        return self._world.add_instances(1)[0].provider_id

    def add_address(self, *, elsewhere: bool = False) -> str:
        ip = str(_FIRST_ADDRESS + next(self._fresh))
        while ip in self._world.addresses():
            ip = str(_FIRST_ADDRESS + next(self._fresh))
        group = f"{self._emulator.region}-wl1-lhr-wlz-1" if elsewhere else ""
        self._world.add_address(ip, border_group=group)
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
        return sum(op.startswith("Describe") for op in self._emulator.faults.ops())

    def mutations(self) -> int:
        return sum(not op.startswith("Describe") for op in self._emulator.faults.ops())


def _fault(op: str, failure: Failure) -> Fault:
    match failure:
        case Failure.THROTTLED:
            return Fault(
                op=op,
                status=503,
                code="RequestLimitExceeded",
                headers={"Retry-After": f"{_RETRY_AFTER_SECONDS:g}"},
                times=None,
            )
        case Failure.DENIED:
            return Fault(op=op, status=403, code="UnauthorizedOperation", times=None)
        case Failure.NO_ANSWER:
            return Fault(op=op, drop="before", times=None)
        case Failure.ANSWER_LOST:
            return Fault(op=op, drop="after", times=None)
        case Failure.SLOW:
            return Fault(op=op, delay_seconds=_SLOW_SECONDS, times=None)
        case Failure.HANGS:
            return Fault(op=op, delay_seconds=5 * IMPATIENT_SECONDS, times=None)
        case Failure.LATE:
            raise ValueError("no mutation of EC2 outlives its call")
