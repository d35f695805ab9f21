"""Providers of the memory cloud, each broken in one way: what the contract must catch."""
# ruff: noqa: ARG002 - the broken ones ignore what the sound one looks at

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from moorage_provider.errors import (
    AddressNotFound,
    Denied,
    InUse,
    MachineNotFound,
    QuotaExceeded,
    Stale,
    Throttled,
    Unavailable,
)
from moorage_provider.protocol import ApiCall, CloudAddress, Machine, PendingMutation, unfenced
from moorage_testing.clouds.memory.cloud import MemoryCloud, Mutation
from moorage_testing.clouds.memory.provider import MemoryProvider

T = TypeVar("T")
SECRET = "an-example-token"  # noqa: S105  # nobody's
"""What ``ShowsItsToken`` shows."""


class ClaimsEveryNode(MemoryProvider):
    """Takes nodes of other clouds for its own."""

    def machine_id(self, provider_id: str) -> str | None:
        return super().machine_id(provider_id) or provider_id


class TakesCredentialsWithoutEndForEnding(MemoryProvider):
    """Warns of credentials whose end it does not know."""

    def credentials_expiring(self) -> bool:
        return True


class TakesLentAddressesForReserved(MemoryProvider):
    """Cannot tell a lent address from a reserved one."""

    async def machine(self, machine_id: str) -> Machine:
        return replace(await super().machine(machine_id), public_ip_reserved=True)


class DoesNotKnowWhatIsGone(MemoryProvider):
    """Takes a deleted machine for an outage."""

    async def machine(self, machine_id: str) -> Machine:
        try:
            return await super().machine(machine_id)
        except MachineNotFound as error:
            raise Unavailable(error.message) from error


class RaisesForAbsentAddresses(MemoryProvider):
    """One address that is gone spoils the read of all."""

    async def snapshot(self, addresses: Collection[str]) -> Mapping[str, CloudAddress]:
        seen = await super().snapshot(addresses)
        for ip in addresses:
            if ip not in seen:
                raise AddressNotFound(ip)
        return seen


class ReadsOnlyOneFamily(MemoryProvider):
    """Chokes on IPv6."""

    async def snapshot(self, addresses: Collection[str]) -> Mapping[str, CloudAddress]:
        return await super().snapshot([str(ipaddress.IPv4Address(ip)) for ip in addresses])


class ReadsOneByOne(MemoryProvider):
    """Makes one call for each address."""

    async def snapshot(self, addresses: Collection[str]) -> Mapping[str, CloudAddress]:
        seen: dict[str, CloudAddress] = {}
        for ip in addresses:
            seen.update(await super().snapshot((ip,)))
        return seen


class ReadsTwice(MemoryProvider):
    """Makes two calls where one is enough."""

    async def snapshot(self, addresses: Collection[str]) -> Mapping[str, CloudAddress]:
        await super().snapshot(addresses)
        return await super().snapshot(addresses)


class ChecksNothing(MemoryProvider):
    """Lets any machine have any address."""

    def check(self, address: CloudAddress, machine: Machine) -> str | None:
        return None


class OnlySaysSo(MemoryProvider):
    """Changes nothing and calls it done."""

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
    """Takes what it did itself for somebody else's doing."""

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


class NeverCompensates(MemoryProvider):
    """Leaves a machine without the address that was taken from it."""

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        return PendingMutation()


class CompensatesByDetaching(MemoryProvider):
    """Makes room for an ephemeral address, at any price."""

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        now = self._cloud.machine(machine.machine_id)
        if now.public_ip_reserved:
            self._cloud.assign(now.public_ip, None)
        return await super().restore(machine, request_id)


class MovesInTwoCalls(MemoryProvider):
    """Leaves a gap in which nobody has the address."""

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        await self.detach(address, request_id)
        return await self.attach(address, machine, request_id)


class DisplacesOnMove(MemoryProvider):
    """Throws another reserved address off the target."""

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        self._cloud.assign(address.ip, machine.machine_id)
        return PendingMutation()


