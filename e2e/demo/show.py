"""Shows the demo on standard output: live tables in a terminal, else one line per step."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import Protocol, Self

from e2e.demo.observed import Observed
from e2e.demo.options import Options
from e2e.demo.play import Progress, Screen
from e2e.demo.steps import STEPS


class FullScreen(Screen, Protocol):
    """A screen that also shows what the demo waits for before the first observation."""

    def show_waiting(self, text: str) -> None:
        """Show what the demo waits for."""


def screen(options: Options, cloud: str = "") -> AbstractContextManager[FullScreen]:
    """The screen for standard output; ``cloud``: the cloud that is played."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        # Imported only here: output in pipes needs neither the library nor the time to load it.
        from e2e.demo.live import Tables  # noqa: PLC0415  # rich is only for terminals

        return Tables(options.read_seconds, cloud)
    return Lines(cloud)


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

    def __init__(self, cloud: str) -> None:
        self._cloud = cloud
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing: nothing is open."""

    def show_waiting(self, text: str) -> None:
        """Show what the demo waits for."""
        say(f"... {text}")

    def show(self, _: Observed, progress: Progress) -> None:
        """Write a line when the step is over."""
        if progress.outcome:
            self._count += 1
            line = f"{progress.step.name}: {progress.outcome} [{measured(progress)}]"
            say(f"{self._cloud} {self._count}/{len(STEPS)} {line}")
