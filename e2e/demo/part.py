"""A part that is played in one installation: all steps, the result, and a look around."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from e2e.demo import shutdown
from e2e.demo.options import Options
from e2e.demo.play import Installation, NotObserved, Player, Seen, Timing
from e2e.demo.show import Show, say, screen
from e2e.demo.step import Step

if TYPE_CHECKING:
    from rich.console import RenderableType

PAUSE_SECONDS = 0.2

InstallationT = TypeVar("InstallationT", bound=Installation[Any])


@dataclass(frozen=True, slots=True)
class Part(Generic[InstallationT, Seen]):
    """What is played.

    Attributes:
        name: in a word.
        steps: all of them, in order.
        open: everything that they need, while a block runs; hears what is being waited for.
        tables: draws an observation.
        timing: how long the demo waits.
        log: which log, and how it ends.
        look_around: what goes on in an installation that is kept, until a signal comes.
    """

    name: str
    steps: Sequence[Step[Any, Seen]]
    open: Callable[[Callable[[str], None]], AbstractContextManager[InstallationT]]
    tables: Callable[[Seen], Sequence[RenderableType]]
    timing: Timing
    log: Callable[[InstallationT], str]
    look_around: Callable[[InstallationT], None]


def run_part(part: Part[InstallationT, Seen], options: Options) -> int:
    """Play all steps and print the result; 0 if all was observed, else 1."""
    began = time.monotonic()
    show = Show(part.name, part.steps, options.read_seconds, part.tables)
    with contextlib.ExitStack() as opened:
        with screen(show) as shown:
            installation = opened.enter_context(part.open(shown.show_waiting))
            # Last in, first out: no signal interrupts the clean-up.
            opened.callback(shutdown.ignore)
            player = Player(installation, part.timing, shown)
            problem = play_all(player, part.steps, lambda: part.log(installation))
        if problem:
            say(problem)
            return 1
        seconds = time.monotonic() - began
        say(f"All {len(part.steps)} steps were seen everywhere, {seconds:.0f} s with the set-up.")
        if options.keep:
            part.look_around(installation)
    return 0


def play_all(player: Player[Seen], steps: Sequence[Step[Any, Seen]], log: Callable[[], str]) -> str:
    """Play all steps; what was not observed, with the end of ``log``, ``""``: nothing."""
    try:
        for step in steps:
            player.play(step)
    except NotObserved as error:
        return f"{error}\nThe last lines of {log()}"
    return ""


def go_on(step: Callable[[], object] = lambda: None) -> None:
    """Do this again and again, until a signal comes."""
    with contextlib.suppress(shutdown.Stopped):
        # Not signal.pause(): a signal just before it would be slept through.
        while True:
            step()
            time.sleep(PAUSE_SECONDS)
