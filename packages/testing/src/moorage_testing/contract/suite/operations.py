"""Mutations that a cloud accepts now and ends later, well or badly."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import contextlib

import pytest

from moorage_provider.errors import CloudError
from moorage_provider.protocol import MachineHolder, PendingMutation, Provider
from moorage_testing.contract.steps import (
    Opening,
    arranged,
    asking,
    finished,
    fresh_request,
    needs_operations,
    opened,
    read,
    unchanged,
)
from moorage_testing.contract.world import Asked, ContractWorld, Failure

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

    @pytest.mark.parametrize("asked", ["attach", "move", "detach"])
    async def test_an_accepted_mutation_that_fails_is_told_by_poll_and_has_changed_nothing(
        self, world: ContractWorld, provider: Provider, opening: Opening, asked: Asked
    ) -> None:
        needs_operations(world)
        scene = await arranged(world, provider)
        call = asking(provider, scene, asked)
        world.fail(asked, Failure.LATE)
        accepted = await call()
        world.heal()
        assert isinstance(accepted, PendingMutation)
        assert not accepted.done
        async with opened(opening) as restarted:
            for polling in (provider, restarted):
                with pytest.raises(CloudError):
                    await finished(polling, accepted)
        assert await unchanged(provider, scene)

    @pytest.mark.parametrize("handle", NONSENSE)
    async def test_a_handle_that_leads_nowhere_is_refused_as_a_cloud_refuses(
        self, world: ContractWorld, provider: Provider, handle: str
    ) -> None:
        with contextlib.suppress(CloudError):
            assert (await provider.poll(handle)).done
            # Where nothing is ever under way, whatever is asked for is over.
            assert not world.accepts_operations
