"""Start the demo: ``python -m e2e.demo --help``."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence

from e2e.demo import ending
from e2e.demo.cloud import Cloud, forget_own_accounts
from e2e.demo.keep import how_to_look_around
from e2e.demo.options import Options, parse
from e2e.demo.play import NotObserved, Player
from e2e.demo.show import FullScreen, say, screen
from e2e.demo.stage import Stage, open_stage
from e2e.demo.steps import STEPS
from e2e.demo.world import BROKEN, World, open_world
from moorage_testing.cluster import ToolchainError
from moorage_testing.cluster.toolchain import build_all


def main() -> int:
    """Run from the command line; see ``--help`` for the exit codes."""
    options = parse(sys.argv[1:])
    forget_own_accounts()
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
    """Play all steps in every cloud, tell how it went; 0 if all was seen, else 1."""
    began = time.monotonic()
    asked = []
    with contextlib.ExitStack() as opened:
        with screen(options) as shown:
            stage = opened.enter_context(open_stage(options, shown.tell))
        # Last in, first out: the clearing up is not disturbed.
        opened.callback(ending.ignore)
        for cloud in options.clouds:
            with played(stage, cloud, options) as (world, problem):
                if problem:
                    # It may still hold addresses, so no other cloud is played after it.
                    say(f"{problem}\n{unplayed(cloud, options)}".rstrip())
                    return 1
                asked.append(asked_for(world))
                if cloud == options.clouds[-1]:
                    say(summary(asked, time.monotonic() - began))
                if options.keep:
                    look_around(world)
    return 0


@contextlib.contextmanager
def played(stage: Stage, cloud: Cloud, options: Options) -> Iterator[tuple[World, str]]:
    """One cloud after all steps; what was not observed, with the log, ``""`` = all was."""
    with contextlib.ExitStack() as opened:
        with screen(options, cloud.name) as shown:
            world = opened.enter_context(open_world(stage, cloud, options, shown.tell))
            problem = play(world, options, shown)
        yield world, problem


def play(world: World, options: Options, shown: FullScreen) -> str:
    """Play all steps; what was not observed, with the controller's log, ``""`` = all was."""
    player = Player(world, options, shown)
    try:
        for step in STEPS:
            player.play(step)
    except NotObserved as error:
        return f"{error}\nThe last lines of the controller's log:\n{world.controller_log()}"
    return ""


def look_around(world: World) -> None:
    """Say how to use what is running, and let it run until a signal comes."""
    say(how_to_look_around(world))
    with contextlib.suppress(ending.Stopped):
        # Not signal.pause(): a signal just before it would be slept through.
        while True:
            time.sleep(0.1)


def asked_for(world: World) -> str:
    """What one cloud was asked for."""
    changes = world.changes()
    told = ", ".join(f"{count} {operation}" for operation, count in sorted(changes.items()))
    return f"{world.cloud.api} was asked for {changes.total()} changes: {told}."


def summary(asked: Sequence[str], seconds: float) -> str:
    """What was proven in all clouds."""
    steps = len(asked) * len(STEPS)
    told = f"All {steps} steps were seen in the cloud and in the status, {seconds:.0f} s with"
    return "\n".join([f"{told} the set-up.", *asked])


def unplayed(failed: Cloud, options: Options) -> str:
    """Which clouds would have come after one, ``""`` = none."""
    left = options.clouds[options.clouds.index(failed) + 1 :]
    return f"Not played: {', '.join(cloud.name for cloud in left)}." if left else ""


if __name__ == "__main__":
    sys.exit(main())
