"""Waiting for a condition with a deadline, so that no test sleeps for luck."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL_SECONDS = 0.05
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
    interval_seconds: float = INTERVAL_SECONDS,
) -> T:
    """Return the first true value of `predicate`, or raise WaitTimeoutError.

    `what` completes the sentence "waited for ...". The predicate is called at least once, and once
    more after the deadline, so that a slow machine cannot fail a condition that holds. Its
    exceptions are not caught.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        last_chance = time.monotonic() >= deadline
        value = predicate()
        if value:
            return value
        if last_chance:
            raise _timed_out(timeout_seconds, what, value)
        time.sleep(interval_seconds)


async def wait_for_async(
    predicate: Callable[[], Awaitable[T]],
    timeout_seconds: float,
    what: str,
    *,
    interval_seconds: float = INTERVAL_SECONDS,
) -> T:
    """Do what `wait_for` does with an asynchronous predicate, leaving the event loop free."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        last_chance = time.monotonic() >= deadline
        value = await predicate()
        if value:
            return value
        if last_chance:
            raise _timed_out(timeout_seconds, what, value)
        await asyncio.sleep(interval_seconds)


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


def _timed_out(timeout_seconds: float, what: str, last: object) -> WaitTimeoutError:
    return WaitTimeoutError(f"waited {timeout_seconds:g} s for {what}; last seen: {last!r}")
