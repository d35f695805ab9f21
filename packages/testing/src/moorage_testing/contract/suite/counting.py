"""How many calls each step takes, and that every call is reported."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import pytest

from moorage_provider.protocol import ApiCall, Provider
from moorage_testing.contract.steps import (
    arranged,
    call_of,
    done,
    fresh_request,
    new_machine,
)
from moorage_testing.contract.suite.failing import EXPECTED, failures
from moorage_testing.contract.world import ContractWorld, CountedStep, Failure

_OUTCOMES = {
    Failure.THROTTLED: "throttled",
    Failure.DENIED: "denied",
    Failure.NO_ANSWER: "unavailable",
}
_COUNTED = ("snapshot", "machine", "attach", "move", "detach", "prepare", "restore")


class CountingContract:
    """``on_call``, and ``ContractWorld.calls``."""

    async def test_every_call_that_succeeds_is_reported_once(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        calls: list[ApiCall] = []
        provider.on_call = calls.append
        before = world.reads() + world.mutations()
        scene = await arranged(world, provider)
        await done(provider, provider.detach(scene.held, fresh_request()))
        assert len(calls) == world.reads() + world.mutations() - before
        assert {request.outcome for request in calls} == {"success"}
        assert all(request.operation and request.seconds >= 0 for request in calls)

    @failures
    async def test_a_call_that_fails_is_reported_once_with_the_name_of_its_error(
        self, world: ContractWorld, provider: Provider, failure: Failure
    ) -> None:
        scene = await arranged(world, provider)
        calls: list[ApiCall] = []
        provider.on_call = calls.append
        world.fail("attach", failure)
        with pytest.raises(EXPECTED[failure]):
            await provider.attach(scene.free, scene.target, fresh_request())
        world.heal()
        outcomes = [request.outcome for request in calls if request.outcome != "success"]
        assert outcomes == [_OUTCOMES[failure]]

    @pytest.mark.parametrize("step", _COUNTED)
    async def test_a_step_takes_no_more_calls_than_the_world_says(
        self, world: ContractWorld, provider: Provider, step: CountedStep
    ) -> None:
        scene = await arranged(world, provider)
        if step == "prepare":
            # The scene's target is ready already.
            fresh = await new_machine(world, provider)
            before = world.reads(), world.mutations()
            await provider.prepare(scene.free, fresh, fresh_request())
        else:
            call = call_of(provider, scene, step)
            before = world.reads(), world.mutations()
            await call()
        reads, changes = world.reads() - before[0], world.mutations() - before[1]
        most_reads, most_changes = world.calls[step]
        assert reads <= most_reads
        assert changes <= most_changes
