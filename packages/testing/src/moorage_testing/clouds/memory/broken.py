"""Providers of the memory cloud, each broken in one way that the contract must catch."""
# ruff: noqa: ARG002 - the broken ones ignore arguments that the correct one uses

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, TypeVar

from moorage_provider.errors import (
    AddressNotFound,
    Denied,
    InUse,
    MachineNotFound,
    QuotaExceeded,
    Stale,
    StateUnread,
    Throttled,
    Unavailable,
)
from moorage_provider.protocol import (
    ApiCall,
    CloudAddress,
    Labels,
    Machine,
    PendingMutation,
    unfenced,
)
from moorage_testing.clouds.memory.cloud import MemoryCloud, Mutation
from moorage_testing.clouds.memory.provider import MemoryProvider

T = TypeVar("T")
SECRET = "an-example-token"  # noqa: S105  # nobody's
"""What ``ShowsItsToken`` shows."""


class ReportsMutationsItNeverMakes(MemoryProvider):
    """Changes nothing and reports it as done."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        return PendingMutation()


class StealsOnAttach(MemoryProvider):
    """Takes an address from whoever has it."""

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._cloud.assign(address.ip, machine.machine_id)
        return PendingMutation()


class RefusesItsOwnRepeats(MemoryProvider):
    """Refuses to repeat its own mutation."""

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        if self._cloud.holder(address.ip) is not None:
            raise InUse(f"{address.ip} is held")
        return await super().attach(address, machine, request_id)

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        if self._cloud.holder(address.ip) is None:
            raise Stale(f"{address.ip} is free")
        return await super().detach(address, request_id)

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        if self._cloud.holder(address.ip) != address.holder:
            raise Stale(f"{address.ip} has moved")
        return await super().move(address, machine, request_id)

    async def prepare(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        if not self._cloud.machine(machine.machine_id).public_ip:
            raise Stale(f"{machine.machine_id} has no public address")
        return await super().prepare(address, machine, request_id)


class NeverRestores(MemoryProvider):
    """Never gives a machine its ephemeral address again."""

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        return PendingMutation()


class RestoresByDetaching(MemoryProvider):
    """Detaches a reserved address to make room for an ephemeral one."""

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        now = self._cloud.machine(machine.machine_id)
        if now.public_ip_reserved:
            self._cloud.assign(now.public_ip, None)
        return await super().restore(machine, request_id)


class RestoresNothing(MemoryProvider):
    """Leaves it to the cloud to lend a machine an ephemeral address again."""

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        return PendingMutation()


class MovesInTwoCalls(MemoryProvider):
    """Leaves a time in which nobody has the address."""

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        await self.detach(address, request_id)
        return await self.attach(address, machine, request_id)


class DisplacesOnMove(MemoryProvider):
    """Removes another reserved address from the target."""

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._cloud.assign(address.ip, machine.machine_id)
        return PendingMutation()


class ReportsAbsenceAsAnOutage(MemoryProvider):
    """Makes the caller repeat for ever a call that can never succeed."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        try:
            return await super()._mutate(mutation, request_id)
        except (AddressNotFound, MachineNotFound) as error:
            raise Unavailable(error.message) from error


class IgnoresTheToken(MemoryProvider):
    """Detaches the address from its current holder, whoever it is."""

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        self._cloud.assign(address.ip, None)
        return PendingMutation()


class ReportsFailureAsAbsence(MemoryProvider):
    """Returns no addresses when the read failed."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        try:
            return await super().snapshot(addresses, selectors)
        except (Throttled, Unavailable):
            return {}


class LosesTheDetails(MemoryProvider):
    """Leaves out which right is missing and how long to wait."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        try:
            return await super()._call(op, params, work)
        except (Denied, Throttled) as error:
            raise type(error)(error.message, error.code) from error


class ShowsItsToken(MemoryProvider):
    """Puts a credential into an error."""

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        try:
            return await super().snapshot(addresses, selectors)
        except Denied as error:
            raise Denied(f"{error} to {SECRET}", error.code, error.permission) from error


class ForgetsOperationsOnRestart(MemoryProvider):
    """Keeps accepted operations only in memory."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        operation = await super()._mutate(mutation, request_id)
        vars(self).setdefault("begun", set()).add(operation.handle)
        return operation

    async def poll(self, handle: str) -> PendingMutation:
        if handle not in vars(self).get("begun", ()):
            raise Stale(f"{handle} is not of mine")
        return await super().poll(handle)


class SwallowsLateFailures(MemoryProvider):
    """Reports a failed operation as done."""

    async def poll(self, handle: str) -> PendingMutation:
        try:
            return await super().poll(handle)
        except QuotaExceeded:
            return PendingMutation(handle)


class TakesAFailedPollForAFailure(MemoryProvider):
    """Reports a mutation that it cannot read as one that failed."""

    async def poll(self, handle: str) -> PendingMutation:
        try:
            return await super().poll(handle)
        except StateUnread as error:
            raise Unavailable(error.message, error.code, error.retry_after) from error


class RaisesOnUnknownHandles(MemoryProvider):
    """Raises an error that is no CloudError."""

    async def poll(self, handle: str) -> PendingMutation:
        if handle not in self._cloud.under_way:
            raise KeyError(handle)
        return await super().poll(handle)


class IgnoresTheDeadline(MemoryProvider):
    """Waits for ever."""

    def __init__(self, cloud: MemoryCloud, timeout_seconds: float) -> None:
        super().__init__(cloud, 100 * timeout_seconds)


class StaysBusyWhenCancelled(MemoryProvider):
    """Never recovers from a call that was cancelled."""

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        if vars(self).get("busy"):
            raise Unavailable("busy")
        vars(self)["busy"] = True
        operation = await super().attach(address, machine, request_id)
        vars(self)["busy"] = False
        return operation


class BlocksTheLoop(MemoryProvider):
    """Blocks the event loop while it waits."""

    async def machine(self, machine_id: str) -> Machine:
        time.sleep(0.1)  # noqa: ASYNC251  # it is what is to be caught
        return await super().machine(machine_id)


class ChecksBeforeItAttaches(MemoryProvider):
    """Reads whether the address is free, then attaches it without a condition."""

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        if self._cloud.holder(address.ip) is not None:
            raise InUse(f"{address.ip} is held")
        await asyncio.sleep(0)
        self._cloud.assign(address.ip, machine.machine_id)
        return PendingMutation()


class ReportsDetachesItNeverMakes(MemoryProvider):
    """Detaches nothing and reports it as done."""

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        return PendingMutation()


class SharesItsState(MemoryProvider):
    """Shares its state with all other instances."""

    state: ClassVar[dict[str, Any]] = {}

    def __init__(self, cloud: MemoryCloud, timeout_seconds: float) -> None:
        self.__dict__ = self.state
        super().__init__(cloud, timeout_seconds)


class ForgetsTheFence(MemoryProvider):
    """Writes without calling the fence."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        fence, self.fence = self.fence, unfenced
        try:
            return await super()._mutate(mutation, request_id)
        finally:
            self.fence = fence


class RepeatsBehindTheFence(MemoryProvider):
    """Calls the fence once and sends twice."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        try:
            return await super()._call(op, params, work)
        except Throttled:
            return await super()._call(op, params, work)


class ReportsNoCalls(MemoryProvider):
    """Reports no calls."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        return await self._served(op, params, work)


class AlwaysReportsSuccess(MemoryProvider):
    """Reports every call as successful before it ended."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        self.on_call(ApiCall(op, "success", 0.0))
        return await self._served(op, params, work)
