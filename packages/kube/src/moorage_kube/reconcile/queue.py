"""Work queue: keys to be reconciled, each by one worker at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from moorage_kube.client.backoff import Backoff

logger = logging.getLogger(__name__)

_BACKOFF = Backoff(1.0, 300.0)

Handler = Callable[[str], Awaitable[float | None]]


class WorkQueue:
    """Keys in the order they came, each at most once.

    A key that is added while it is handled is handled again afterwards. ``on_error`` is called
    with every exception of the handler.
    """

    def __init__(self, on_error: Callable[[str, Exception], None] | None = None) -> None:
        self._on_error = on_error
        self._ready: dict[str, None] = {}
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._paused = False
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def depth(self) -> int:
        """How many keys wait for a worker; those that wait for their time do not count."""
        return len(self._ready) + len(self._again)

    @property
    def running(self) -> int:
        """How many keys are handled just now."""
        return len(self._running)

    def add(self, *keys: str) -> None:
        """Have keys handled as soon as a worker is free; what was asked for later is met too."""
        for key in keys:
            self._add(key)

    def _add(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._running:
            self._again.add(key)
        else:
            self._ready[key] = None
            self._signal()

    def add_after(self, key: str, seconds: float) -> None:
        """Have the key handled in so many seconds; of several wishes the earliest counts."""
        if key in self._ready or key in self._again:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self.add, key)

    def pause(self) -> None:
        """Collect keys, but start no handler until :meth:`resume`; running ones go on."""
        self._paused = True
        self._signal()

    def resume(self) -> None:
        """Handle what was collected, and go on."""
        self._paused = False
        self._signal()

    async def run(self, handler: Handler, workers: int = 8) -> None:
        """Handle keys for ever, with so many workers.

        The handler returns the seconds until the key is handled again; ``None`` = only when it is
        added. What it raises is a bug: it is logged, and the key is tried again after a
        pause that doubles up to five minutes.
        """
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._worker(handler), name=f"worker {number}")

    async def drain(self, timeout_seconds: float) -> bool:
        """Wait until no handler runs, not for longer than this; call :meth:`pause` before.

        ``False``, with a line in the log, if some still run.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._idle.wait()
        except TimeoutError:
            logger.warning("still at work: %s", ", ".join(sorted(self._running)))
            return False
        return True

    async def _worker(self, handler: Handler) -> None:
        while True:
            key = await self._take()
            try:
                await self._handle(handler, key)
            finally:
                self._done(key)

    async def _take(self) -> str:
        while True:
            await self._work.wait()
            # Another worker may have come first.
            if self._ready and not self._paused:
                key = next(iter(self._ready))
                del self._ready[key]
                self._running.add(key)
                self._idle.clear()
                self._signal()
                return key

    async def _handle(self, handler: Handler, key: str) -> None:
        try:
            wait = await handler(key)
        except Exception as error:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            wait = _BACKOFF.pause(failures)
            logger.exception(
                "%s failed, next try in %.1f s",
                key,
                wait,
                extra={"object": key, "failures": failures},
            )
            if self._on_error is not None:
                self._on_error(key, error)
        else:
            self._failures.pop(key, None)
        if wait is not None:
            self.add_after(key, wait)

    def _done(self, key: str) -> None:
        self._running.discard(key)
        if not self._running:
            self._idle.set()
        if key in self._again:
            self._again.discard(key)
            self._ready[key] = None
            self._signal()

    def _signal(self) -> None:
        if self._ready and not self._paused:
            self._work.set()
        else:
            self._work.clear()
