"""Runs a step: does it, then looks until all that must be seen is seen in one look."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from e2e.demo.options import Options
from e2e.demo.seen import Seen
from e2e.demo.steps import Moment, Step
from e2e.demo.world import BROKEN, World

LOOK_SECONDS = 0.1
STEP_SECONDS = 30.0


class NotObserved(Exception):
    """A step was not seen to happen; the message says which and what was missing."""


@dataclass(slots=True)
class Progress:
    """How far a step is.

    Attributes:
        step: the step.
        seconds: from its beginning to the look since which each moment was seen, by name.
        stayed: seconds for which all of it has stayed so, where it must.
        outcome: what came of it; ``""`` = it is not over.
    """

    step: Step
    seconds: dict[str, float] = field(default_factory=dict)
    stayed: float = 0.0
    outcome: str = ""


class Screen(Protocol):
    """Who is shown what happens."""

    def look(self, seen: Seen, progress: Progress) -> None:
        """Show a new look; the step is over once ``progress`` has an outcome."""


class Player:
    """Runs steps in one world, before one screen."""

    def __init__(self, world: World, options: Options, screen: Screen) -> None:
        self._world = world
        self._options = options
        self._screen = screen
        # What a step must be done in; the failing node takes its grace periods first.
        self._patience = STEP_SECONDS + options.monitor_grace_seconds + options.not_ready_seconds

    def play(self, step: Step) -> None:
        """Run one step; raises NotObserved."""
        progress = Progress(step)
        try:
            was = self._world.look()
            self._screen.look(was, progress)
            began = time.monotonic()
            step.act(self._world, was)
            now = self._wait(progress, was, began)
            if step.stays:
                now = self._watch_it_stay(progress, was)
        except BROKEN as error:
            raise NotObserved(f"step {step.name!r} was not observed: {error}") from error
        progress.outcome = step.outcome(was, now)
        self._screen.look(now, progress)

    def _wait(self, progress: Progress, was: Seen, began: float) -> Seen:
        """Look until all is seen."""
        step = progress.step
        while True:
            now = self._world.look()
            passed = time.monotonic() - began
            missing = _missing(step, was, now)
            for moment in step.moments:
                if moment in missing:
                    # What was true of the old place need not be true of the new one.
                    progress.seconds.pop(moment.name, None)
                else:
                    progress.seconds.setdefault(moment.name, passed)
            self._screen.look(now, progress)
            if step.ended(self._world) and not missing:
                return now
            if passed > self._patience:
                raise _not_observed(step, f"within {self._patience:.0f} s", missing, now)
            time.sleep(LOOK_SECONDS)

    def _watch_it_stay(self, progress: Progress, was: Seen) -> Seen:
        """Look for a while whether all stays as it is."""
        since = time.monotonic()
        while True:
            now = self._world.look()
            progress.stayed = time.monotonic() - since
            self._screen.look(now, progress)
            if missing := _missing(progress.step, was, now):
                what = f"to stay: it was so for {progress.stayed:.1f} s"
                raise _not_observed(progress.step, what, missing, now)
            if progress.stayed >= self._options.hold_seconds:
                return now
            time.sleep(LOOK_SECONDS)


def _missing(step: Step, was: Seen, now: Seen) -> tuple[Moment, ...]:
    return tuple(moment for moment in step.moments if not moment.holds(was, now))


def _not_observed(step: Step, when: str, missing: tuple[Moment, ...], now: Seen) -> NotObserved:
    told = "; ".join(f"{moment.name}: {moment.what}" for moment in missing)
    rows = "\n".join(
        f"  {a.ip}: in the cloud on {a.holder or 'nobody'}, in the status"
        f" {a.phase or 'not there'} on {a.node or 'nobody'}. {a.message}"
        for a in now.addresses
    )
    nodes = ", ".join(
        f"{n.name} Ready={n.ready}{' cordoned' if n.cordoned else ''}"
        f"{' labelled' if n.labelled else ''} pods={n.pods}"
        for n in now.nodes
    )
    missed = told or "the command that was started has not ended"
    return NotObserved(
        f"step {step.name!r} was not observed {when}. Missing: {missed}.\n"
        f"Last seen:\n{rows}\n  {nodes}"
    )
