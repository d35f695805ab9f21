"""A row of the report: the target, the measured figure, and the cost of the seed's way."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

FAMILIES = (
    "T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "J3", "SDK", "FW",
    "WH", "IP", "MI", "EI", "EL", "NA", "DA", "DW",
)  # fmt: skip
# Those that a cluster, an emulated cloud and a running controller are needed for.
ON_A_CLUSTER = frozenset({"T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T10", "T11"})


class How(StrEnum):
    """The source of the figure for the seed's way."""

    EXECUTED = "executed"
    """Its steps, rewritten from their description, ran here; a cloud it asks only
    records reads."""
    MEASURED = "measured"
    """A program of its own, rewritten from their description, did the same work on the same cluster
    in the same run."""
    COUNTED = "counted"
    """The same loops ran here at full length, with reads that are only counted."""
    MODELLED = "modelled"
    """Computed from a counted figure and an assumption that the note states."""
    DESCRIBED = "described"
    """No figure: the note says what its source says."""


@dataclass(frozen=True, slots=True)
class Seed:
    """The cost of the seed's way in the unit of the row; ``None``: there is no figure."""

    value: float | None
    how: How


NO_SEED = Seed(None, How.DESCRIBED)


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        id: the target's id, with a letter where one target has several figures.
        what: what was measured.
        target: the highest value that meets it, in ``unit``.
        measured: the figure of this run, in ``unit``.
        unit: written behind a number, ``""`` = a count.
        seed: the seed's way at the same size.
        note: how it was measured, and other observations.
        cloud: where it was measured, ``""``: without a cloud.
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
        """The seed's figure divided by ours; ``None``: one of them is missing or 0."""
        if not self.seed.value or not self.measured:
            return None
        return self.seed.value / self.measured

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self) | {"met": self.met, "verdict": self.verdict, "ratio": self.ratio}


def number(value: float, unit: str = "") -> str:
    """A figure with its significant digits."""
    digits = 0 if value == int(value) or abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}" if unit else text
