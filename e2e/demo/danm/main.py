"""The part danm: static addresses of DANM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from e2e.demo.danm.description import DESCRIPTION, PART
from e2e.demo.danm.installation import Installation, open_installation
from e2e.demo.danm.keep import how_to_look_around
from e2e.demo.danm.observed import Observed
from e2e.demo.danm.steps import STEPS
from e2e.demo.options import parse
from e2e.demo.part import Part, go_on, run_part
from e2e.demo.play import STEP_SECONDS, Timing
from e2e.demo.show import say
from e2e.demo.start import start

if TYPE_CHECKING:
    from rich.console import RenderableType

HOLD_SECONDS = 5.0
"""How long what must stay is watched."""


def main(argv: Sequence[str]) -> int:
    """Play it; see ``--help`` for the exit codes."""
    options = parse(PART, DESCRIPTION, argv)
    part = Part(
        PART,
        STEPS,
        open_installation,
        _tables,
        Timing(2 * STEP_SECONDS, HOLD_SECONDS),
        Installation.controller_log,
        look_around,
    )
    return start(lambda: run_part(part, options))


def look_around(installation: Installation) -> None:
    """Print how to use the running parts, and go on with the nodes until a signal comes."""
    say(how_to_look_around(installation))
    go_on(installation.step)


def _tables(observed: Observed) -> Sequence[RenderableType]:
    # rich is only for terminals: output in pipes needs neither the library nor its time to load.
    from e2e.demo.danm.tables import tables  # noqa: PLC0415  # see above

    return tables(observed)
