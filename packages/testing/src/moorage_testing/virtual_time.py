"""Virtual time: an event loop whose clock jumps to the next timer instead of waiting for it.

A day of waiting takes as long as what is done in it. Meant for code without sockets: to the loop,
a connection that takes its time looks like nothing being ready.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar, TypeVarTuple
from unittest import mock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START = 1_800_000_000.0
"""Epoch seconds at which virtual time begins."""
_RESTLESS_ROUNDS = 100_000
"""So many rounds of the loop without a moment passing are no work, but a loop that never ends."""
_THREAD_SECONDS = 60.0


class Deadlock(Exception):
    """Nothing is ready and nobody waits for a time: what is awaited can never come."""


class Restless(Exception):
    """The loop turns and turns, and no time passes."""


class _Jumping(selectors.DefaultSelector):
    """Looks for what is ready, and lets the clock jump where the loop would wait."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        self._rounds = 0 if timeout else self._rounds + 1
        if ready or timeout == 0:
            if self._rounds > _RESTLESS_ROUNDS:
                self._rounds = 0
                raise Restless(f"no time passes; under way:\n{self._loop.under_way()}")
            return ready
        if self._loop.threads:
            # Real work in a thread: it is waited for in real time, and costs no virtual one.
            return super().select(_THREAD_SECONDS)
        if timeout is None:
            raise Deadlock(f"nothing can happen any more; waiting:\n{self._loop.under_way()}")
        self._loop.advance(timeout)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time; :meth:`time` begins at 0."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self.threads = 0
        """How many calls are under way in threads."""
        self.wall_offset = 0.0
        """Seconds by which only the wall clock is set, as a person or a daemon sets it."""
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Let time pass; timers that are due then fire in their order, at the next round."""
        self._seconds += seconds

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Ts], T],
        *args: *Ts,
    ) -> asyncio.Future[T]:
        """As in every loop; virtual time stands still meanwhile."""
        self.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_ended)
        return future

    async def shutdown_default_executor(self) -> None:
        """As in every loop: a thread waits for the others, and is waited for."""
        self.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.threads -= 1

    def under_way(self) -> str:
        """Every task that is not done, with the line at which it waits."""
        return "\n".join(sorted(_described(task) for task in asyncio.all_tasks(self)))

    def _thread_ended(self, _: object) -> None:
        self.threads -= 1


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time, with every clock of this process frozen to it.

    Raises :class:`Deadlock` where it waits for what can never come, :class:`Restless` where it
    never waits.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        loop = runner.get_loop()
        with frozen_clocks(loop.time, wall_offset=partial(_wall_offset, loop)):
            return runner.run(coroutine)


def set_wall_clock(offset_seconds: float) -> None:
    """Let the wall clock be wrong by so much from now on; clocks that count from a boot are not.

    To be called within :func:`run`.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualTimeLoop):
        raise TypeError("this is no virtual time")
    loop.wall_offset = offset_seconds


def _wall_offset(loop: asyncio.AbstractEventLoop) -> float:
    return loop.wall_offset if isinstance(loop, VirtualTimeLoop) else 0.0


@contextmanager
def frozen_clocks(
    now: Callable[[], float],
    start: float = START,
    wall_offset: Callable[[], float] = lambda: 0.0,
) -> Iterator[None]:
    """Let the clocks of module ``time`` show ``start + now()``; those that count from a boot, too.

    ``wall_offset`` is added to ``time.time`` alone. What takes a clock as an argument is better
    given one. ``datetime.now`` is not changed.
    """

    def shown(*_: object) -> float:
        return start + now()

    def wall() -> float:
        return shown() + wall_offset()

    with ExitStack() as stack:
        for name in ("monotonic", "clock_gettime"):
            stack.enter_context(mock.patch.object(time, name, shown))
        stack.enter_context(mock.patch.object(time, "time", wall))
        yield


def _described(task: asyncio.Task[Any]) -> str:
    frames = task.get_stack(limit=1)
    place = f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else "not begun"
    return f"  {task.get_name()}: {task.get_coro()!r:.80} at {place}"
