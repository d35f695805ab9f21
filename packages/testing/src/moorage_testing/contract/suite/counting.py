"""How many calls each step takes, and that every one of them is told."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.protocol import ApiCall, Provider
from moorage_testing.contract.steps import (
    arranged,
    asking,
    done,
    fresh_request,
    new_machine,
)
from moorage_testing.contract.suite.failing import EXPECTED, failures
from moorage_testing.contract.world import ContractWorld, Counted, Failure

_OUTCOMES = {
    Failure.THROTTLED: "throttled",
    Failure.DENIED: "denied",
    Failure.NO_ANSWER: "unavailable",
}
_COUNTED = ("snapshot", "machine", "attach", "move", "detach", "prepare", "compensate")


class CountingContract:
    """``on_call``, and ``ContractWorld.calls``."""

    async def test_every_call_that_succeeds_is_told_once(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        told: list[ApiCall] = []
        provider.on_call = told.append
        before = world.reads() + world.mutations()
        scene = await arranged(world, provider)
        await done(provider, provider.detach(scene.held, fresh_request()))
        assert len(told) == world.reads() + world.mutations() - before
        assert {request.outcome for request in told} == {"success"}
        assert all(request.operation and request.seconds >= 0 for request in told)

    @failures
    async def test_a_call_that_fails_is_told_once_with_the_name_of_its_error(
        self, world: ContractWorld, provider: Provider, failure: Failure
    ) -> None:
        scene = await arranged(world, provider)
        told: list[ApiCall] = []
        provider.on_call = told.append
        world.fail("attach", failure)
        with pytest.raises(EXPECTED[failure]):
            await provider.attach(scene.free, scene.target, fresh_request())
        world.heal()
        outcomes = [request.outcome for request in told if request.outcome != "success"]
        assert outcomes == [_OUTCOMES[failure]]

    @pytest.mark.parametrize("asked", _COUNTED)
    async def test_a_step_takes_no_more_calls_than_the_world_says(
        self, world: ContractWorld, provider: Provider, asked: Counted
    ) -> None:
        scene = await arranged(world, provider)
        if asked == "prepare":
            # The scene's target is ready already.
            fresh = await new_machine(world, provider)
            before = world.reads(), world.mutations()
            await provider.prepare(scene.free, fresh, fresh_request())
        else:
            call = asking(provider, scene, asked)
            before = world.reads(), world.mutations()
            await call()
        reads, changes = world.reads() - before[0], world.mutations() - before[1]
        most_reads, most_changes = world.calls[asked]
        assert reads <= most_reads
        assert changes <= most_changes
