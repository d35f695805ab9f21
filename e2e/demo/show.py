"""Tells the demo on standard output: one line per step, for pipes and logs."""

from __future__ import annotations

import sys

from e2e.demo.play import Progress
from e2e.demo.seen import Seen
from e2e.demo.steps import STEPS


def say(text: str) -> None:
    """Write a line now, also into a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def measured(progress: Progress) -> str:
    """The seconds to each moment, in the order in which they came."""
    in_order = sorted(progress.seconds.items(), key=lambda item: item[1])
    parts = [f"{name} {seconds:.2f} s" for name, seconds in in_order]
    if progress.step.stays:
        parts.append(f"stayed so {progress.stayed:.1f} s")
    return ", ".join(parts)


class Lines:
    """A screen that only knows what is over."""

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def tell(self, text: str) -> None:
        """What is being waited for."""
        say(f"  ... {text}")

    def look(self, _: Seen, progress: Progress) -> None:
        """Write a line when the step is over."""
        if progress.outcome:
            self._count += 1
            step = progress.step
            number = f"{self._count}/{len(STEPS)}"
            say(f"{number} {step.name}: {progress.outcome} [{measured(progress)}]")
