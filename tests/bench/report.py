"""The report: progress during the run, then one table for people and one file for machines."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from .options import Options
from .rows import Row, number

_HEADS = ("row", "cloud", "what", "target", "measured", "the seed's way", "ratio", "verdict")
_WIDTH = 100
_INDENT = "    "
_BEGUN = time.monotonic()
# The load before the start: figures are only valid on a quiet machine.
_LOAD = os.getloadavg()[0]


def say(text: str) -> None:
    """One line of progress on stderr, so that the table stays clean in a pipe."""
    sys.stderr.write(f"[{time.monotonic() - _BEGUN:6.1f} s] {text}\n")
    sys.stderr.flush()


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Print the start of a step, and its duration if it was long."""
    say(f"{text} ...")
    begun = time.monotonic()
    yield
    if (seconds := time.monotonic() - begun) > 2.0:
        say(f"{text}: {seconds:.1f} s")


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, their notes below."""
    lines = [_HEADS, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
    drawn = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    drawn.insert(1, "  ".join("-" * width for width in widths))
    notes = [
        textwrap.fill(
            f"{row.id} {row.cloud}".strip() + f": {row.note}", _WIDTH, subsequent_indent=_INDENT
        )
        for row in rows
        if row.note
    ]
    met = sum(row.met for row in rows)
    cpus = os.cpu_count() or 1
    end = f"{met} of {len(rows)} targets met; {cpus} CPUs, load {_LOAD:.1f} before the start"
    if cpus / 2 < _LOAD:
        end += ": the machine was busy, so whatever is measured by the clock is too long"
    return "\n".join([*drawn, "", *notes, "", end])


def write_json(path: Path, options: Options, rows: Sequence[Row]) -> None:
    """Write the table with the sizes and the machine it holds for."""
    content = {
        "clouds": [cloud.name for cloud in options.clouds],
        "nodes": options.nodes,
        "addresses": options.addresses,
        "pods": options.pods,
        "resyncs": options.resyncs,
        "moves": options.moves,
        "storm": options.storm,
        "random_runs": options.random_runs,
        "live": options.live,
        "held": options.held,
        "outage": options.outage,
        "machine": {
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "load_at_start": _LOAD,
        },
        "seconds": round(time.monotonic() - _BEGUN, 1),
        "rows": [row.as_json() for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    value = row.seed.value
    seed = row.seed.how if value is None else f"{number(value, row.unit)} ({row.seed.how})"
    ratio = "-" if row.ratio is None else f"{number(row.ratio)} x"
    target = f"<= {number(row.target, row.unit)}" if row.target else "0"
    return (
        row.id,
        row.cloud,
        row.what,
        target,
        number(row.measured, row.unit),
        seed,
        ratio,
        row.verdict,
    )
