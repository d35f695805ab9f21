"""The command line: how large a world, which rows, and where the figures go."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from .rows import FAMILIES

MOST_ADDRESSES = 512  # of one NetIPAllocation
SLOW_MOVES = 5

_DESCRIPTION = """\
Measures what Moorage promises in figures, here and now, and prints one table: target, measured,
the seed's way at the same size, verdict. Nothing is taken from an earlier run.

  T1  cloud reads per resync at rest                 T2  cloud writes and API requests at rest
  T3  cloud mutations per move                       T4  drained -> first cloud write
  T5  drained -> bound elsewhere, slow cloud         T8  planner CPU, memory, time to readiness
  J3  how the planner's cost grows with the cluster

T1 to T5 and parts of T8 start a control plane with fake nodes, EC2 emulated in a process of its
own, and the real controller under its own rights. A missed target is told, not an error.
"""
_EPILOG = """\
Sizes below the default are for trying the tool out; the targets are meant for the default.

  everything, full size (about five minutes on two cores):  python -m tests.bench
  the planner alone, in seconds:                            python -m tests.bench --rows J3
  small, for CI:  python -m tests.bench --nodes 100 --addresses 50 --pods 1000 --resyncs 2 --moves 5
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; ``rows`` are families such as ``T8``."""

    nodes: int
    addresses: int
    pods: int
    resyncs: int
    moves: int
    rows: frozenset[str]
    json: Path


class _Parser(argparse.ArgumentParser):
    """Complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def parse(argv: Sequence[str] | None = None) -> Options:
    """Options from the command line; ``SystemExit`` 2 with one line where they make no sense."""
    parser = _parser()
    given = parser.parse_args(argv)
    rows = frozenset(part.strip().upper() for part in given.rows.split(","))
    if unknown := sorted(rows - set(FAMILIES)):
        parser.error(f"--rows: there is no row {unknown[0]!r}; there are {','.join(FAMILIES)}")
    if given.addresses > MOST_ADDRESSES:
        parser.error(f"--addresses: one NetIPAllocation has at most {MOST_ADDRESSES}")
    if given.nodes < (needed := given.addresses + given.moves + SLOW_MOVES):
        parser.error(
            f"--nodes: {given.nodes} are too few; {given.addresses} addresses and"
            f" {given.moves} moves, each to a fresh node, need {needed}"
        )
    if given.pods < given.nodes:
        parser.error(f"--pods: every one of the {given.nodes} nodes needs one of the workload's")
    return Options(
        nodes=given.nodes,
        addresses=given.addresses,
        pods=given.pods,
        resyncs=given.resyncs,
        moves=given.moves,
        rows=rows,
        json=given.json,
    )


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m tests.bench",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

    def count(name: str, default: int, text: str) -> None:
        parser.add_argument(
            name, type=_positive, default=default, metavar="N", help=f"{text} (default {default:,})"
        )

    count("--nodes", 1000, "nodes, all of one pool")
    count("--addresses", 500, f"reserved addresses, at most {MOST_ADDRESSES}")
    count("--pods", 20_000, "pods, spread over the nodes")
    count("--resyncs", 10, "looks at the cloud to count over, five seconds apart")
    count("--moves", 30, "drains to time, one after the other")
    parser.add_argument(
        "--rows",
        default=",".join(FAMILIES),
        metavar="IDS",
        help=f"only these, by commas: {','.join(FAMILIES)} (default all)",
    )
    parser.add_argument(
        "--json",
        type=Path,
        default=Path("build/bench.json"),
        metavar="PATH",
        help="where to write the figures (default %(default)s)",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return number
