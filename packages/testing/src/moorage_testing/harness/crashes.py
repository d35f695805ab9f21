"""A crash after every single change: wherever the process dies, all ends as if it had not."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass

from moorage_testing import virtual_time
from moorage_testing.harness.scenario import Scenario
from moorage_testing.harness.world import World

STRIDE = int(os.environ.get("MOORAGE_CRASH_STRIDE", "1"))
"""Each so many-th of the crashes is tried; noxfile.py says where not every one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one run ended."""

    changes: tuple[str, ...]
    view: object
    crashed: bool


def crash_after_every_change(
    make: Callable[[], Scenario], at_most: int = 500, stride: int = STRIDE
) -> int:
    """Run it undisturbed, then once for each change and for each way to die of it.

    The two ways: the change is done and its answer lost, and it is not done. Returns how many
    changes the undisturbed run took. Raises AssertionError where a run does not come to rest, does
    not end as the undisturbed one, breaks what must hold always, or was not hit by its crash.
    """
    calm = _run(make(), 0, done=True)
    total = len(calm.changes)
    assert 0 < total <= at_most, f"{total} changes: {calm.changes[:10]}"  # noqa: S101 - a test's
    crashes = [(number, done) for number in range(1, total + 1) for done in (True, False)]
    # An odd stride takes both ways in turn.
    for number, done in crashes[::stride]:
        what = f"crash at change {number} of {total}, {calm.changes[number - 1]}"
        try:
            _compare(_run(make(), number, done=done), calm)
        except Exception as error:
            state = "done" if done else "not done"
            raise AssertionError(f"{what} ({state}): {error}") from error
    return total


def _compare(ended: Ended, calm: Ended) -> None:
    assert ended.crashed, "it did not crash"  # noqa: S101 - this is a test's
    assert ended.view == calm.view, f"ended with {ended.view}, not {calm.view}"  # noqa: S101 - a test's


def _run(scenario: Scenario, crash_at: int, *, done: bool) -> Ended:
    # The same jitter every time: up to the crash a run is the undisturbed one.
    random.seed(0)
    return virtual_time.run(_play(scenario, crash_at, done=done))


async def _play(scenario: Scenario, crash_at: int, *, done: bool) -> Ended:
    world = World(scenario, crash_at, done=done)
    scenario.arrange(world.server)
    world.begin()
    try:
        await world.settle()
        for edit in scenario.edits:
            edit(world.server)
            await world.settle()
        assert not world.deaths, f"it ended by itself: {world.deaths}"  # noqa: S101 - a test's
        await world.rests()
    finally:
        await world.kill()
    return Ended(tuple(world.changes), scenario.view(world.server), world.crashed)
