"""When somebody who waits for an address looks again, and what it is told meanwhile."""

from __future__ import annotations

from datetime import timedelta

from moorage_ipam.times import text_of

LOOK_AGAIN = timedelta(minutes=5)
"""Who waits is woken when something comes free; this is for what nobody reports."""


def look_again(next_free: float | None) -> timedelta:
    """How long to wait where a released address comes free in so many seconds."""
    if next_free is None or next_free <= 0:
        return LOOK_AGAIN
    return min(LOOK_AGAIN, timedelta(seconds=max(1.0, next_free)))


def until(now: float, next_free: float | None) -> str:
    """When the next address comes free, to end a sentence with; ``""`` = nobody knows.

    Args:
        now: epoch seconds.
        next_free: seconds until then; ``None`` = none was released.
    """
    if next_free is None:
        return ""
    # Rounded: computed at another time it is the same text.
    at = text_of(round(now + next_free))
    return f"; a released one comes free at {at}" if at else ""
