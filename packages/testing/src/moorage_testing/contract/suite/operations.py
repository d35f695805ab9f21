"""Mutations that a cloud accepts now and completes or fails later."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import contextlib

import pytest

from moorage_provider.errors import CloudError, StateUnread
from moorage_provider.protocol import MachineHolder, PendingMutation, Provider
from moorage_testing.contract.steps import (
    Opening,
    arranged,
    call_of,
    finished,
    fresh_request,
    needs_operations,
    opened,
    read,
    unchanged,
)
from moorage_testing.contract.world import ContractWorld, Failure, Step

# The second could send the credentials to somebody else, the third climb out of a path.
NONSENSE = ("no-such-operation", "http://127.0.0.1:9/operation", "../../operation", "{}")


class OperationsContract:
    """Handles of accepted operations, and where they lead."""

    async def test_an_accepted_mutation_is_followed_to_its_end_after_a_restart(
        self, world: ContractWorld, provider: Provider, opening: Opening
    ) -> None:
        needs_operations(world)
        scene = await arranged(world, provider)
        operation = await provider.attach(scene.free, scene.target, fresh_request())
        assert operation.done or operation.handle
        async with opened(opening) as restarted:
            await finished(restarted, operation)
            holder = MachineHolder(scene.target.machine_id, scene.target.interface_id)
            assert (await read(restarted, scene.free.ip)).holder == holder

    @pytest.mark.parametrize("step", ["attach", "move", "detach"])
    async def test_poll_raises_the_error_of_an_accepted_mutation_that_changed_nothing(
        self, world: ContractWorld, provider: Provider, opening: Opening, step: Step
    ) -> None:
        needs_operations(world)
        scene = await arranged(world, provider)
        call = call_of(provider, scene, step)
        world.fail(step, Failure.LATE)
        accepted = await call()
        world.heal()
        assert isinstance(accepted, PendingMutation)
        assert not accepted.done
        async with opened(opening) as restarted:
            for polling in (provider, restarted):
                with pytest.raises(CloudError):
                    await finished(polling, accepted)
        assert await unchanged(provider, scene)

    @pytest.mark.parametrize("failure", [Failure.THROTTLED, Failure.NO_ANSWER])
    async def test_a_mutation_whose_state_cannot_be_read_goes_on(
        self, world: ContractWorld, provider: Provider, failure: Failure
    ) -> None:
        needs_operations(world)
        scene = await arranged(world, provider)
        accepted = await provider.attach(scene.free, scene.target, fresh_request())
        if accepted.done:
            pytest.skip("this one was done at once")
        world.fail("poll", failure)
        with pytest.raises(StateUnread) as unread:
            await provider.poll(accepted.handle)
        if failure is Failure.THROTTLED:
            assert unread.value.retry_after == world.retry_after_seconds
        world.heal()
        await finished(provider, accepted)
        held = await read(provider, scene.free.ip)
        assert isinstance(held.holder, MachineHolder)
        assert held.holder.machine_id == scene.target.machine_id

    @pytest.mark.parametrize("handle", NONSENSE)
    async def test_an_unknown_handle_raises_a_cloud_error(
        self, world: ContractWorld, provider: Provider, handle: str
    ) -> None:
        with contextlib.suppress(CloudError):
            assert (await provider.poll(handle)).done
            # A cloud without operations may report any handle as done.
            assert not world.accepts_operations
