"""The command line: ``python -m tests.mutants --help``."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

DEFAULT_MODULES = ("moorage_core.decide.*", "moorage_kube.reconcile.*", "moorage_kube.election.*")
_MOST_JOBS = 2


@dataclass(frozen=True, slots=True)
class Options:
    """What to do.

    Attributes:
        modules: globs of dotted module names.
        sample: how many faults to try, 0 = all.
        seed: which ones; the same seed takes the same sample of the same code.
        jobs: how many test runs go side by side.
        target: the kill rate, in percent, below which the exit status is 1.
        only: text that the place or the code of a fault has to contain, ``""`` = anything.
        list: only print the faults.
    """

    modules: tuple[str, ...]
    sample: int
    seed: int
    jobs: int
    target: float
    only: str
    list: bool


def parse(arguments: list[str] | None = None) -> Options:
    """The options; complaints and ``--help`` end the process."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Put small faults into a copy of the code and say which of them no test sees.",
        epilog="example: ./nox -s mutants -- 'moorage_core.decide.re*' --sample 0",
    )
    parser.add_argument(
        "modules", nargs="*", metavar="MODULE", help=f"globs (default {' '.join(DEFAULT_MODULES)})"
    )
    parser.add_argument(
        "--sample", type=int, default=300, help="faults to try, 0 = all (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="which ones (default %(default)s)")
    parser.add_argument(
        "--jobs", type=int, default=_MOST_JOBS, choices=range(1, _MOST_JOBS + 1),
        help="test runs side by side (default %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--target", type=float, default=95.0, help="percent to be killed (default %(default)s)"
    )
    parser.add_argument("--only", default="", help="only faults whose place or code contains this")
    parser.add_argument("--list", action="store_true", help="print the faults and try none")
    given = parser.parse_args(arguments)
    return Options(**vars(given) | {"modules": tuple(given.modules) or DEFAULT_MODULES})
