"""A cloud that fails: each failure raises its own error, and none shows a secret."""
# ruff: noqa: S101 - these are tests, only elsewhere

from __future__ import annotations

import contextlib
import logging
import traceback
from typing import Literal

import pytest

from moorage_provider.errors import CloudError, Denied, Throttled, Unavailable
from moorage_provider.protocol import MachineHolder, Provider
from moorage_testing.contract.steps import (
    arranged,
    call_of,
    done,
    fresh_request,
    insist,
    read,
    unchanged,
)
from moorage_testing.contract.world import ContractWorld, Failure, Step

EXPECTED: dict[Failure, type[CloudError]] = {
    Failure.THROTTLED: Throttled,
    Failure.DENIED: Denied,
    Failure.NO_ANSWER: Unavailable,
}
failures = pytest.mark.parametrize("failure", EXPECTED, ids=lambda failure: failure.name.lower())
# One read and one mutation, for tests that make many calls.
_EITHER: tuple[Literal["snapshot", "attach"], ...] = ("snapshot", "attach")


class FailingContract:
    """Calls that fail, or whose answers are lost."""

    @failures
    @pytest.mark.parametrize("step", ["snapshot", "machine", "attach", "move", "detach"])
    async def test_a_failure_raises_its_own_error_and_nothing_is_changed(
        self, world: ContractWorld, provider: Provider, step: Step, failure: Failure
    ) -> None:
        scene = await arranged(world, provider)
        call = call_of(provider, scene, step)
        world.fail(step, failure)
        with pytest.raises(EXPECTED[failure]) as failed:
            await call()
        world.heal()
        assert str(failed.value)
        assert await unchanged(provider, scene)

    @pytest.mark.parametrize("step", _EITHER)
    async def test_the_missing_right_is_named(
        self, world: ContractWorld, provider: Provider, step: Step
    ) -> None:
        call = call_of(provider, await arranged(world, provider), step)
        world.fail(step, Failure.DENIED)
        with pytest.raises(Denied) as denied:
            await call()
        world.heal()
        assert denied.value.permission
        assert denied.value.permission in str(denied.value)

    async def test_harm_11_what_a_policy_forbids_is_a_denial_that_names_it(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        world.fail("attach", Failure.FORBIDDEN)
        with pytest.raises(Denied) as denied:
            await call_of(provider, scene, "attach")()
        world.heal()
        assert denied.value.permission
        assert denied.value.permission in str(denied.value)
        assert await unchanged(provider, scene)

    @pytest.mark.parametrize("step", _EITHER)
    async def test_a_throttled_call_says_how_long_the_cloud_asks_to_wait(
        self, world: ContractWorld, provider: Provider, step: Step
    ) -> None:
        call = call_of(provider, await arranged(world, provider), step)
        world.fail(step, Failure.THROTTLED)
        with pytest.raises(Throttled) as throttled:
            await call()
        world.heal()
        assert throttled.value.retry_after == world.retry_after_seconds

    async def test_a_mutation_whose_answer_is_lost_can_be_repeated(
        self, world: ContractWorld, provider: Provider
    ) -> None:
        scene = await arranged(world, provider)
        attach, detach = fresh_request(), fresh_request()
        world.fail("attach", Failure.ANSWER_LOST)
        with contextlib.suppress(Unavailable):
            await done(provider, provider.attach(scene.free, scene.target, attach))
        world.heal()
        await insist(provider, lambda: provider.attach(scene.free, scene.target, attach))
        address = await read(provider, scene.free.ip)
        assert address.holder == MachineHolder(scene.target.machine_id, scene.target.interface_id)
        world.fail("detach", Failure.ANSWER_LOST)
        with contextlib.suppress(Unavailable):
            await done(provider, provider.detach(address, detach))
        world.heal()
        await insist(provider, lambda: provider.detach(address, detach))
        assert (await read(provider, scene.free.ip)).holder is None

    async def test_no_secret_is_ever_shown(
        self, world: ContractWorld, provider: Provider, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG):
            scene = await arranged(world, provider)
            shown = [repr(provider), str(vars(provider)), repr(scene)]
            for step in _EITHER:
                for failure in EXPECTED:
                    world.fail(step, failure)
                    with pytest.raises(CloudError) as failed:
                        await call_of(provider, scene, step)()
                    shown += [*traceback.format_exception(failed.value), repr(failed.value)]
                    world.heal()
            operation = await provider.attach(scene.free, scene.target, fresh_request())
            shown.append(repr(operation))
        everything = "\n".join((*shown, caplog.text))
        assert scene.held.ip in everything
        assert [secret for secret in world.secrets if secret in everything] == []
