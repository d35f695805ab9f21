"""Random lives: seeded trouble of every kind, and in the end all must be well and at rest."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterable
from typing import Literal

from moorage_testing import virtual_time
from moorage_testing.apiserver import Fault
from moorage_testing.harness.scenario import Happening, Scenario
from moorage_testing.harness.world import World

_PAUSES = (0.0, 0.0, 0.01, 0.5, 1.0, 5.0, 40.0, 400.0)
_WRITES = ("POST", "PUT", "PATCH", "DELETE")


def api_errors(world: World, rng: random.Random) -> None:
    """Some requests are refused for a while."""
    status, reason = rng.choice(
        ((500, "InternalError"), (503, "ServiceUnavailable"), (429, "TooManyRequests"))
    )
    verb = rng.choice(("", "GET", "WATCH", *_WRITES))
    body = {"reason": reason}
    world.server.faults.append(Fault(verb, status, body, times=rng.randint(1, 5)))


def lost_answers(world: World, rng: random.Random) -> None:
    """Some requests get no answer, done or not."""
    drop: Literal["before", "after"] = rng.choice(("before", "after"))
    verb = rng.choice(("", *_WRITES))
    world.server.faults.append(Fault(verb, drop=drop, times=rng.randint(1, 3)))


def slow_answers(world: World, rng: random.Random) -> None:
    """Some requests take their time, or for ever."""
    seconds = rng.choice((0.3, 3.0, 30.0))
    hang = rng.random() < 0.2  # noqa: PLR2004 - now and then
    fault = Fault(rng.choice(("", "GET", *_WRITES)), 0, delay_seconds=seconds, hang=hang)
    world.server.faults.append(fault)


def lost_watches(world: World, rng: random.Random) -> None:
    """All watches end."""
    world.server.cut_watches(rng.choice(("quiet", "break")))


def forgotten_history(world: World, _: random.Random) -> None:
    """All watches end, and cannot go on from where they were."""
    world.server.forget_history()
    world.server.cut_watches()


async def crash(world: World, _: random.Random) -> None:
    """The process dies and comes back."""
    await world.restart()


async def long_pause(world: World, rng: random.Random) -> None:
    """Nothing happens for minutes or hours."""
    await world.pass_time(rng.uniform(600.0, world.scenario.longest_pause_seconds))


DISTURBANCES: tuple[Happening, ...] = (
    api_errors,
    lost_answers,
    slow_answers,
    lost_watches,
    forgotten_history,
    crash,
    long_pause,
)


def live_many(make: Callable[[], Scenario], seeds: Iterable[int]) -> None:
    """One life for each seed; the AssertionError names the one that failed."""
    for seed in seeds:
        try:
            live(make(), seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error


def live(scenario: Scenario, seed: int, most_happenings: int = 12) -> None:
    """One random life: happenings and disturbances, then peace, in which all must come to rest."""
    rng = random.Random(seed)  # noqa: S311 - random in tests, repeatable
    random.seed(seed)
    virtual_time.run(_live(scenario, rng, most_happenings))


async def _live(scenario: Scenario, rng: random.Random, most_happenings: int) -> None:
    world = World(scenario)
    scenario.arrange(world.server)
    world.begin()
    try:
        for _ in range(rng.randint(3, most_happenings)):
            happening = rng.choice((*(scenario.happenings * 2), *DISTURBANCES))
            result = happening(world, rng)
            if inspect.isawaitable(result):
                await result
            await world.pass_time(rng.choice(_PAUSES))
        world.server.faults.clear()
        await world.settle()
        await world.rests()
    finally:
        await world.kill()
