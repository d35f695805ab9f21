"""The memory cloud as the provider contract arranges it."""

from __future__ import annotations

import itertools

from moorage_domain.errors import Denied, Throttled, Unavailable
from moorage_domain.provider import OtherHolder
from moorage_testing.clouds.memory.cloud import MemoryCloud
from moorage_testing.contract import IMPATIENT_SECONDS, SLOW_SECONDS, Asked, Failure
from moorage_testing.faults import Fault

_READS = frozenset({"snapshot", "machine", "poll"})
_HERE, _ELSEWHERE = "here", "elsewhere"


class MemoryContractWorld:
    """``ContractWorld`` over a ``MemoryCloud``."""

    secrets: tuple[str, ...] = ()

    def __init__(self, cloud: MemoryCloud) -> None:
        self._cloud = cloud
        self._numbers = itertools.count(1)

    def add_machine(self) -> str:
        return self._cloud.add_machine(f"vm-{next(self._numbers)}", location=_HERE)

    def add_address(self, *, elsewhere: bool = False) -> str:
        high, low = divmod(next(self._numbers), 256)
        ip = f"203.0.{113 + high}.{low}"
        self._cloud.add_address(ip, location=_ELSEWHERE if elsewhere else _HERE)
        return ip

    def give(self, ip: str, machine_id: str | None) -> None:
        self._cloud.assign(ip, machine_id)

    def give_elsewhere(self, ip: str) -> None:
        self._cloud.assign(ip, OtherHolder("load balancer lb-1"))

    def remove_address(self, ip: str) -> None:
        self._cloud.remove_address(ip)

    def terminate(self, machine_id: str) -> None:
        self._cloud.terminate(machine_id)

    def fail(self, asked: Asked, failure: Failure) -> None:
        self._cloud.faults.inject(_fault(asked, failure))

    def heal(self) -> None:
        self._cloud.faults.clear()

    def reads(self) -> int:
        return sum(op in _READS for op in self._cloud.faults.ops())

    def mutations(self) -> int:
        return sum(op not in _READS for op in self._cloud.faults.ops())


def _fault(asked: Asked, failure: Failure) -> Fault:
    match failure:
        case Failure.THROTTLED:
            return Fault(op=asked, error=Throttled("too many calls", "Throttled"), times=None)
        case Failure.DENIED:
            error = Denied(f"{asked} is not allowed", "Denied", f"memory:{asked}")
            return Fault(op=asked, error=error, times=None)
        case Failure.NO_ANSWER:
            return Fault(op=asked, error=Unavailable("no answer", "Dropped"), times=None)
        case Failure.ANSWER_LOST:
            return Fault(op=asked, drop="after", times=None)
        case Failure.SLOW:
            return Fault(op=asked, delay_seconds=SLOW_SECONDS, times=None)
        case Failure.HANGS:
            return Fault(op=asked, delay_seconds=20 * IMPATIENT_SECONDS, times=None)
