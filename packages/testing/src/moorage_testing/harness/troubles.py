"""Troubles of a random life that are not those of one kind: conflicts, clocks, a second leader."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

from moorage_kube.client.client import Client
from moorage_testing.apiserver import Fault
from moorage_testing.harness.scenario import Scenario
from moorage_testing.harness.world import World
from moorage_testing.virtual_time import set_wall_clock

HOUR = 3600.0
_SHARE = 0.3


def refuse_writes(world: World, rng: random.Random) -> None:
    """Some writes come too late: somebody else has written the object, or made it."""
    times = rng.randint(1, 4)
    verb = rng.choice(("PATCH", "PUT", "DELETE"))
    world.server.faults.append(Fault(verb, 409, {"reason": "Conflict"}, times=times))
    world.server.faults.append(Fault("POST", 409, {"reason": "AlreadyExists"}, times=times - 1))


def set_the_clock(_: World, rng: random.Random) -> None:
    """The wall clock of the controller's machine jumps, or is right again."""
    set_wall_clock(rng.choice((-HOUR, 0.0, HOUR)))


def sometimes_twice(scenario: Scenario) -> Scenario:
    """In some lives two processes believe that they lead, all the time."""
    twice: list[bool] = []

    async def start(client: Client, world: World) -> None:
        if not twice:
            twice.append(random.random() < _SHARE)  # noqa: S311 - seeded by each life
        await asyncio.gather(*(scenario.start(client, world) for _ in range(1 + twice[0])))

    return replace(scenario, start=start)
