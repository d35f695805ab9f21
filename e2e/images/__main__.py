"""Build the images of the controllers: ``./nox -s images -- --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from e2e.images.build import MADE, OUTPUT, Built, build, choose_engine, programs
from e2e.images.engine import ENGINES, BuildFailed, EngineMissing

MEGABYTE = 1_000_000


def main(argv: Sequence[str] | None = None) -> int:
    """Build, print a table; the exit code is 2 where this machine cannot."""
    parser = argparse.ArgumentParser(prog="nox -s images --", description=__doc__)
    known = programs()
    parser.add_argument("packages", nargs="*", default=known, metavar="PACKAGE", help="default all")
    parser.add_argument("--engine", choices=ENGINES, default="", help="default: the first there is")
    parser.add_argument("--base", default="", help=f"an image, or {MADE}: made of its packages")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the archives")
    options = parser.parse_args(argv)
    if unknown := sorted(set(options.packages) - set(known)):
        parser.error(f"no program: {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        engine = choose_engine(options.engine)
        built = list(build(options.packages, engine, options.base, options.output))
    except (BuildFailed, EngineMissing) as error:
        sys.stderr.write(f"images: {error}\n")
        return 2
    sys.stdout.write("".join(f"{line}\n" for line in _table(built)))
    return 0


def _table(built: Sequence[Built]) -> list[str]:
    rows = [("image", "MB", "seconds", "file")]
    rows += [
        (one.tag, f"{one.size / MEGABYTE:.0f}", f"{one.seconds:.1f}", str(one.archive))
        for one in built
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


if __name__ == "__main__":
    sys.exit(main())
