"""The part core: reserved addresses of clouds follow healthy nodes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from e2e.demo import shutdown
from e2e.demo.core.cloud import Cloud
from e2e.demo.core.installation import Installation, open_installation
from e2e.demo.core.keep import how_to_look_around
from e2e.demo.core.observed import Observed
from e2e.demo.core.options import Options, parse
from e2e.demo.core.stage import Stage, open_stage
from e2e.demo.core.steps import STEPS
from e2e.demo.part import go_on, play_all
from e2e.demo.play import STEP_SECONDS, Player, Timing
from e2e.demo.show import FullScreen, Show, say, screen
from e2e.demo.start import start

if TYPE_CHECKING:
    from rich.console import RenderableType


def main(argv: Sequence[str]) -> int:
    """Play it; see ``--help`` for the exit codes."""
    options = parse(argv)
    return start(lambda: run(options))


def run(options: Options) -> int:
    """Play all steps in every cloud and print the results; 0 if all was observed, else 1."""
    began = time.monotonic()
    asked = []
    with contextlib.ExitStack() as opened:
        with screen(_show(options)) as shown:
            stage = opened.enter_context(open_stage(options, shown.show_waiting))
        # Last in, first out: no signal interrupts the clean-up.
        opened.callback(shutdown.ignore)
        for cloud in options.clouds:
            with played(stage, cloud, options) as (installation, problem):
                if problem:
                    # It may still hold addresses, so no other cloud is played after it.
                    say(f"{problem}\n{unplayed(cloud, options)}".rstrip())
                    return 1
                asked.append(asked_for(installation))
                if cloud == options.clouds[-1]:
                    say(summary(asked, time.monotonic() - began))
                if options.keep:
                    look_around(installation)
    return 0


@contextlib.contextmanager
def played(stage: Stage, cloud: Cloud, options: Options) -> Iterator[tuple[Installation, str]]:
    """One cloud after all steps; what was not observed, with the log, ``""``: nothing."""
    with contextlib.ExitStack() as opened:
        with screen(_show(options, cloud.name)) as shown:
            installation = opened.enter_context(
                open_installation(stage, cloud, options, shown.show_waiting)
            )
            problem = play(installation, options, shown)
        yield installation, problem


def play(installation: Installation, options: Options, shown: FullScreen[Observed]) -> str:
    """Play all steps; what was not observed, with the controller's log, ``""``: nothing."""
    # For the failing node its grace periods come first.
    patience = STEP_SECONDS + options.monitor_grace_seconds + options.not_ready_seconds
    player = Player(installation, Timing(patience, options.hold_seconds), shown)
    return play_all(player, STEPS, installation.controller_log)


def look_around(installation: Installation) -> None:
    """Print how to use the running parts, and wait for a signal."""
    say(how_to_look_around(installation))
    go_on()


def asked_for(installation: Installation) -> str:
    """The changes requested from one cloud."""
    changes = installation.changes()
    text = ", ".join(f"{count} {operation}" for operation, count in sorted(changes.items()))
    return f"{installation.cloud.api} was asked for {changes.total()} changes: {text}."


def summary(asked: Sequence[str], seconds: float) -> str:
    """The result for all clouds."""
    steps = len(asked) * len(STEPS)
    text = f"All {steps} steps were seen in the cloud and in the status, {seconds:.0f} s with"
    return "\n".join([f"{text} the set-up.", *asked])


def unplayed(failed: Cloud, options: Options) -> str:
    """The clouds that were not played after this one, ``""``: none."""
    left = options.clouds[options.clouds.index(failed) + 1 :]
    return f"Not played: {', '.join(cloud.name for cloud in left)}." if left else ""


def _show(options: Options, cloud: str = "") -> Show[Observed]:
    return Show(cloud, STEPS, options.read_seconds, _tables)


def _tables(observed: Observed) -> Sequence[RenderableType]:
    # rich is only for terminals: output in pipes needs neither the library nor its time to load.
    from e2e.demo.core.tables import tables  # noqa: PLC0415  # see above

    return tables(observed)
