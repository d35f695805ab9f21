"""The part of the command line that the bench and the soak share, including errors."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Prints errors in one line; has the option for the output file.

    Args:
        module: what ``python -m`` runs.
        description: what it does.
        epilog: examples.
    """

    def __init__(self, module: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=f"python -m {module}",
            description=description,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument(
            "--json",
            type=Path,
            default=Path("build", f"{module.rpartition('.')[2]}.json"),
            metavar="PATH",
            help="where to write the figures (default %(default)s)",
        )

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def positive(text: str) -> int:
    """A whole number above 0, for ``type=``."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number
