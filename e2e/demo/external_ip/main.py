"""The part external-ip: addresses for Services, on nodes of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from e2e.demo.external_ip.description import DESCRIPTION, PART
from e2e.demo.external_ip.installation import Installation, open_installation
from e2e.demo.external_ip.keep import how_to_look_around
from e2e.demo.external_ip.observed import Observed
from e2e.demo.external_ip.steps import STEPS
from e2e.demo.options import parse
from e2e.demo.part import Part, go_on, run_part
from e2e.demo.play import STEP_SECONDS, Timing
from e2e.demo.show import say
from e2e.demo.start import start
from moorage_testing import lab

if TYPE_CHECKING:
    from rich.console import RenderableType


def main(argv: Sequence[str]) -> int:
    """Play it; see ``--help`` for the exit codes."""
    options = parse(PART, DESCRIPTION, argv)
    # Before anything is built, which takes minutes.
    try:
        with lab.start(1):
            pass
    except lab.LabUnavailableError as error:
        say(
            "this part needs nodes with networks of their own: root on Linux, with iproute2,"
            f" network namespaces, veth and bridges ({error})"
        )
        return 1
    # So long is it checked that nothing moves back.
    timing = Timing(STEP_SECONDS, hold_seconds=1.0 if options.fast else 4.0)
    part = Part(PART, STEPS, open_installation, _tables, timing, Installation.logs, look_around)
    return start(lambda: run_part(part, options))


def look_around(installation: Installation) -> None:
    """Print how to use the running parts, and leave them alone until a signal comes."""
    installation.restore()
    say(how_to_look_around(installation))
    go_on()


def _tables(observed: Observed) -> Sequence[RenderableType]:
    # rich is only for terminals: output in pipes needs neither the library nor its time to load.
    from e2e.demo.external_ip.tables import tables  # noqa: PLC0415  # see above

    return tables(observed)
