"""A row of the report: a target, what was measured, and what the seed's way costs beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

FAMILIES = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "J3", "SDK", "FW")
# Those that a cluster, an emulated cloud and a running controller are needed for.
ON_A_CLUSTER = frozenset({"T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T10"})


class How(StrEnum):
    """Where the figure for the seed's way comes from."""

    EXECUTED = "executed"
    """Its steps, written anew from their description, ran here on a cloud that records reads."""
    COUNTED = "counted"
    """The same loops ran here at full length, with reads that are only counted."""
    MODELLED = "modelled"
    """Computed from a counted figure and an assumption that the note states."""
    DESCRIBED = "described"
    """No figure: only what its source says, in the note."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What the seed's way costs in the unit of the row; ``None`` = there is no figure."""

    value: float | None
    how: How


NO_SEED = Seed(None, How.DESCRIBED)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        id: the target's id, with a letter where one target has several figures.
        what: what was measured.
        target: the most that is good enough, in ``unit``.
        measured: what was seen in this run, in ``unit``.
        unit: as it is written behind a number, ``""`` = a mere count.
        seed: the seed's way at the same size.
        note: how it was measured, what else was seen.
        cloud: where it was measured, ``""`` = no cloud was needed.
    """

    id: str
    what: str
    target: float
    measured: float
    unit: str
    seed: Seed = NO_SEED
    note: str = ""
    cloud: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.measured <= self.target

    @property
    def verdict(self) -> str:
        """Met, or missed by how much."""
        if self.met:
            return "met"
        missed = f"missed by {number(self.measured - self.target, self.unit)}"
        if not self.target:
            return missed
        return f"{missed} ({self.measured / self.target - 1:.0%})"

    @property
    def ratio(self) -> float | None:
        """How often our figure fits into the seed's; ``None`` = one of them is missing or 0."""
        if not self.seed.value or not self.measured:
            return None
        return self.seed.value / self.measured

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self) | {"met": self.met, "verdict": self.verdict, "ratio": self.ratio}


def number(value: float, unit: str = "") -> str:
    """A figure with as many digits as mean something."""
    digits = 0 if value == int(value) or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}" if unit else text
