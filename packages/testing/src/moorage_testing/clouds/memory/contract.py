"""The memory cloud as the cloud of the provider contract."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from moorage_provider.errors import CloudError, Denied, QuotaExceeded, Throttled, Unavailable
from moorage_provider.protocol import OtherHolder
from moorage_testing.clouds.memory.cloud import MemoryCloud
from moorage_testing.contract import (
    IMPATIENT_SECONDS,
    SLOW_SECONDS,
    ContractWorld,
    CountedStep,
    FailingStep,
    Failure,
)
from moorage_testing.faults import Fault

_READS = frozenset({"snapshot", "machine", "poll"})
_HERE, _ELSEWHERE = "here", "elsewhere"
_READ, _CHANGE = (1, 0), (0, 1)
_CALLS: Mapping[CountedStep, tuple[int, int]] = {
    "snapshot": _READ,
    "machine": _READ,
    "attach": _CHANGE,
    "move": _CHANGE,
    "detach": _CHANGE,
    "prepare": _CHANGE,
    "restore": _CHANGE,
}
_RETRY_AFTER_SECONDS = 7.0


class MemoryContractWorld(ContractWorld):
    """``ContractWorld`` over a ``MemoryCloud``."""

    secrets: tuple[str, ...] = ()
    calls = _CALLS
    accepts_operations = True
    has_odd_rows = True
    has_ipv6_only_machines = True
    has_interfaces = True
    retry_after_seconds = _RETRY_AFTER_SECONDS

    def __init__(self, cloud: MemoryCloud, *, assigns_ephemeral_addresses: bool = True) -> None:
        self.assigns_ephemeral_addresses = assigns_ephemeral_addresses
        self._cloud = cloud
        self._numbers = itertools.count(1)

    def add_machine(self) -> str:
        return self._cloud.add_machine(
            f"vm-{next(self._numbers)}",
            location=_HERE,
            with_public_ip=self.assigns_ephemeral_addresses,
        )

    def add_address(self, *, elsewhere: bool = False) -> str:
        high, low = divmod(next(self._numbers), 256)
        ip = f"203.0.{113 + high}.{low}"
        self._cloud.add_address(ip, location=_ELSEWHERE if elsewhere else _HERE)
        return ip

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        self._cloud.label(ip, labels)

    def give(self, ip: str, machine_id: str | None) -> None:
        self._cloud.assign(ip, machine_id)

    def give_elsewhere(self, ip: str) -> None:
        self._cloud.assign(ip, OtherHolder("load balancer lb-1"))

    def remove_address(self, ip: str) -> None:
        self._cloud.remove_address(ip)

    def spoil(self, ip: str) -> None:
        self._cloud.spoil(ip)

    def take_ipv4(self, machine_id: str) -> None:
        self._cloud.take_ipv4(machine_id)

    def give_beside(self, ip: str, machine_id: str) -> None:
        self._cloud.assign_beside(ip, machine_id)

    def add_interface(self, machine_id: str) -> None:
        self._cloud.add_interface(machine_id)

    def terminate(self, machine_id: str) -> None:
        self._cloud.terminate(machine_id)

    def fail(self, step: FailingStep, failure: Failure) -> None:
        self._cloud.faults.inject(_fault(step, failure))

    def heal(self) -> None:
        self._cloud.faults.clear()

    def reads(self) -> int:
        return sum(op in _READS for op in self._cloud.faults.ops())

    def mutations(self) -> int:
        return sum(op not in _READS for op in self._cloud.faults.ops())


def _fault(step: FailingStep, failure: Failure) -> Fault:
    match failure:
        case Failure.ANSWER_LOST:
            return Fault(op=step, drop="after", times=None)
        case Failure.SLOW:
            return Fault(op=step, delay_seconds=SLOW_SECONDS, times=None)
        case Failure.HANGS:
            # The broken connection at the end never matters: the deadline comes first.
            return Fault(op=step, drop="after", delay_seconds=5 * IMPATIENT_SECONDS, times=None)
        case Failure.LATE:
            late = QuotaExceeded("the operation came to nothing", "Late")
            return Fault(op=step, late_error=late, times=None)
        case Failure.THROTTLED | Failure.DENIED | Failure.FORBIDDEN | Failure.NO_ANSWER:
            return Fault(op=step, error=_error(step, failure), times=None)


def _error(step: FailingStep, failure: Failure) -> CloudError:
    if failure is Failure.THROTTLED:
        return Throttled("too many calls", "Throttled", _RETRY_AFTER_SECONDS)
    if failure in (Failure.DENIED, Failure.FORBIDDEN):
        permission = f"memory:{step}"
        return Denied(f"{permission} is not allowed", "Denied", permission)
    return Unavailable("no answer", "Dropped")
