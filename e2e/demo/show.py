"""Shows the demo on standard output: live tables in a terminal, else one line per step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self

from e2e.demo.play import Observation, Progress, Screen, Seen, Shown_contra
from e2e.demo.step import Step

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, slots=True)
class Show(Generic[Seen]):
    """What is shown.

    Attributes:
        label: what is played, in a word.
        steps: all of them, in order.
        read_seconds: how long a finished step stays on a terminal before the next one begins.
        tables: draws an observation.
    """

    label: str
    steps: Sequence[Step[Any, Seen]]
    read_seconds: float
    tables: Callable[[Seen], Sequence[RenderableType]]


class FullScreen(Screen[Shown_contra], Protocol[Shown_contra]):
    """A screen that also shows what the demo waits for before the first observation."""

    def show_waiting(self, text: str) -> None:
        """Show what the demo waits for."""


def screen(show: Show[Seen]) -> AbstractContextManager[FullScreen[Seen]]:
    """The screen for standard output."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        # Imported only here: output in pipes needs neither the library nor the time to load it.
        from e2e.demo.live import Tables  # noqa: PLC0415  # rich is only for terminals

        return Tables(show)
    return Lines(show)


def say(text: str) -> None:
    """Write a line now, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def measured(progress: Progress, unit: str = " s") -> str:
    """The seconds to each moment, in order of time."""
    in_order = sorted(progress.seconds.items(), key=lambda item: item[1])
    parts = [f"{name} {seconds:.2f}{unit}" for name, seconds in in_order]
    if progress.stayed:
        parts.append(f"stayed so {progress.stayed:.1f}{unit}")
    return ", ".join(parts)


class Lines:
    """A screen that prints a line for each finished step."""

    def __init__(self, show: Show[Any]) -> None:
        self._show = show
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing: nothing is open."""

    def show_waiting(self, text: str) -> None:
        """Show what the demo waits for."""
        say(f"... {text}")

    def show(self, _: Observation, progress: Progress) -> None:
        """Write a line when the step is over."""
        if progress.outcome:
            self._count += 1
            line = f"{progress.step.name}: {progress.outcome} [{measured(progress)}]"
            say(f"{self._show.label} {self._count}/{len(self._show.steps)} {line}")
