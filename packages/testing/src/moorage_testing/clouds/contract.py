"""The part of ``ContractWorld`` that all emulated clouds share."""

from __future__ import annotations

import abc
import ipaddress
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from moorage_testing.clouds.control import changes
from moorage_testing.clouds.serving import HttpEmulator
from moorage_testing.clouds.world import World
from moorage_testing.contract import IMPATIENT_SECONDS, ContractWorld, FailingStep, Failure
from moorage_testing.faults import Fault

# 198.18.0.0/15 is for benchmarks (RFC 2544): more addresses than the documentation ranges have.
_FIRST_ADDRESS = ipaddress.IPv4Address("198.18.0.1")

EmulatorT = TypeVar("EmulatorT", bound=HttpEmulator[Any])


class EmulatedContractWorld(ContractWorld, abc.ABC, Generic[EmulatorT]):
    """``ContractWorld`` over an emulator that is running.

    Attributes:
        operations: the cloud's operations of each step, as a regular expression.
        refusals: the cloud's codes for a throttle, a denial and an operation that fails late;
            ``{op}`` in a message is the operation.
        uncounted: operations that are neither reads nor mutations of the provider's steps.
    """

    has_odd_rows = True
    has_ipv6_only_machines = True
    has_interfaces = True
    retry_after_seconds = 7.0
    slow_seconds = 5.0
    operations: ClassVar[Mapping[FailingStep, str]]
    refusals: ClassVar[Mapping[Failure, Fault]]
    uncounted: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, emulator: EmulatorT, secrets: tuple[str, ...]) -> None:
        self._emulator = emulator
        self._world: World = emulator.world
        self.secrets = secrets
        self._fresh = itertools.count(len(self._world.addresses()))

    @abc.abstractmethod
    def _reserve_elsewhere(self, ip: str) -> None:
        """Reserve an address where none of the machines can use it."""

    def add_machine(self) -> str:
        return self._world.add_instances(1)[0].provider_id

    def add_address(self, *, elsewhere: bool = False) -> str:
        fresh = (str(_FIRST_ADDRESS + number) for number in self._fresh)
        ip = next(ip for ip in fresh if ip not in self._world.addresses())
        if elsewhere:
            self._reserve_elsewhere(ip)
        else:
            self._world.add_address(ip)
        return ip

    def label(self, ip: str, labels: Mapping[str, str]) -> None:
        self._world.label(ip, labels)

    def give(self, ip: str, machine_id: str | None) -> None:
        if machine_id is None:
            self._world.disassociate(ip)
        else:
            self._world.associate(ip, machine_id)

    def give_elsewhere(self, ip: str) -> None:
        self._world.associate_elsewhere(ip)

    def remove_address(self, ip: str) -> None:
        self._world.remove_address(ip)

    def spoil(self, ip: str) -> None:
        self._world.spoil(ip)

    def take_ipv4(self, machine_id: str) -> None:
        self._world.take_ipv4(machine_id)

    def give_beside(self, ip: str, machine_id: str) -> None:
        self._world.associate_beside(ip, machine_id)

    def add_interface(self, machine_id: str) -> None:
        self._world.add_interface(machine_id)

    def terminate(self, machine_id: str) -> None:
        self._world.terminate(machine_id)

    def fail(self, step: FailingStep, failure: Failure) -> None:
        self._emulator.faults.inject(self._fault(self.operations[step], failure))

    def heal(self) -> None:
        self._emulator.faults.clear()

    def reads(self) -> int:
        ops = self._emulator.faults.ops()
        return sum(not changes(op) and op not in self.uncounted for op in ops)

    def mutations(self) -> int:
        return sum(map(changes, self._emulator.faults.ops()))

    def _fault(self, op: str, failure: Failure) -> Fault:
        always = Fault(op=op, times=None)
        match failure:
            case Failure.NO_ANSWER:
                return replace(always, drop="before")
            case Failure.ANSWER_LOST:
                return replace(always, drop="after")
            case Failure.SLOW:
                return replace(always, delay_seconds=self.slow_seconds)
            case Failure.HANGS:
                return replace(always, delay_seconds=5 * IMPATIENT_SECONDS)
            case _:
                return self._refusal(op, failure)

    def _refusal(self, op: str, failure: Failure) -> Fault:
        refusal = self.refusals[failure]
        if failure is Failure.THROTTLED:
            refusal = replace(refusal, headers={"Retry-After": f"{self.retry_after_seconds:g}"})
        return replace(refusal, op=op, message=refusal.message.format(op=op), times=None)
