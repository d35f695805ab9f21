"""Work queue: keys to be reconciled, each by one worker at a time."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

from moorage_kube.client.backoff import Backoff

logger = logging.getLogger(__name__)

FRESH_IN_A_ROW = 4
"""So many keys that changed are handled before one that was there at the start."""
_BACKOFF = Backoff(1.0, 300.0)

Handler = Callable[[str], Awaitable[float | None]]


class WorkQueue:
    """Keys in the order they came, each at most once.

    What changes goes before what was collected during a pause: a process that starts looks at
    every object there is, and nobody who wants something now is to wait for that. A key that is
    added while it is handled is handled again afterwards. ``on_error`` is called with every
    exception of the handler. ``most_workers``: never are more keys handled at the same time,
    whatever :meth:`run` is told; ``None`` = as many as that says.
    """

    def __init__(
        self,
        on_error: Callable[[str, Exception], None] | None = None,
        most_workers: int | None = None,
    ) -> None:
        self._on_error = on_error
        self._most_workers = most_workers
        self._ready: dict[str, None] = {}
        self._collected: dict[str, None] = {}
        self._in_a_row = 0
        self._running: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}
        self._paused = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def depth(self) -> int:
        """How many keys wait for a worker; those that wait for their time do not count."""
        return len(self._ready) + len(self._collected) + len(self._again)

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
            self._collected.pop(key, None)
            self._ready[key] = None
            self._wake(1)

    def add_after(self, key: str, seconds: float) -> None:
        """Have the key handled in so many seconds; of several wishes the earliest counts."""
        if key in self._ready or key in self._collected or key in self._again:
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

    def resume(self) -> None:
        """Handle what was collected, and go on."""
        self._paused = False
        self._collected |= self._ready
        self._ready.clear()
        self._wake(len(self._collected))

    async def run(self, handler: Handler, workers: int = 8) -> None:
        """Handle keys for ever, with so many workers.

        The handler returns the seconds until the key is handled again; ``None`` = only when it is
        added. What it raises is a bug: it is logged, and the key is tried again after a
        pause that doubles up to five minutes.
        """
        most = workers if self._most_workers is None else min(workers, self._most_workers)
        async with asyncio.TaskGroup() as group:
            for number in range(most):
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
            # A handler that found nothing to do never waited: thousands of such would hold up
            # everybody else, and whoever renews the Lease.
            await asyncio.sleep(0)

    async def _take(self) -> str:
        # Another worker may have come first.
        while self._paused or not (self._ready or self._collected):
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        key = self._next()
        self._running.add(key)
        self._idle.clear()
        return key

    def _next(self) -> str:
        """The key to handle next; now and then one of those that were there at the start."""
        fresh = bool(self._ready) and (self._in_a_row < FRESH_IN_A_ROW or not self._collected)
        self._in_a_row = self._in_a_row + 1 if fresh else 0
        keys = self._ready if fresh else self._collected
        key = next(iter(keys))
        del keys[key]
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
            self._wake(1)

    def _wake(self, keys: int) -> None:
        """Wake as many idle workers as there are new keys, and no more: each wake-up costs."""
        while keys and self._waiting and not self._paused:
            waiting = self._waiting.popleft()
            # That of a worker that was cancelled is done already.
            if not waiting.done():
                waiting.set_result(None)
                keys -= 1
