"""Who waits for a turn gets one, and who ends a move gets it first."""

import asyncio

from moorage_core.model import Mutation
from moorage_core.priority import PrioritySemaphore


class Crowd:
    """Mutations that want a turn, and when they had it."""

    def __init__(self, at_once: int) -> None:
        self.priority = PrioritySemaphore(at_once)
        self.log: list[str] = []
        self.over: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def want(self, name: str, mutation: Mutation) -> None:
        self.over[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._take(name, mutation))
        await self.settle()

    async def end(self, name: str) -> None:
        self.over[name].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _take(self, name: str, mutation: Mutation) -> None:
        async with self.priority.turn(mutation):
            self.log.append(name)
            await self.over[name].wait()


async def test_no_more_than_the_limit_have_their_turn() -> None:
    crowd = Crowd(2)
    for name in ("a", "b", "c"):
        await crowd.want(name, Mutation.MOVE)
    assert crowd.log == ["a", "b"]
    await crowd.end("b")
    assert crowd.log == ["a", "b", "c"]
    for name in ("a", "c"):
        await crowd.end(name)
    await crowd.want("d", Mutation.MOVE)
    await crowd.want("e", Mutation.MOVE)
    assert crowd.log[3:] == ["d", "e"]


async def test_what_ends_a_move_comes_before_what_begins_one() -> None:
    crowd = Crowd(1)
    await crowd.want("first", Mutation.DETACH)
    for mutation in (
        Mutation.RESTORE,
        Mutation.PREPARE,
        Mutation.DETACH,
        Mutation.MOVE,
        Mutation.ATTACH,
    ):
        await crowd.want(mutation, mutation)
    for name in ("first", "move", "attach", "detach", "prepare"):
        await crowd.end(name)
    assert crowd.log == ["first", "move", "attach", "detach", "prepare", "compensate"]


async def test_equals_have_their_turn_in_order() -> None:
    crowd = Crowd(1)
    for name in ("a", "b", "c"):
        await crowd.want(name, Mutation.ATTACH)
    await crowd.end("a")
    await crowd.end("b")
    assert crowd.log == ["a", "b", "c"]


async def test_who_gives_up_while_waiting_holds_nobody_up() -> None:
    crowd = Crowd(1)
    for name in ("a", "b", "c"):
        await crowd.want(name, Mutation.MOVE)
    crowd.tasks["b"].cancel()
    await crowd.end("a")
    assert crowd.log == ["a", "c"]


async def test_a_turn_handed_to_one_who_gives_up_goes_to_the_next() -> None:
    crowd = Crowd(1)
    for name in ("a", "b", "c"):
        await crowd.want(name, Mutation.MOVE)
    crowd.over["a"].set()
    await asyncio.sleep(0)
    # The turn is handed over, but its new owner has not run yet.
    assert crowd.tasks["a"].done()
    assert crowd.log == ["a"]
    crowd.tasks["b"].cancel()
    await crowd.settle()
    assert crowd.log[-1] == "c"
