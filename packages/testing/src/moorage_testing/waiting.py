"""Waiting for a condition with a deadline, so that no test sleeps for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

T = TypeVar("T")

FIRST_INTERVAL_SECONDS = 0.05
LONGEST_INTERVAL_SECONDS = 0.4
"""Each look costs a call of the API server; looking without a pause would keep it busy."""
LOOP_INTERVAL_SECONDS = 0.005
PATIENCE = 120.0
"""Seconds; long enough for a busy machine. Benchmarks measure speed, tests do not."""


class WaitTimeoutError(TimeoutError):
    """The condition did not become true in time; the message has the last value."""


def wait_for(
    predicate: Callable[[], T],
    timeout_seconds: float,
    what: str,
    *,
    interval_seconds: float | None = None,
) -> T:
    """Return the first true value of `predicate`, or raise WaitTimeoutError.

    `what` completes the sentence "waited for ...". The predicate is called at least once, and once
    more after the deadline, so that a slow machine cannot fail a condition that holds. Its
    exceptions are not caught. Between calls it waits for the interval; by default it looks less
    and less often.
    """
    intervals = _intervals(interval_seconds)
    deadline = time.monotonic() + timeout_seconds
    while True:
        last_chance = time.monotonic() >= deadline
        value = predicate()
        if value:
            return value
        if last_chance:
            raise _timed_out(timeout_seconds, what, value)
        time.sleep(next(intervals))


async def wait_for_async(
    predicate: Callable[[], Awaitable[T]],
    timeout_seconds: float,
    what: str,
    *,
    interval_seconds: float | None = None,
) -> T:
    """Do what `wait_for` does with an asynchronous predicate, leaving the event loop free."""
    intervals = _intervals(interval_seconds)
    deadline = time.monotonic() + timeout_seconds
    while True:
        last_chance = time.monotonic() >= deadline
        value = await predicate()
        if value:
            return value
        if last_chance:
            raise _timed_out(timeout_seconds, what, value)
        await asyncio.sleep(next(intervals))


async def until(
    condition: Callable[[], object], what: str, timeout_seconds: float = PATIENCE
) -> None:
    """Wait in the event loop until the condition holds; raises WaitTimeoutError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not (value := condition()):
        if loop.time() >= deadline:
            raise _timed_out(timeout_seconds, what, value)
        await asyncio.sleep(LOOP_INTERVAL_SECONDS)


def _intervals(fixed: float | None) -> Iterator[float]:
    """Seconds between one look and the next."""
    interval = FIRST_INTERVAL_SECONDS if fixed is None else fixed
    while True:
        yield interval
        if fixed is None:
            interval = min(1.2 * interval, LONGEST_INTERVAL_SECONDS)


def _timed_out(timeout_seconds: float, what: str, last: object) -> WaitTimeoutError:
    return WaitTimeoutError(f"waited {timeout_seconds:g} s for {what}; last seen: {last!r}")
