"""Run in a process of its own: random lives of a small cluster, and what became of the addresses.

``python -m tests.bench.living FIRST LAST`` runs the simulation of moorage-core's own tests with the
seeds from FIRST up to, not including, LAST; prints JSON.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

SIMULATION = Path(__file__).resolve().parents[2] / "packages" / "core" / "tests"
_DOUBLED = "check_always"


def main() -> int:
    """Live once for each seed and count."""
    sys.path.insert(0, str(SIMULATION))
    random_life: Any = import_module("random_life")
    first, last = map(int, sys.argv[1:])
    counts: Counter[str] = Counter(lost=0, doubled=0, addresses=0, changes=0)
    worst = ""
    for seed in range(first, last):
        run = random_life.Run(seed)
        try:
            run.live()
        except Exception as error:  # noqa: BLE001 - counted; a bug of the simulation is no success
            counts[kind_of(error)] += 1
            worst = worst or f"seed {seed}: {error!r}"[:300]
        else:
            counts["lost"] += astray(run.observed)
        counts["addresses"] += len(run.observed.cloud.holders)
        counts["changes"] += len(run.observed.cloud.mutations)
    sys.stdout.write(json.dumps({"counts": counts, "worst": worst}) + "\n")
    return 0


def kind_of(error: Exception) -> str:
    """Which promise a run broke: an address bound on two nodes, else it was lost in some way."""
    frames = traceback.extract_tb(error.__traceback__)
    return "doubled" if any(frame.name == _DOUBLED for frame in frames) else "lost"


def astray(observed: Any) -> int:  # a Simulation, whose module is only found once this runs
    """Addresses at rest that are forgotten, or not where the status says they are bound.

    The simulation's own checks say so, too; this does not rest on them.
    """
    astray = 0
    for stored in observed.stored.values():
        told = {record.ip: record for record in stored.records}
        astray += len(set(stored.allocation.addresses) - told.keys())
        bound = [record for record in told.values() if record.phase == "Bound"]
        astray += sum(observed.where(record.ip) != record.node_ref.node_name for record in bound)
    return astray


if __name__ == "__main__":
    sys.exit(main())
