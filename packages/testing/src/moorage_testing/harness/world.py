"""The world of one run: the server, the controller's lives in it, and every change they made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from moorage_kube.client.client import Client
from moorage_kube.manager.manager import Manager
from moorage_testing.apiserver import ApiServer, Asked, Dropped, MemoryTransport
from moorage_testing.harness.scenario import Scenario
from moorage_testing.waiting import until

T = TypeVar("T")

RESTART_SECONDS = 1.0
DEATH_ROUNDS = 20
LAST_SHOWN = 8


class World:
    """A server in memory with a controller; nothing in here waits in real time.

    Attributes:
        server: where all objects are.
        changes: what was changed, in order; of other mutators what they call it.
        deaths: why the controller ended by itself, each time.
        lives: how often it was started.
        crashed: whether it was to crash and did.
        manager: of the controller's life, where it has one.
    """

    def __init__(self, scenario: Scenario, crash_at: int = 0, *, done: bool = True) -> None:
        """``crash_at``: crash at the so-manieth change, once it is ``done`` or before it is."""
        self.scenario = scenario
        self.server = ApiServer()
        self.changes: list[str] = []
        self.deaths: list[BaseException | None] = []
        self.lives = 0
        self.crashed = False
        self.manager: Manager | None = None
        self._crash_at = crash_at
        self._done = done
        self._broken: list[str] = []
        self._changed_at = 0.0
        self._happened = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._transport: MemoryTransport | None = None
        self._others: set[asyncio.Task[Any]] = set()
        self.server.before.append(self._before)
        self.server.after.append(self._after)

    # The controller's lives.

    def begin(self) -> None:
        """Start the controller."""
        self.lives += 1
        self._happened.clear()
        self._others = asyncio.all_tasks()
        self._transport = MemoryTransport(self.server)
        self._life = asyncio.create_task(self._live(self._transport), name=f"life {self.lives}")
        self._life.add_done_callback(lambda _: self._happened.set())

    async def kill(self) -> None:
        """End the controller at once: nothing that it still does reaches anybody."""
        if self._life is None or self._transport is None:
            return
        self._transport.dead = True
        self.manager = None
        for _ in range(DEATH_ROUNDS):
            if not (alive := self._alive()):
                break
            for task in alive:
                task.cancel()
            await asyncio.wait(alive, timeout=1.0)
        alive = self._alive()
        assert not alive, f"it does not end when it is cancelled: {alive}"  # noqa: S101 - a test's
        self._life = None

    def spare(self, task: asyncio.Task[Any]) -> None:
        """A task that was begun meanwhile and is not the controller's: it does not die with it."""
        self._others.add(task)

    async def restart(self) -> None:
        """Crash, and come back a moment later."""
        await self.kill()
        await asyncio.sleep(RESTART_SECONDS)
        self.begin()

    async def change(self, what: str, work: Callable[[], Awaitable[T]]) -> T:
        """Do what changes something outside of the API server, such as a cloud; it is counted."""
        if self._dead:
            await asyncio.Event().wait()
        try:
            self._count(what)
            result = await work()
            self._counted(what)
        except Dropped:
            await asyncio.Event().wait()
            raise
        return result

    def watched(self, target: T, *names: str) -> T:
        """``target``, whose methods of these names are counted as changes."""
        return cast("T", _Watched(target, names, self))

    # What tests ask.

    def check(self) -> None:
        """Raise what was found broken at any change so far."""
        assert not self._broken, "; ".join(self._broken)  # noqa: S101 - this is a test's

    async def settle(self, within_seconds: float = 4 * 3600.0) -> None:
        """Wait until nothing has been changed for a while; a controller that ended is restarted."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_seconds
        self._changed_at = loop.time()
        while loop.time() - self._changed_at < self.scenario.quiet_seconds:
            await self.pass_time(1.0)
            assert loop.time() < end, f"does not come to rest: {self._lately()}"  # noqa: S101 - a test's

    async def pass_time(self, seconds: float) -> None:
        """Let time go by; a controller that crashed or ended is restarted."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            try:
                async with asyncio.timeout(left):
                    await self._happened.wait()
            except TimeoutError:
                break
            await self._revive()
        self.check()

    async def rests(self) -> None:
        """Assert that for long enough nothing is changed, and hardly anything asked."""
        changes = len(self.changes)
        for _ in range(round(self.scenario.rest_seconds / 60.0)):
            asked = len(self.server.asked)
            await self.pass_time(60.0)
            more = self.changes[changes:]
            assert not more, f"changed at rest: {more[:LAST_SHOWN]}"  # noqa: S101 - a test's
            lately = [str(one) for one in self.server.asked[asked:]]
            few = len(lately) <= self.scenario.requests_per_minute
            assert few, f"{len(lately)} requests a minute at rest: {lately[-LAST_SHOWN:]}"  # noqa: S101 - a test's
        for check in self.scenario.at_rest:
            check(self.server)

    async def gone(self, path: str, within_seconds: float = 3600.0) -> None:
        """Wait until an object is gone."""
        await until(lambda: path not in self.server.objects, f"{path} to go", within_seconds)

    def _alive(self) -> set[asyncio.Task[Any]]:
        """All tasks that this life has begun."""
        current = asyncio.current_task()
        return {one for one in asyncio.all_tasks() - self._others if one is not current}

    async def _live(self, transport: MemoryTransport) -> None:
        async with Client(self.server.connection(), transport=transport) as client:
            await self.scenario.start(client, self)

    async def _revive(self) -> None:
        life = self._life
        if life is not None and life.done() and not self._dead:
            self.deaths.append(None if life.cancelled() else life.exception())
        await self.restart()

    @property
    def _dead(self) -> bool:
        return self._transport is not None and self._transport.dead

    def _before(self, asked: Asked) -> None:
        if self.scenario.counts(asked):
            self._count(str(asked))

    def _after(self, asked: Asked) -> None:
        if self.scenario.counts(asked):
            self._counted(str(asked))

    def _count(self, what: str) -> None:
        self.changes.append(what)
        self._changed_at = asyncio.get_running_loop().time()
        if len(self.changes) == self._crash_at and not self._done:
            self._crash()

    def _counted(self, what: str) -> None:
        for check in self.scenario.always:
            try:
                check(self.server)
            except AssertionError as error:
                self._broken.append(f"after change {len(self.changes)}, {what}: {error}")
        if len(self.changes) == self._crash_at and self._done and not self.crashed:
            self._crash()

    def _crash(self) -> None:
        self.crashed = True
        if self._transport is not None:
            self._transport.dead = True
        self._happened.set()
        raise Dropped

    def _lately(self) -> list[str]:
        return self.changes[-LAST_SHOWN:]


class _Watched:
    """Something whose calls are reported to a world before they are made."""

    def __init__(self, target: object, names: tuple[str, ...], world: World) -> None:
        self._target = target
        self._names = names
        self._world = world

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the target has
        found = getattr(self._target, name)
        if name not in self._names:
            return found

        async def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as the target
            return await self._world.change(name, lambda: found(*arguments, **options))

        return call
