"""The usual steps of the provider contract's tests, for clouds of every kind."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from moorage_domain.errors import Locked
from moorage_domain.provider import CloudAddress, Machine, Operation, Provider
from moorage_testing.contract.world import PATIENT_SECONDS, ContractWorld


class FencedError(Exception):
    """This process may not write any more."""


def closed() -> None:
    """A fence that lets nothing through."""
    raise FencedError


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
    """Make a machine ready for any address, where that must be done."""
    if provider.traits.clears_target_first:
        nothing = CloudAddress(ip="192.0.2.1", reference="none", holder=None)
        await done(provider, provider.prepare(nothing, machine, "prepare"))
    return await provider.machine(machine.machine_id)


async def attached(world: ContractWorld, provider: Provider) -> tuple[Machine, CloudAddress]:
    """A fresh machine that holds a fresh address."""
    machine = await prepared(provider, await new_machine(world, provider))
    free = await read(provider, world.add_address())
    await done(provider, provider.attach(free, machine, "attach"))
    return machine, await read(provider, free.ip)


async def done(provider: Provider, mutation: Awaitable[Operation]) -> None:
    """Wait until a mutation has taken effect; raises what it ended in."""
    operation = await mutation
    async with asyncio.timeout(PATIENT_SECONDS):
        while not operation.done:
            operation = await provider.poll(operation.handle)


async def insist(provider: Provider, mutation: Callable[[], Awaitable[Operation]]) -> None:
    """Ask for a mutation until nothing else is under way on its objects, and wait for it."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while True:
            with contextlib.suppress(Locked):
                await done(provider, mutation())
                return


def mutations(
    provider: Provider, address: CloudAddress, machine: Machine
) -> tuple[Callable[[], Awaitable[Operation]], ...]:
    """Everything that could take this address from its holder."""
    return (
        lambda: provider.attach(address, machine, "attach"),
        lambda: provider.move(address, machine, "move"),
        lambda: provider.detach(address, "detach"),
    )


def needs_move(provider: Provider) -> None:
    """Skip a test about ``move`` for clouds that have none."""
    if not provider.traits.moves_in_one_call:
        pytest.skip("this cloud moves in two steps")


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
