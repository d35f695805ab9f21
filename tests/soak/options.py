"""The command line: sizes, duration and disturbances."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.bench.arguments import Parser, positive
from tests.bench.clouds import CLOUDS, Cloud
from tests.bench.options import MOST_ADDRESSES, PODS_PER_NODE

T = TypeVar("T")

# The nodes beyond the number of addresses: for disturbed nodes and their replacements.
ROOM = 30
# The first leader differs from the others; of the rest, the first is compared with the last.
FEWEST_KILLS = 3

_DESCRIPTION = """\
Lets two controllers, one leading and one standing by, keep reserved addresses on nodes while nodes
come, go, drain and fall silent, the cloud fails a share of all calls, and whoever leads is killed
again and again; then, in the last part, without kills. Somebody else looks on and judges: no
address is ever in two places, none is lost, all are bound when it is over, and no process grows.
"""
_EPILOG = """\
The exit code is 1 unless the verdict is "clean".

  half an hour at full size:  python -m tests.soak
  ten minutes, smaller:       python -m tests.soak --minutes 10 --nodes 300 --addresses 150
  two minutes, as in CI:      python -m tests.soak --minutes 2 --nodes 60 --pods 200 \\
                                  --addresses 20 --kill-every 20 --memory 0.3
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The options.

    Attributes:
        minutes: from the moment when all addresses are bound to the end of all disturbances.
        errors: share of the cloud's calls that fail.
        kill_seconds: between two kills of the leader.
        churn_seconds: between two disturbances of nodes.
        calm: share of the time, at the end, without kills.
        memory: share by which the memory of similar processes may differ.
    """

    minutes: float
    nodes: int
    pods: int
    addresses: int
    cloud: Cloud
    errors: float
    kill_seconds: float
    churn_seconds: float
    calm: float
    memory: float
    seed: int
    json: Path

    @property
    def rough_seconds(self) -> float:
        """Duration of the part with kills."""
        return self.minutes * 60 * (1 - self.calm)

    @property
    def calm_seconds(self) -> float:
        """Duration of the part without kills, after that."""
        return self.minutes * 60 * self.calm

    @property
    def kills(self) -> int:
        """The number of kills."""
        return int(self.rough_seconds / self.kill_seconds)

    @property
    def disturbances(self) -> int:
        """The number of disturbances."""
        return math.floor(self.minutes * 60 / self.churn_seconds)


def parse(argv: Sequence[str] | None = None) -> Options:
    """Options from the command line; ``SystemExit`` 2 with one line where they are invalid."""
    parser = _parser()
    given = parser.parse_args(argv)
    options = Options(
        minutes=given.minutes,
        nodes=given.nodes,
        pods=given.pods or given.nodes * PODS_PER_NODE,
        addresses=given.addresses,
        cloud=CLOUDS[given.cloud],
        errors=given.errors,
        kill_seconds=given.kill_every,
        churn_seconds=given.churn_every,
        calm=given.calm,
        memory=given.memory,
        seed=given.seed,
        json=given.json,
    )
    if complaint := _complaint(options):
        parser.error(complaint)
    return options


def _complaint(options: Options) -> str:
    """Why these sizes are invalid, ``""``: they are valid."""
    if options.addresses > MOST_ADDRESSES:
        return f"--addresses: one NetIPAllocation has at most {MOST_ADDRESSES}"
    if options.nodes < options.addresses + ROOM:
        return f"--nodes: {options.addresses} addresses need {options.addresses + ROOM} at least"
    if options.pods < options.nodes:
        return f"--pods: every one of the {options.nodes} nodes needs one of the workload's"
    if options.kills < FEWEST_KILLS:
        return (
            f"--kill-every: {options.kills} kills in {options.rough_seconds:.0f} s are too few;"
            f" {FEWEST_KILLS} at least, to compare those that were killed"
        )
    return ""


def _parser() -> Parser:
    parser = Parser("tests.soak", _DESCRIPTION, _EPILOG)

    def number(name: str, kind: Callable[[str], T], default: T, text: str) -> None:
        help_text = f"{text} (default {default})"
        parser.add_argument(name, type=kind, default=default, metavar="N", help=help_text)

    number("--minutes", _positive, 30.0, "how long there is trouble")
    number("--nodes", positive, 1000, "nodes, all of one pool")
    number("--addresses", positive, 500, f"reserved addresses, at most {MOST_ADDRESSES}")
    number("--errors", _share, 0.05, "share of the cloud's calls that fail")
    number("--memory", _share, 0.1, "share by which memory may differ; minutes need more")
    number("--kill-every", _positive, 60.0, "seconds between two kills of whoever leads")
    number("--churn-every", _positive, 3.0, "seconds between two things that happen to nodes")
    number("--seed", int, 1, "of what happens to which node")
    parser.add_argument(
        "--calm",
        type=_share,
        default=1 / 3,
        metavar="N",
        help="share of the time, at the end, without kills (default a third)",
    )
    parser.add_argument(
        "--pods",
        type=positive,
        metavar="N",
        help=f"pods, spread over the nodes (default {PODS_PER_NODE} for each node)",
    )
    parser.add_argument("--cloud", choices=CLOUDS, default="aws", help="default %(default)s")
    return parser


def _positive(text: str) -> float:
    number = _float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def _share(text: str) -> float:
    number = _float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number between 0 and 1")
    return number


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
