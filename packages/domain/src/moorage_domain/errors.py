"""What can be done about an error; each error says it of itself."""

from __future__ import annotations

import enum
from typing import ClassVar

ELSEWHERE_SECONDS = 300.0
"""How long to wait for what is mended elsewhere, and nobody reports: a right, a quota, a policy."""


class Disposition(enum.Enum):
    """What the caller can do about an error."""

    STALE = "stale"
    """The world is not as it was read: look again now."""
    RETRY = "retry"
    """The same may succeed later."""
    REFUSED = "refused"
    """It will not succeed until the object, or a policy, changes."""
    BUG = "bug"
    """Nobody thought of it."""


class MoorageError(Exception):
    """An error that says what can be done about it; every other exception is a bug.

    Attributes:
        disposition: what the caller can do.
        retry_after: seconds until the same makes sense again; ``None`` = a growing pause.
    """

    disposition: ClassVar[Disposition] = Disposition.RETRY
    retry_after: float | None = None


class MendedElsewhere(MoorageError):
    """A right, a quota, another owner: people mend it, and nobody reports when they have."""

    retry_after: float | None = ELSEWHERE_SECONDS


def disposition_of(error: Exception) -> Disposition:
    """What can be done about any exception."""
    return error.disposition if isinstance(error, MoorageError) else Disposition.BUG
