"""A figure of a soak with its target and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        what: its name.
        target: the target, for people.
        measured: the figure, for people.
        met: whether the target is met.
        note: how it was measured, and what was wrong.
    """

    what: str
    target: str
    measured: str
    met: bool
    note: str = ""

    @property
    def verdict(self) -> str:
        """One word."""
        return "met" if self.met else "MISSED"

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        return asdict(self) | {"verdict": self.verdict}


def none(what: str, wrong: Sequence[str], note: str = "") -> Row:
    """A row that is met where nothing is wrong."""
    shown = "; ".join(wrong[:_SHOWN])
    if len(wrong) > _SHOWN:
        shown += f"; and {len(wrong) - _SHOWN} more"
    note = ". ".join(filter(None, (note, shown)))
    return Row(what, "0", f"{len(wrong):,}", not wrong, note)
