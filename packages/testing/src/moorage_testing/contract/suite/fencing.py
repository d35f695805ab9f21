"""The fence: who may not write any more changes nothing, whatever was begun."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.errors import Throttled
from moorage_provider.protocol import Provider
from moorage_testing.contract.steps import (
    FencedError,
    arranged,
    asking,
    closed,
    fresh_request,
    unchanged,
)
from moorage_testing.contract.world import Asked, ContractWorld, Failure


class FencingContract:
    """``fence``, asked before everything that changes something."""

    @pytest.mark.parametrize("asked", ["attach", "move", "detach"])
    async def test_behind_a_closed_fence_nothing_is_changed_and_all_is_read(
        self, world: ContractWorld, provider: Provider, asked: Asked
    ) -> None:
        scene = await arranged(world, provider)
        call = asking(provider, scene, asked)
        before = world.mutations()
        provider.fence = closed
        with pytest.raises(FencedError):
            await call()
        assert world.mutations() == before
        assert await unchanged(provider, scene)
        assert (await provider.machine(scene.holder.machine_id)).public_ip == scene.held.ip

    async def test_the_fence_is_asked_before_every_attempt(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        asked: list[str] = []
        provider.fence = lambda: asked.append("?")
        world.fail("attach", Failure.THROTTLED)
        before = world.mutations()
        with pytest.raises(Throttled):
            await provider.attach(scene.free, scene.target, fresh_request())
        world.heal()
        assert len(asked) == world.mutations() - before
