"""The usual steps of the provider contract's tests, for clouds of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from moorage_provider.errors import Locked
from moorage_provider.protocol import CloudAddress, Machine, PendingMutation, Provider
from moorage_testing.contract.world import PATIENT_SECONDS, ContractWorld, CountedStep

Opening = Callable[[float], Provider]
"""Makes a provider with this deadline in seconds."""


class FencedError(Exception):
    """The fence is closed: this process may not write any more."""


def closed() -> None:
    """A closed fence."""
    raise FencedError


@contextlib.asynccontextmanager
async def opened(opening: Opening, seconds: float = PATIENT_SECONDS) -> AsyncIterator[Provider]:
    """One more provider, closed in the end."""
    provider = opening(seconds)
    try:
        yield provider
    finally:
        await provider.close()


def fresh_request() -> str:
    """A new request id: clouds may remember old ones for long."""
    return f"contract-{uuid.uuid4()}"


async def new_machine(world: ContractWorld, provider: Provider) -> Machine:
    """Start a machine and read it."""
    machine_id = provider.machine_id(world.add_machine())
    if machine_id is None:
        pytest.fail("the provider does not know its own provider id")
    return await provider.machine(machine_id)


async def read(provider: Provider, ip: str) -> CloudAddress:
    """Read one address that exists."""
    return (await provider.snapshot((ip,)))[ip]


async def prepared(provider: Provider, machine: Machine) -> Machine:
    """Prepare a machine for any address, where that is necessary."""
    if provider.capabilities.clears_target_first:
        nothing = CloudAddress(ip="192.0.2.1", reference="none", holder=None)
        await done(provider, provider.prepare(nothing, machine, fresh_request()))
    return await provider.machine(machine.machine_id)


async def attached(
    world: ContractWorld, provider: Provider, request_id: str = ""
) -> tuple[Machine, CloudAddress]:
    """A fresh machine that holds a fresh address."""
    machine = await prepared(provider, await new_machine(world, provider))
    free = await read(provider, world.add_address())
    await done(provider, provider.attach(free, machine, request_id or fresh_request()))
    return machine, await read(provider, free.ip)


@dataclass(frozen=True, slots=True)
class Scene:
    """One address that is held and one that is free.

    Attributes:
        holder: the machine that has ``held``.
        held: the address it has.
        target: a machine that is ready for an address.
        free: the address that nobody has.
    """

    holder: Machine
    held: CloudAddress
    target: Machine
    free: CloudAddress


async def arranged(world: ContractWorld, provider: Provider) -> Scene:
    """Arrange the objects for every step of the provider."""
    holder, held = await attached(world, provider)
    target = await prepared(provider, await new_machine(world, provider))
    return Scene(holder, held, target, await read(provider, world.add_address()))


async def unchanged(provider: Provider, scene: Scene) -> bool:
    """Whether both addresses are as they were."""
    read_back = await provider.snapshot((scene.held.ip, scene.free.ip))
    return dict(read_back) == {scene.held.ip: scene.held, scene.free.ip: scene.free}


def call_of(provider: Provider, scene: Scene, step: CountedStep) -> Callable[[], Awaitable[object]]:
    """The call of one step; skips the test where the cloud has no such step."""
    if step == "move":
        needs_move(provider)
    request_id = fresh_request()
    steps: dict[CountedStep, Callable[[], Awaitable[object]]] = {
        "snapshot": lambda: provider.snapshot((scene.held.ip,)),
        "machine": lambda: provider.machine(scene.holder.machine_id),
        "attach": lambda: provider.attach(scene.free, scene.target, request_id),
        "move": lambda: provider.move(scene.held, scene.target, request_id),
        "detach": lambda: provider.detach(scene.held, request_id),
        "prepare": lambda: provider.prepare(scene.free, scene.target, request_id),
        "restore": lambda: provider.restore(scene.target, request_id),
    }
    return steps[step]


async def done(provider: Provider, mutation: Awaitable[PendingMutation]) -> None:
    """Wait until a mutation has taken effect; raises the operation's error."""
    await finished(provider, await mutation)


async def finished(provider: Provider, operation: PendingMutation) -> None:
    """Poll until an operation is done; raises the operation's error."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while not operation.done:
            operation = await provider.poll(operation.handle)


async def insist(provider: Provider, mutation: Callable[[], Awaitable[PendingMutation]]) -> None:
    """Repeat a mutation until no other one is under way on its objects, and wait for it."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while True:
            with contextlib.suppress(Locked):
                await done(provider, mutation())
                return


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition that somebody else makes true."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while True:
            if await reached():
                return
            await asyncio.sleep(0.01)


def mutations(
    provider: Provider, address: CloudAddress, machine: Machine
) -> tuple[Callable[[], Awaitable[PendingMutation]], ...]:
    """Everything that could take this address from its holder."""
    return (
        lambda: provider.attach(address, machine, fresh_request()),
        lambda: provider.move(address, machine, fresh_request()),
        lambda: provider.detach(address, fresh_request()),
    )


def needs_move(provider: Provider) -> None:
    """Skip a test about ``move`` for clouds that have none."""
    if not provider.capabilities.moves_in_one_call:
        pytest.skip("this cloud moves in two steps")


def needs_operations(world: ContractWorld) -> None:
    """Skip a test about accepted operations for clouds that have none."""
    if not world.accepts_operations:
        pytest.skip("no mutation of this cloud outlives its call")


@contextlib.asynccontextmanager
async def longest_lag() -> AsyncIterator[Callable[[], float]]:
    """Measure how far the event loop falls behind its timers, in seconds."""
    longest = 0.0
    step = 0.005

    async def tick() -> None:
        nonlocal longest
        while True:
            began = time.monotonic()
            await asyncio.sleep(step)
            longest = max(longest, time.monotonic() - began - step)

    ticking = asyncio.create_task(tick())
    try:
        yield lambda: longest
    finally:
        ticking.cancel()
