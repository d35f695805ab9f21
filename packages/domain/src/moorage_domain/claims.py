"""Which object gets an address that several objects claim: always the oldest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """One object's claim on one address; the smallest claim wins.

    Attributes:
        created: creation time as the API server wrote it (RFC 3339 sorts as text).
        uid: breaks ties, so that every observer picks the same winner.
        name: for messages only.
    """

    created: str
    uid: str
    name: str


def winner(claims: Iterable[Claim]) -> Claim | None:
    """The claim that counts; ``None``: there are no claims."""
    return min(claims, default=None)
