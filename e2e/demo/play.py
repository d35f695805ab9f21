"""Runs a step: does it, then observes until one observation shows all that it expects."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from e2e.demo.installation import BROKEN, Installation
from e2e.demo.observed import Observed
from e2e.demo.options import Options
from e2e.demo.steps import Moment, Step

POLL_SECONDS = 0.1
STEP_SECONDS = 30.0


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

    step: Step
    seconds: dict[str, float] = field(default_factory=dict)
    stayed: float = 0.0
    outcome: str = ""


class Screen(Protocol):
    """Shows the demo's progress."""

    def show(self, observed: Observed, progress: Progress) -> None:
        """Show an observation; the step is over once ``progress`` has an outcome."""


class Player:
    """Runs steps in one installation, and shows them on one screen."""

    def __init__(self, installation: Installation, options: Options, screen: Screen) -> None:
        self._installation = installation
        self._options = options
        self._screen = screen
        # The time limit of a step; for the failing node its grace periods come first.
        self._patience = STEP_SECONDS + options.monitor_grace_seconds + options.not_ready_seconds

    def play(self, step: Step) -> None:
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

    def _wait(self, progress: Progress, was: Observed, began: float) -> Observed:
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
            if passed > self._patience:
                raise _not_observed(step, f"within {self._patience:.0f} s", missing, now)
            time.sleep(POLL_SECONDS)

    def _watch_it_stay(self, progress: Progress, was: Observed) -> Observed:
        """Check for a while that all moments still hold."""
        since = time.monotonic()
        while True:
            now = self._installation.observe()
            progress.stayed = time.monotonic() - since
            self._screen.show(now, progress)
            if missing := _missing(progress.step, was, now):
                what = f"to stay: it was so for {progress.stayed:.1f} s"
                raise _not_observed(progress.step, what, missing, now)
            if progress.stayed >= self._options.hold_seconds:
                return now
            time.sleep(POLL_SECONDS)


def _missing(step: Step, was: Observed, now: Observed) -> tuple[Moment, ...]:
    return tuple(moment for moment in step.moments if not moment.holds(was, now))


def _not_observed(step: Step, when: str, missing: tuple[Moment, ...], now: Observed) -> NotObserved:
    missed_moments = "; ".join(f"{moment.name}: {moment.what}" for moment in missing)
    addresses = "\n".join(
        f"  {a.ip}: in the cloud on {a.holder or 'nobody'}, in the status"
        f" {a.phase or 'not there'} on {a.node or 'nobody'}. {a.message}"
        for a in now.addresses
    )
    nodes = ", ".join(
        f"{n.name} Ready={n.ready}{' cordoned' if n.cordoned else ''}"
        f"{' labelled' if n.labelled else ''} pods={n.pods}"
        for n in now.nodes
    )
    missed = missed_moments or "the command that was started has not ended"
    return NotObserved(
        f"step {step.name!r} was not observed {when}. Missing: {missed}.\n"
        f"Last seen:\n{addresses}\n  {nodes}"
    )
