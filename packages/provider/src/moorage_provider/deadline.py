"""The deadline of one provider call, known to the event loop and to the threads under it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

from moorage_provider.errors import Unavailable

_ends_at: ContextVar[float] = ContextVar("moorage_deadline")


@contextlib.asynccontextmanager
async def within(seconds: float, what: str) -> AsyncIterator[None]:
    """Limit the block to this time, then raise ``Unavailable`` naming what got no answer."""
    token = _ends_at.set(time.monotonic() + seconds)
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unavailable(f"{what} got no answer within {seconds:g} s", "Timeout") from error
    finally:
        _ends_at.reset(token)


@contextlib.contextmanager
def sooner(share: float) -> Iterator[None]:
    """Leave the block only a share of the time that is left, so that some remains after it."""
    token = _ends_at.set(time.monotonic() + left() * share)
    try:
        yield
    finally:
        _ends_at.reset(token)


def left() -> float:
    """Seconds until the deadline, less than 0 when it passed; infinite outside of ``within``."""
    return _ends_at.get(float("inf")) - time.monotonic()


def check() -> None:
    """Raise ``Unavailable`` when the deadline has passed; silent outside of a ``within``.

    A thread cannot be cancelled: without this check it would send its request, or repeat it, long
    after the caller has given up.
    """
    if left() < 0:
        raise Unavailable("the deadline passed before the request was sent", "Timeout")
