"""Tells the demo on standard output: live tables in a terminal, else one line per step."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import Protocol, Self

from e2e.demo.options import Options
from e2e.demo.play import Progress, Screen
from e2e.demo.seen import Seen
from e2e.demo.steps import STEPS


class FullScreen(Screen, Protocol):
    """A screen that also tells what is waited for before there is anything to see."""

    def tell(self, text: str) -> None:
        """What is being waited for."""


def screen(options: Options, cloud: str = "") -> AbstractContextManager[FullScreen]:
    """What fits standard output; ``cloud``: where what will be shown is played."""
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        # Only here: checks in pipes need neither the library nor the time to load it.
        from e2e.demo.live import Tables  # noqa: PLC0415  # rich is only for terminals

        return Tables(options.read_seconds, cloud)
    return Lines(cloud)


def say(text: str) -> None:
    """Write a line now, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def measured(progress: Progress, unit: str = " s") -> str:
    """The seconds to each moment, in the order in which they came."""
    in_order = sorted(progress.seconds.items(), key=lambda item: item[1])
    parts = [f"{name} {seconds:.2f}{unit}" for name, seconds in in_order]
    if progress.stayed:
        parts.append(f"stayed so {progress.stayed:.1f}{unit}")
    return ", ".join(parts)


class Lines:
    """A screen that tells what is over."""

    def __init__(self, cloud: str) -> None:
        self._cloud = cloud
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def tell(self, text: str) -> None:
        """What is being waited for."""
        say(f"... {text}")

    def look(self, _: Seen, progress: Progress) -> None:
        """Write a line when the step is over."""
        if progress.outcome:
            self._count += 1
            told = f"{progress.step.name}: {progress.outcome} [{measured(progress)}]"
            say(f"{self._cloud} {self._count}/{len(STEPS)} {told}")
