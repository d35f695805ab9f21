"""Runs a step: does it, then observes until one observation shows all that it expects."""

from __future__ import annotations

import http.client
import subprocess
import time
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from e2e.demo.step import Moment, Step
from moorage_testing.cluster import ApiError, KubectlError
from moorage_testing.processes import ChildError

POLL_SECONDS = 0.1
STEP_SECONDS = 30.0
# Errors of actions and observations when a part fails; OSError: it does not answer.
BROKEN = (
    ChildError,
    KubectlError,
    ApiError,
    http.client.HTTPException,
    OSError,
    subprocess.SubprocessError,
)


class Observation(Protocol):
    """The whole state at one moment."""

    def describe(self) -> str:
        """In a few lines, for whoever has to find out what is missing."""


Seen = TypeVar("Seen", bound=Observation)
Shown_contra = TypeVar("Shown_contra", bound=Observation, contravariant=True)
Read_co = TypeVar("Read_co", bound=Observation, covariant=True)


class Installation(Protocol[Read_co]):
    """What steps are played in."""

    def observe(self) -> Read_co:
        """Observe everything now; raises one of BROKEN if a part of it has ended."""


class NotObserved(Exception):
    """The result of a step was not observed; the message says which and what was missing."""


@dataclass(slots=True)
class Progress:
    """How far a step is.

    Attributes:
        step: the step.
        seconds: from its start to the observation since which each moment holds, by name.
        stayed: seconds for which all moments have held, where they must stay.
        outcome: its result; ``""``: it is not over.
    """

    step: Step[Any, Any]
    seconds: dict[str, float] = field(default_factory=dict)
    stayed: float = 0.0
    outcome: str = ""


class Screen(Protocol[Shown_contra]):
    """Shows the demo's progress."""

    def show(self, observed: Shown_contra, progress: Progress) -> None:
        """Show an observation; the step is over once ``progress`` has an outcome."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the demo waits.

    Attributes:
        patience_seconds: for all that a step must show.
        hold_seconds: how long what must stay is watched.
    """

    patience_seconds: float
    hold_seconds: float


class Player(Generic[Seen]):
    """Runs steps in one installation, and shows them on one screen."""

    def __init__(
        self, installation: Installation[Seen], timing: Timing, screen: Screen[Seen]
    ) -> None:
        self._installation = installation
        self._timing = timing
        self._screen = screen

    def play(self, step: Step[Any, Seen]) -> None:
        """Run one step; raises NotObserved."""
        progress = Progress(step)
        try:
            was = self._installation.observe()
            self._screen.show(was, progress)
            began = time.monotonic()
            step.act(self._installation, was)
            now = self._wait(progress, was, began)
            if step.stays:
                now = self._watch_it_stay(progress, was)
        except BROKEN as error:
            raise NotObserved(f"step {step.name!r} was not observed: {error}") from error
        progress.outcome = step.outcome(was, now)
        self._screen.show(now, progress)

    def _wait(self, progress: Progress, was: Seen, began: float) -> Seen:
        """Observe until all moments hold."""
        step = progress.step
        while True:
            now = self._installation.observe()
            passed = time.monotonic() - began
            missing = _missing(step, was, now)
            for moment in step.moments:
                if moment in missing:
                    # What held for the old node need not hold for the new one.
                    progress.seconds.pop(moment.name, None)
                else:
                    progress.seconds.setdefault(moment.name, passed)
            self._screen.show(now, progress)
            if step.ended(self._installation) and not missing:
                return now
            if passed > self._timing.patience_seconds:
                raise _not_observed(
                    step, f"within {self._timing.patience_seconds:.0f} s", missing, now
                )
            time.sleep(POLL_SECONDS)

    def _watch_it_stay(self, progress: Progress, was: Seen) -> Seen:
        """Check for a while that all moments still hold."""
        since = time.monotonic()
        while True:
            now = self._installation.observe()
            progress.stayed = time.monotonic() - since
            self._screen.show(now, progress)
            if missing := _missing(progress.step, was, now):
                what = f"to stay: it was so for {progress.stayed:.1f} s"
                raise _not_observed(progress.step, what, missing, now)
            if progress.stayed >= self._timing.hold_seconds:
                return now
            time.sleep(POLL_SECONDS)


def _missing(step: Step[Any, Seen], was: Seen, now: Seen) -> tuple[Moment[Seen], ...]:
    return tuple(moment for moment in step.moments if not moment.holds(was, now))


def _not_observed(
    step: Step[Any, Seen], when: str, missing: tuple[Moment[Seen], ...], now: Seen
) -> NotObserved:
    missed_moments = "; ".join(f"{moment.name}: {moment.what}" for moment in missing)
    missed = missed_moments or "the command that was started has not ended"
    return NotObserved(
        f"step {step.name!r} was not observed {when}. Missing: {missed}.\n"
        f"Last seen:\n{now.describe()}"
    )
