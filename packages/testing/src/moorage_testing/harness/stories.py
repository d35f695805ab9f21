"""Stories in virtual time: what people do, beside a controller that lives through all of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from moorage_testing import virtual_time
from moorage_testing.harness.world import World


class Lab(Protocol):
    """What a story is played in."""

    world: World


LabT = TypeVar("LabT", bound=Lab)


def play_story(make: Callable[[], LabT], story: Callable[[LabT], Awaitable[None]]) -> None:
    """Run a story in virtual time; the controller runs from its beginning, and lives through it."""

    async def whole() -> None:
        lab = make()
        lab.world.begin()
        async with lived_through(lab.world):
            await story(lab)

    virtual_time.run(whole())


@asynccontextmanager
async def lived_through(world: World) -> AsyncIterator[None]:
    """For a story of a world that has begun; raises AssertionError where what must hold does not.

    The controller must not have ended by itself; it is killed with the block.
    """
    try:
        yield
        assert not world.deaths, world.deaths  # noqa: S101 - a test's
        world.check()
    finally:
        await world.kill()
