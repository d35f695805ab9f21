"""The fence: a process that may not write any more changes nothing."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.errors import Throttled
from moorage_provider.protocol import Provider
from moorage_testing.contract.steps import (
    FencedError,
    arranged,
    call_of,
    closed,
    fresh_request,
    unchanged,
)
from moorage_testing.contract.world import ContractWorld, Failure, Step


class FencingContract:
    """``fence``, called before every mutation."""

    @pytest.mark.parametrize("step", ["attach", "move", "detach"])
    async def test_behind_a_closed_fence_nothing_is_changed_and_all_is_read(
        self, world: ContractWorld, provider: Provider, step: Step
    ) -> None:
        scene = await arranged(world, provider)
        call = call_of(provider, scene, step)
        before = world.mutations()
        provider.fence = closed
        with pytest.raises(FencedError):
            await call()
        assert world.mutations() == before
        assert await unchanged(provider, scene)
        assert (await provider.machine(scene.holder.machine_id)).public_ip == scene.held.ip

    async def test_the_fence_is_called_before_every_attempt(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        fence_calls: list[str] = []
        provider.fence = lambda: fence_calls.append("?")
        world.fail("attach", Failure.THROTTLED)
        before = world.mutations()
        with pytest.raises(Throttled):
            await provider.attach(scene.free, scene.target, fresh_request())
        world.heal()
        assert len(fence_calls) == world.mutations() - before
