"""Start the demo: ``python -m e2e.demo --help``."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from e2e.demo import shutdown
from e2e.demo.cloud import Cloud, forget_own_accounts
from e2e.demo.installation import BROKEN, Installation, open_installation
from e2e.demo.keep import how_to_look_around
from e2e.demo.options import Options, parse
from e2e.demo.play import NotObserved, Player
from e2e.demo.show import FullScreen, say, screen
from e2e.demo.stage import Stage, open_stage
from e2e.demo.steps import STEPS
from moorage_testing.cluster import ToolchainError
from moorage_testing.cluster.toolchain import build_all


def main() -> int:
    """Run from the command line; see ``--help`` for the exit codes."""
    options = parse(sys.argv[1:])
    forget_own_accounts()
    shutdown.listen()
    try:
        # Before any screen: a build shows its own progress.
        build_all()
        return run(options)
    except shutdown.Stopped as stopped:
        say(f"stopped by {stopped}; all of it is ended")
        return stopped.exit_code
    except (ToolchainError, *BROKEN) as error:
        say(f"the demo did not come up: {error}")
        return 1


def run(options: Options) -> int:
    """Play all steps in every cloud and print the results; 0 if all was observed, else 1."""
    began = time.monotonic()
    asked = []
    with contextlib.ExitStack() as opened:
        with screen(options) as shown:
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
        with screen(options, cloud.name) as shown:
            installation = opened.enter_context(
                open_installation(stage, cloud, options, shown.show_waiting)
            )
            problem = play(installation, options, shown)
        yield installation, problem


def play(installation: Installation, options: Options, shown: FullScreen) -> str:
    """Play all steps; what was not observed, with the controller's log, ``""``: nothing."""
    player = Player(installation, options, shown)
    try:
        for step in STEPS:
            player.play(step)
    except NotObserved as error:
        return f"{error}\nThe last lines of the controller's log:\n{installation.controller_log()}"
    return ""


def look_around(installation: Installation) -> None:
    """Print how to use the running parts, and wait for a signal."""
    say(how_to_look_around(installation))
    with contextlib.suppress(shutdown.Stopped):
        # Not signal.pause(): a signal just before it would be slept through.
        while True:
            time.sleep(0.1)


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


if __name__ == "__main__":
    sys.exit(main())