class TakesAbsenceForAnOutage(MemoryProvider):
    """Would repeat for ever what can never succeed."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        try:
            return await super()._mutate(mutation, request_id)
        except (AddressNotFound, MachineNotFound) as error:
            raise Unavailable(error.message) from error


class IgnoresTheToken(MemoryProvider):
    """Detaches whoever has the address by now."""

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        self._cloud.assign(address.ip, None)
        return PendingMutation()


class TakesFailureForAbsence(MemoryProvider):
    """Answers that nothing is there when nothing could be read."""

    async def snapshot(self, addresses: Collection[str]) -> Mapping[str, CloudAddress]:
        try:
            return await super().snapshot(addresses)
        except (Throttled, Unavailable):
            return {}


class LosesTheDetails(MemoryProvider):
    """Forgets which right is missing and how long to wait."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        try:
            return await super()._call(op, params, work)
        except (Denied, Throttled) as error:
            raise type(error)(error.message, error.code) from error


class ShowsItsToken(MemoryProvider):
    """Puts a credential into an error."""

    async def snapshot(self, addresses: Collection[str]) -> Mapping[str, CloudAddress]:
        try:
            return await super().snapshot(addresses)
        except Denied as error:
            raise Denied(f"{error} to {SECRET}", error.code, error.permission) from error


class KeepsOperationsToItself(MemoryProvider):
    """Forgets with its process what the cloud has accepted."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        operation = await super()._mutate(mutation, request_id)
        vars(self).setdefault("begun", set()).add(operation.handle)
        return operation

    async def poll(self, handle: str) -> PendingMutation:
        if handle not in vars(self).get("begun", ()):
            raise Stale(f"{handle} is not of mine")
        return await super().poll(handle)


class SwallowsLateFailures(MemoryProvider):
    """Calls an operation done whatever it ended in."""

    async def poll(self, handle: str) -> PendingMutation:
        try:
            return await super().poll(handle)
        except QuotaExceeded:
            return PendingMutation(handle)


class StumblesOverHandles(MemoryProvider):
    """Lets an exception of Python out."""

    async def poll(self, handle: str) -> PendingMutation:
        if handle not in self._cloud.under_way:
            raise KeyError(handle)
        return await super().poll(handle)


class IgnoresTheDeadline(MemoryProvider):
    """Waits as long as the cloud likes."""

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
    """Waits without letting others go on."""

    async def machine(self, machine_id: str) -> Machine:
        time.sleep(0.1)  # noqa: ASYNC251  # it is what is to be caught
        return await super().machine(machine_id)


class LooksBeforeItLeaps(MemoryProvider):
    """Looks whether the address is free, then takes it without a condition."""

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        if self._cloud.holder(address.ip) is not None:
            raise InUse(f"{address.ip} is held")
        await asyncio.sleep(0)
        self._cloud.assign(address.ip, machine.machine_id)
        return PendingMutation()


class OnlySaysThatItDetached(MemoryProvider):
    """Detaches nothing and calls it done."""

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        return PendingMutation()


class SharesItsState(MemoryProvider):
    """Is one with all others of its kind."""

    state: ClassVar[dict[str, Any]] = {}

    def __init__(self, cloud: MemoryCloud, timeout_seconds: float) -> None:
        self.__dict__ = self.state
        super().__init__(cloud, timeout_seconds)


class ForgetsTheFence(MemoryProvider):
    """Writes without asking whether it still may."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        fence, self.fence = self.fence, unfenced
        try:
            return await super()._mutate(mutation, request_id)
        finally:
            self.fence = fence


class RepeatsBehindTheFence(MemoryProvider):
    """Asks once, and sends twice."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        try:
            return await super()._call(op, params, work)
        except Throttled:
            return await super()._call(op, params, work)


class TellsNobody(MemoryProvider):
    """Leaves the metrics empty."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        return await self._served(op, params, work)


class AlwaysTellsOfSuccess(MemoryProvider):
    """Tells of every call before it knows its end."""

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[..., T]) -> T:
        self.on_call(ApiCall(op, "success", 0.0))
        return await self._served(op, params, work)
