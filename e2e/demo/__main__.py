"""Start the demo: ``python -m e2e.demo --help``."""

from __future__ import annotations

import contextlib
import sys
import time

from e2e.demo import ending
from e2e.demo.cloud import forget_own_account
from e2e.demo.keep import how_to_look_around
from e2e.demo.options import Options, parse
from e2e.demo.play import NotObserved, Player
from e2e.demo.show import FullScreen, say, screen
from e2e.demo.steps import STEPS
from e2e.demo.world import BROKEN, World, open_world
from moorage_testing.cluster import ToolchainError
from moorage_testing.cluster.toolchain import build_all


def main() -> int:
    """Run from the command line; see ``--help`` for the exit codes."""
    options = parse(sys.argv[1:])
    forget_own_account()
    ending.listen()
    try:
        # Before any screen: what must be built tells its progress itself.
        build_all()
        return run(options)
    except ending.Stopped as stopped:
        say(f"stopped by {stopped}; all of it is ended")
        return stopped.exit_code
    except (ToolchainError, *BROKEN) as error:
        say(f"the demo did not come up: {error}")
        return 1


def run(options: Options) -> int:
    """Set the world up, play all steps, tell how it went; 0 if all was seen, else 1."""
    began = time.monotonic()
    with contextlib.ExitStack() as opened:
        with screen(options) as shown:
            world = opened.enter_context(open_world(options, shown.tell))
            # Last in, first out: the clearing up is not disturbed.
            opened.callback(ending.ignore)
            problem = play(world, options, shown)
        say(problem or summary(world, time.monotonic() - began))
        if options.keep:
            say(how_to_look_around(world))
            with contextlib.suppress(ending.Stopped):
                # Not signal.pause(): a signal just before it would be slept through.
                while True:
                    time.sleep(0.1)
    return 1 if problem else 0


def play(world: World, options: Options, shown: FullScreen) -> str:
    """Play all steps; what was not observed, with the controller's log, ``""`` = all was."""
    player = Player(world, options, shown)
    try:
        for step in STEPS:
            player.play(step)
    except NotObserved as error:
        return f"{error}\nThe last lines of the controller's log:\n{world.controller_log()}"
    return ""


def summary(world: World, seconds: float) -> str:
    """What was proven."""
    changes = world.changes()
    told = ", ".join(f"{count} {operation}" for operation, count in sorted(changes.items()))
    return (
        f"All {len(STEPS)} steps were seen in the cloud and in the status, {seconds:.0f} s with"
        f" the set-up.\nEC2 was asked for {changes.total()} changes: {told}."
    )


if __name__ == "__main__":
    sys.exit(main())
