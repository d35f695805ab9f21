"""The provider of the memory cloud, for controllers and planners under test."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeVar

from moorage_provider.errors import CloudError, InvalidOptions, Unavailable
from moorage_provider.protocol import (
    ApiCall,
    CloudAddress,
    Labels,
    Machine,
    PendingMutation,
    unfenced,
    unobserved,
)
from moorage_provider.sdk import goes_on
from moorage_testing.clouds.memory.cloud import MemoryCloud, Mutation, refuse
from moorage_testing.faults import Fault

T = TypeVar("T")

_DEFAULT_TIMEOUT_SECONDS = 15.0
_PREFIX = "memory://"

_published: dict[str, MemoryCloud] = {}


@contextlib.contextmanager
def published(cloud: MemoryCloud, region: str = "") -> Iterator[None]:
    """Make ``create`` find this cloud by the option ``region`` while the block runs."""
    if region in _published:
        raise ValueError(f'there is already a memory cloud in region "{region}"')
    _published[region] = cloud
    try:
        yield
    finally:
        del _published[region]


def create(options: Mapping[str, str]) -> MemoryProvider:
    """Make the provider of the cloud published in the region; entry points may name this."""
    region = options.get("region", "")
    if region not in _published:
        raise InvalidOptions(f'no memory cloud is published in region "{region}"')
    timeout = float(options.get("timeout_seconds") or _DEFAULT_TIMEOUT_SECONDS)
    return MemoryProvider(_published[region], timeout)


class MemoryProvider:
    """``moorage_provider.protocol.Provider`` over a ``MemoryCloud``; any number may share one."""

    def __init__(
        self, cloud: MemoryCloud, timeout_seconds: float = _DEFAULT_TIMEOUT_SECONDS
    ) -> None:
        self.name = "memory"
        self.capabilities = cloud.capabilities
        self.fence: Callable[[], None] = unfenced
        self.on_call: Callable[[ApiCall], None] = unobserved
        self._cloud = cloud
        self._timeout_seconds = timeout_seconds

    def machine_id(self, provider_id: str) -> str | None:
        machine_id = provider_id.removeprefix(_PREFIX)
        return machine_id if provider_id.startswith(_PREFIX) and machine_id else None

    async def snapshot(
        self, addresses: Collection[str], selectors: Collection[Labels] = ()
    ) -> Mapping[str, CloudAddress]:
        ips = tuple(addresses)
        return await self._call("snapshot", ips, lambda _: self._cloud.snapshot(ips, selectors))

    async def machine(self, machine_id: str) -> Machine:
        return await self._call("machine", (machine_id,), lambda _: self._cloud.machine(machine_id))

    def check(self, address: CloudAddress, machine: Machine) -> str | None:
        return refuse(address, machine)

    async def prepare(
        self,
        address: CloudAddress,  # noqa: ARG002 - one interface takes one address here, whatever its kind
        machine: Machine,
        request_id: str,
    ) -> PendingMutation:
        return await self._mutate(self._cloud.preparing(machine), request_id)

    async def attach(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        return await self._mutate(self._cloud.attaching(address, machine), request_id)

    async def move(
        self, address: CloudAddress, machine: Machine, request_id: str
    ) -> PendingMutation:
        return await self._mutate(self._cloud.moving(address, machine), request_id)

    async def detach(self, address: CloudAddress, request_id: str) -> PendingMutation:
        return await self._mutate(self._cloud.detaching(address), request_id)

    async def restore(self, machine: Machine, request_id: str) -> PendingMutation:
        return await self._mutate(self._cloud.restoring(machine), request_id)

    def credentials_expiring(self) -> bool:
        return self._cloud.credentials_expiring

    async def poll(self, handle: str) -> PendingMutation:
        with goes_on():
            state, error = await self._call("poll", (handle,), lambda _: self._ended(handle))
        if error:
            raise error
        return state

    def _ended(self, handle: str) -> tuple[PendingMutation, Exception | None]:
        """The state of a mutation, and how it failed."""
        try:
            return self._cloud.poll(handle), None
        except Exception as error:  # noqa: BLE001 - the operation's own, raised by poll
            return PendingMutation(handle), error

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _mutate(self, mutation: Mutation, request_id: str) -> PendingMutation:
        # Before the call's latency, as over a network: a sent request cannot be stopped.
        self.fence()
        subjects = (*sorted(mutation.subjects), request_id)
        return await self._call(
            mutation.op,
            subjects,
            lambda fault: self._cloud.start(mutation, fault.late_error if fault else None),
        )

    async def _call(self, op: str, params: tuple[str, ...], work: Callable[[Fault | None], T]) -> T:
        began = time.monotonic()
        outcome = "success"
        try:
            return await self._served(op, params, work)
        except CloudError as error:
            outcome = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
            raise
        finally:
            self.on_call(ApiCall(op, outcome, time.monotonic() - began))

    async def _served(
        self, op: str, params: tuple[str, ...], work: Callable[[Fault | None], T]
    ) -> T:
        fault = self._cloud.faults.arrive(op, {str(n): text for n, text in enumerate(params)})
        if fault is not None and fault.status is not None:
            raise ValueError("the memory cloud speaks no HTTP: give the fault an error instead")
        error = _error(op, fault)
        if error is None:
            await self._wait(op, fault)
            self._cloud.step()
            return work(fault)
        if fault is not None and fault.drop == "after":
            # The work is done; only its answer is slow or lost.
            self._cloud.step()
            work(fault)
        await self._wait(op, fault)
        raise error

    async def _wait(self, op: str, fault: Fault | None) -> None:
        """Wait as long as a call takes; always yields to the event loop, as a real call would."""
        seconds = self._cloud.latency_seconds + (fault.delay_seconds if fault else 0.0)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await asyncio.sleep(seconds)
        except TimeoutError as error:
            raise Unavailable(
                f"{op}: no answer within {self._timeout_seconds:g} s", "Timeout"
            ) from error


def _error(op: str, fault: Fault | None) -> Exception | None:
    """The error of a call with this fault, ``None`` = it succeeds."""
    if fault is None:
        return None
    dropped = Unavailable(f"{op}: the connection broke", "Dropped") if fault.drop else None
    return fault.error or dropped
