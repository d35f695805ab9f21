"""Backoff: the growing pause between attempts at the same thing, the one way for all of them."""

from __future__ import annotations

import random
from dataclasses import dataclass

_DOUBLINGS = 20
# Random: many that failed together do not come back together.
_JITTER = (0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses in seconds that double with each failure in a row.

    Attributes:
        first: the pause after the first failure, at most.
        most: no pause is longer.
    """

    first: float
    most: float

    def pause(self, failures: int) -> float:
        """The pause after so many failures in a row, 1 = the first; up to a quarter less."""
        doublings = min(max(failures, 1) - 1, _DOUBLINGS)
        longest = min(self.most, self.first * 2.0**doublings)
        return longest * random.uniform(*_JITTER)  # noqa: S311  # spreads load only
