"""Faults that change nothing anybody could notice, with the reason for each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .operators import Mutant

FILE = Path(__file__).with_name("equivalents.toml")


@dataclass(frozen=True, slots=True)
class Equivalent:
    """One fault that is none.

    Attributes:
        place: dotted names of module and function.
        before: the code, on one line.
        after: what replaces it.
        because: why nobody can notice.
    """

    place: str
    before: str
    after: str
    because: str

    def fits(self, mutant: Mutant) -> bool:
        """Whether it speaks of this fault."""
        return (self.place, self.before, self.after) == (mutant.place, mutant.before, mutant.after)


def equivalents(text: str | None = None) -> list[Equivalent]:
    """All that are listed."""
    listed = tomllib.loads(FILE.read_text("utf-8") if text is None else text)
    return [Equivalent(**fields) for fields in listed.get("equivalent", [])]


def stale(listed: Iterable[Equivalent], mutants: Iterable[Mutant]) -> list[Equivalent]:
    """Those that fit no fault of today's code."""
    mutants = list(mutants)
    return [one for one in listed if not any(map(one.fits, mutants))]
