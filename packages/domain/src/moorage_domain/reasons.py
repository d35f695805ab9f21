"""A reason: one word that conditions, Events, logs, metrics and docs share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an object is as it is.

    Attributes:
        name: CamelCase, unique within a controller, never reworded.
        meaning: what it means and what to do, for the documentation.
        warning: whether its Event is a Warning.
    """

    name: str
    meaning: str
    warning: bool = False

    def __str__(self) -> str:
        return self.name
