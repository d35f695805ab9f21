"""Times as texts, RFC 3339 in whole seconds; pure."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache


def text_of(epoch: float) -> str:
    """A time in seconds since 1970 as text; ``""``: no calendar has it."""
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError):
        return ""


@lru_cache(1024)  # a claim's and its pool's are asked for in every pass
def epoch_of(text: str) -> float | None:
    """The time of a text in RFC 3339, in seconds since 1970; ``None``: it is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    # Without a zone the time is that of the API server, which has none but this.
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
