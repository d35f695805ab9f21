"""Start a part of the demo: ``python -m e2e.demo --help``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from e2e.demo.core import main as core
from e2e.demo.danm import main as danm
from e2e.demo.endpoints import main as endpoints
from e2e.demo.external_ip import main as external_ip
from e2e.demo.machines import main as machines

_PARTS: dict[str, Callable[[Sequence[str]], int]] = {
    "core": core.main,
    "machines": machines.main,
    "external-ip": external_ip.main,
    "danm": danm.main,
    "endpoints": endpoints.main,
}


def main(argv: Sequence[str]) -> int:
    """Play the part that is asked for; its own options are those of its own ``--help``."""
    parser = argparse.ArgumentParser(prog="e2e.demo", add_help=False, allow_abbrev=False)
    parser.add_argument("--part", choices=tuple(_PARTS), default="core")
    part, left = parser.parse_known_args(argv)
    return _PARTS[part.part](left)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
