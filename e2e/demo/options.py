"""The options of a part that has no clouds to choose from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

_EPILOG = """\
In a terminal it shows live tables, in a pipe one line per step. The first run builds the
control plane with Go, which takes minutes; later ones take about a minute.
Nothing is left behind, whatever ends the demo.

exit codes: 0 every step was seen; 1 one was not, and it says which; 2 wrong options;
130 or 143 ended by Ctrl-C or SIGTERM.

examples:
  ./nox -s demo -- {once}    watch it once
  ./nox -s demo -- {kept}    ... and look around with kubectl afterwards
  ./nox -s demo -- {help}    another part: reserved addresses of clouds"""
_WIDTH = len("--part external-ip --keep")
"""Of the longest."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the demo is to run."""

    keep: bool
    fast: bool

    @property
    def read_seconds(self) -> float:
        """How long a finished step stays on a terminal before the next one begins."""
        return 0.0 if self.fast else 2.0


def parse(part: str, description: str, argv: Sequence[str]) -> Options:
    """The options; exits with 0 after --help and with 2 on wrong ones."""
    parser = argparse.ArgumentParser(
        prog=f"e2e.demo --part {part}",
        description=description,
        epilog=_epilog(part),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--fast", action="store_true", help="no pauses for reading: same steps")
    parser.add_argument(
        "--keep", action="store_true", help="leave all running at the end, and say how to use it"
    )
    given = parser.parse_args(argv)
    return Options(given.keep, given.fast)


def _epilog(part: str) -> str:
    calls = {"once": f"--part {part}", "kept": f"--part {part} --keep", "help": "--help"}
    return _EPILOG.format(**{name: call.ljust(_WIDTH) for name, call in calls.items()})
