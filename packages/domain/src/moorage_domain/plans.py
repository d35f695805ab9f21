"""A plan is a promise in order: why, what to write, what to do, and when to look again."""

from __future__ import annotations

import enum
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Generic, Protocol, Self, TypeVar

from moorage_domain.conditions import Condition

Observed = TypeVar("Observed")
Decision = TypeVar("Decision")
ActionT_co = TypeVar("ActionT_co", covariant=True)


class Finalizer(enum.Enum):
    """Whether the object has to wait for us before it may vanish."""

    PRESENT = "present"
    """Written before anything else: what follows must be undone before the object may go."""
    ABSENT = "absent"
    """Taken off after everything else: nothing is left to undo."""


class Status(Protocol):
    """The status subresource as it should be.

    Attributes:
        conditions: put into ``status.conditions`` by type; the transition time and the generation
            are filled in when they are written.
        fields: other fields of the status by their names on the wire, each written whole; ``None``
            removes one. Fields that are not named stay as they are.
    """

    @property
    def conditions(self) -> tuple[Condition, ...]: ...

    @property
    def fields(self) -> Mapping[str, Any]: ...

    def with_condition(self, condition: Condition) -> Self:
        """The same with one more condition."""
        ...


@dataclass(frozen=True, slots=True)
class PlainStatus:
    """A status whose fields are written out; see :class:`Status`."""

    conditions: tuple[Condition, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def ready(cls, reason: str, message: str, *, ready: bool) -> Self:
        """A status that has nothing but the condition ``Ready``."""
        return cls((Condition("Ready", "True" if ready else "False", reason, message),))

    def with_condition(self, condition: Condition) -> Self:
        """The same with one more condition."""
        return replace(self, conditions=(*self.conditions, condition))


@dataclass(frozen=True, slots=True)
class Plan(Generic[ActionT_co]):
    """What to do about one object; carried out in the order finalizer, status, actions.

    Attributes:
        reason: CamelCase, unique, never reworded.
        message: the same in plain words, for the condition, the Event and the log line.
        actions: carried out in this order, stopping at the first error; every one may be repeated.
        wait: reconcile again after this time even if nothing changes; ``None`` = only on a change.
        status: the intention, or what came of it; ``None`` = left as it is.
        finalizer: ``None`` = left as it is.
        assumes: what this plan gives away and the caches do not show yet (a node, an address);
            others see it as taken until the next plan for the same object.
    """

    reason: str
    message: str
    actions: tuple[ActionT_co, ...] = ()
    wait: timedelta | None = None
    status: Status | None = None
    finalizer: Finalizer | None = None
    assumes: frozenset[Hashable] = frozenset()


def first_match(
    rules: Iterable[Callable[[Observed], Decision | None]], observed: Observed
) -> Decision:
    """The decision of the first rule that has one.

    Raises ``LookupError`` when no rule matches: the last rule of a list must always decide.
    """
    for rule in rules:
        decision = rule(observed)
        if decision is not None:
            return decision
    raise LookupError(f"no rule decides about {observed!r}")
