"""A step of a demo, as data: what is done, and what must be observed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Seen = TypeVar("Seen")
"""One observation of everything."""
Where = TypeVar("Where")
"""What the steps are played in."""


@dataclass(frozen=True, slots=True)
class Moment(Generic[Seen]):
    """One expected result.

    Attributes:
        name: where it is observed.
        what: the expected state, in plain words.
        holds: whether an observation shows it; takes the one before the step and the present one.
    """

    name: str
    what: str
    holds: Callable[[Seen, Seen], bool]


@dataclass(frozen=True, slots=True)
class Step(Generic[Where, Seen]):
    """One action and its expected results.

    Attributes:
        name: in one word.
        does: what is done, in plain words.
        act: does it; takes the observation before it.
        moments: the expected results.
        outcome: its result, in plain words.
        ended: whether the command started by ``act`` has ended; raises ChildError if it failed.
        stays: all moments must hold for a while.
    """

    name: str
    does: str
    act: Callable[[Where, Seen], None]
    moments: tuple[Moment[Seen], ...]
    outcome: Callable[[Seen, Seen], str]
    ended: Callable[[Where], bool] = lambda _: True
    stays: bool = False
