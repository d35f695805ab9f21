"""Deadlines, slow answers, answers that come too late, and calls that are cancelled."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from moorage_provider.errors import Unavailable
from moorage_provider.protocol import MachineHolder, Provider
from moorage_testing.contract.steps import (
    Opening,
    arranged,
    call_of,
    done,
    fresh_request,
    insist,
    longest_lag,
    opened,
    read,
    until,
)
from moorage_testing.contract.world import (
    IMPATIENT_SECONDS,
    PATIENT_SECONDS,
    ContractWorld,
    Failure,
    Step,
)

# How far behind its timers the event loop may fall while a provider works.
LONGEST_LAG_SECONDS = 0.05
# How late a call may notice that its deadline has passed, on a busy machine.
GRACE_SECONDS = 1.0


async def warmed(provider: Provider) -> None:
    """Load the SDK: it is not measured, and may take longer than the limits."""
    async with asyncio.timeout(PATIENT_SECONDS):
        while True:
            with contextlib.suppress(Unavailable):
                await provider.snapshot(("192.0.2.254",))
                return


class TimingContract:
    """How long calls take, and the effects of abandoned calls."""

    @pytest.mark.parametrize("step", ["snapshot", "machine", "attach", "detach"])
    async def test_the_deadline_holds_when_any_call_hangs(
        self, world: ContractWorld, provider: Provider, opening: Opening, step: Step
    ) -> None:
        scene = await arranged(world, provider)
        async with opened(opening, IMPATIENT_SECONDS) as impatient:
            await warmed(impatient)
            call = call_of(impatient, scene, step)
            world.fail(step, Failure.HANGS)
            began = time.monotonic()
            with pytest.raises(Unavailable):
                await call()
            assert time.monotonic() - began < IMPATIENT_SECONDS + GRACE_SECONDS
            world.heal()
        assert scene.held.ip in await provider.snapshot((scene.held.ip,))

    async def test_a_mutation_that_took_effect_after_its_deadline_can_be_repeated(
        self, world: ContractWorld, provider: Provider, opening: Opening
    ) -> None:
        scene = await arranged(world, provider)
        free, target, request_id = scene.free, scene.target, fresh_request()
        async with opened(opening, IMPATIENT_SECONDS) as impatient:
            await warmed(impatient)
            world.fail("attach", Failure.HANGS)
            with pytest.raises(Unavailable):
                await done(impatient, impatient.attach(free, target, request_id))
            world.heal()

        async def took_effect() -> bool:
            return (await read(provider, free.ip)).holder is not None

        await until(took_effect)
        late = await read(provider, free.ip)
        assert late.holder == MachineHolder(target.machine_id, target.interface_id)
        await insist(provider, lambda: provider.attach(free, target, request_id))
        assert await read(provider, free.ip) == late

    async def test_a_mutation_that_was_cancelled_can_be_repeated(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        free, target, request_id = scene.free, scene.target, fresh_request()
        world.fail("attach", Failure.HANGS)
        before = world.mutations()
        attaching = asyncio.ensure_future(provider.attach(free, target, request_id))

        async def arrived() -> bool:
            return world.mutations() > before

        await until(arrived)
        attaching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attaching
        world.heal()
        await insist(provider, lambda: provider.attach(free, target, request_id))
        holder = MachineHolder(target.machine_id, target.interface_id)
        assert (await read(provider, free.ip)).holder == holder

    async def test_the_event_loop_goes_on_while_the_cloud_is_slow(
        self, world: ContractWorld, provider: Provider, opening: Opening
    ) -> None:
        lags = [LONGEST_LAG_SECONDS]
        async with opened(opening, PATIENT_SECONDS + 3 * world.slow_seconds) as patient:
            await warmed(patient)
            # A busy machine can only add to the lag, and a call that blocks does so each time.
            while min(lags) >= LONGEST_LAG_SECONDS and len(lags) <= 10:  # noqa: PLR2004 - ten tries
                scene = await arranged(world, provider)
                slow: tuple[Step, ...] = ("snapshot", "machine", "attach")
                for step in slow:
                    world.fail(step, Failure.SLOW)
                async with longest_lag() as lag:
                    await asyncio.gather(*(call_of(patient, scene, step)() for step in slow))
                lags.append(lag())
                world.heal()
        assert min(lags) < LONGEST_LAG_SECONDS
