"""Warnings as people read them: each short, and all of them within what a client shows; pure."""

from __future__ import annotations

from collections.abc import Iterable

MOST_OF_ONE = 120
"""Characters; the API server cuts what is longer than 256, and drops all behind 4,096."""
_ENOUGH = 10
"""More lines than these nobody reads."""


def limited(warnings: Iterable[str]) -> tuple[str, ...]:
    """The warnings, each once and short enough; where there are many, the last one counts."""
    unique = tuple(dict.fromkeys(warnings))
    kept = tuple(map(shortened, unique[:_ENOUGH]))
    left = len(unique) - len(kept)
    return (*kept, f"... and {left} more warnings about static addresses") if left else kept


def shortened(text: str) -> str:
    """The text on one line, with an ellipsis where it had to be cut."""
    line = " ".join(text.split())
    return line if len(line) <= MOST_OF_ONE else f"{line[: MOST_OF_ONE - 3]}..."
