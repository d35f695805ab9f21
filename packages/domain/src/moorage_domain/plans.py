"""A plan is a promise in order: why, what, and when to look again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

Observed = TypeVar("Observed")
Decision = TypeVar("Decision")
ActionT_co = TypeVar("ActionT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Plan(Generic[ActionT_co]):
    """What to do about one object.

    Attributes:
        reason: CamelCase, unique, never reworded.
        message: the same in plain words, for the condition, the Event and the log line.
        actions: carried out in this order, stopping at the first error; every one may be repeated.
        wait: look again after this time even if nothing happens; ``None`` = only on a change.
    """

    reason: str
    message: str
    actions: tuple[ActionT_co, ...] = ()
    wait: timedelta | None = None


def first_match(
    rules: Iterable[Callable[[Observed], Decision | None]], observed: Observed
) -> Decision:
    """The decision of the first rule that has one.

    Raises ``LookupError`` when no rule hits: the last rule of a list must always decide.
    """
    for rule in rules:
        decision = rule(observed)
        if decision is not None:
            return decision
    raise LookupError(f"no rule decides about {observed!r}")
