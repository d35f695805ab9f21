"""Who may have an address that several objects ask for: the oldest, always."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """One object's wish for one address; ordered by right.

    Attributes:
        created: creation time as the API server wrote it (RFC 3339 sorts as text).
        uid: breaks ties, so that all who look agree.
        name: for messages only.
    """

    created: str
    uid: str
    name: str


def winner(claims: Iterable[Claim]) -> Claim | None:
    """The claim that counts; ``None`` when nobody asks."""
    return min(claims, default=None)
