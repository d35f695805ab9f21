"""Random runs of a small cluster with many faults: whether addresses are lost (T9)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from typing import Any

from .report import step
from .rows import How, Row, Seed


def life_rows(runs: int) -> list[Row]:
    """Run this many, on all processors."""
    counts: Counter[str] = Counter()
    with step(f"{runs:,} random runs"):
        results = _run(runs)
    for share in results:
        counts.update(share["counts"])
    worst = next((share["worst"] for share in results if share["worst"]), "")
    how = (
        f"{runs:,} runs, seeds from 0: real decisions and real mutations on a memory cloud with"
        f" virtual time, {counts['changes']:,} changes of {counts['addresses']:,} addresses; nodes,"
        " machines and allocations come and go meanwhile, the cloud and the API server fail, the"
        " controller dies."
    )
    first = f" First of them: {worst}." if worst else ""
    seed = Seed(None, How.DESCRIBED)
    return [
        Row(
            "T9a", f"addresses lost or astray, {runs:,} runs", 0.0, float(counts["lost"]), "", seed,
            f"{how} Counted at rest: listed and forgotten, or not where the status says; a run that"
            f" breaks any other promise counts, too.{first} The seed detaches and attaches without"
            " waiting and remembers nothing (described).",
        ),
        Row(
            "T9b", "addresses bound on two nodes, likewise", 0.0, float(counts["doubled"]), "",
            seed, "in the statuses after every single event.",
        ),
    ]  # fmt: skip


def _run(runs: int) -> list[dict[str, Any]]:
    """Divide the seeds among processes; the result of each."""
    shares = os.cpu_count() or 1
    edges = [runs * share // shares for share in range(shares + 1)]
    children = [
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "tests.bench.living", str(first), str(last)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for first, last in pairwise(edges)
    ]  # fmt: skip
    results = []
    for child in children:
        out, complaint = child.communicate()
        if child.returncode != 0:
            raise RuntimeError(f"the random runs failed:\n{complaint[-2000:]}")
        results.append(json.loads(out))
    return results
