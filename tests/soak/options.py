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
PARTS = ("core", "machines")
# Half of a /16: the other half is for what was released a moment ago.
MOST_CLAIMS = 30_000

_DESCRIPTION = """\
Lets two controllers, one leading and one standing by, live through trouble while a share of all
calls fails and whoever leads is killed again and again; then, in the last part, without kills.
Somebody else looks on and judges: no address is ever in two places, none is lost, all are bound
when it is over, and no process grows.

  core      keeps reserved addresses on nodes, which come, go, drain and fall silent; calls of the
            cloud fail
  machines  gives addresses to claims, which come, go and are replaced, while their pool is edited
            and their IPAddresses are deleted; calls of the API server fail
"""
_EPILOG = """\
The exit code is 1 unless the verdict is "clean".

  half an hour at full size:  python -m tests.soak
  the same of claims:         python -m tests.soak --part machines
  ten minutes, smaller:       python -m tests.soak --minutes 10 --nodes 300 --addresses 150
  two minutes, as in CI:      python -m tests.soak --minutes 2 --nodes 60 --pods 200 \\
                                  --addresses 20 --kill-every 20 --memory 0.3
  of claims, as in CI:        python -m tests.soak --part machines --minutes 1.2 --claims 200 \\
                                  --kill-every 15 --churn-every 0.5 --memory 0.3
"""


@dataclass(frozen=True, slots=True)
class Options:
    """The options.

    Attributes:
        minutes: from the moment when all addresses are bound to the end of all disturbances.
        part: what is soaked.
        claims: of machines.
        errors: share of calls that fail.
        kill_seconds: between two kills of the leader.
        churn_seconds: between two disturbances.
        calm: share of the time, at the end, without kills.
        memory: share by which the memory of similar processes may differ.
    """

    part: str
    minutes: float
    claims: int
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
        part=given.part,
        minutes=given.minutes,
        claims=given.claims,
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
    if options.claims > MOST_CLAIMS:
        return f"--claims: the pool has room for {MOST_CLAIMS}"
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
    number("--nodes", positive, 1000, "core: nodes, all of one pool")
    number("--addresses", positive, 500, f"core: reserved addresses, at most {MOST_ADDRESSES}")
    number("--claims", positive, 10_000, f"machines: claims, at most {MOST_CLAIMS}")
    number("--errors", _share, 0.05, "share of calls that fail")
    number("--memory", _share, 0.1, "share by which memory may differ; minutes need more")
    number("--kill-every", _positive, 60.0, "seconds between two kills of whoever leads")
    number("--churn-every", _positive, 3.0, "seconds between two disturbances")
    number("--seed", int, 1, "of what happens when, and to whom")
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
        help=f"core: pods, spread over the nodes (default {PODS_PER_NODE} for each node)",
    )
    cloud = "core: which one (default %(default)s)"
    parser.add_argument("--cloud", choices=CLOUDS, default="aws", help=cloud)
    part = "what is soaked (default %(default)s)"
    parser.add_argument("--part", choices=PARTS, default=PARTS[0], help=part)
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
