"""Runs in its own process: random runs of a small cluster, and counts of lost addresses.

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
    """Run once for each seed and count."""
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
            counts["lost"] += astray(run.simulation)
        counts["addresses"] += len(run.simulation.cloud.holders)
        counts["changes"] += len(run.simulation.cloud.mutations)
    sys.stdout.write(json.dumps({"counts": counts, "worst": worst}) + "\n")
    return 0


def kind_of(error: Exception) -> str:
    """Which invariant a run broke: an address bound on two nodes, else a lost address."""
    frames = traceback.extract_tb(error.__traceback__)
    return "doubled" if any(frame.name == _DOUBLED for frame in frames) else "lost"


def astray(simulation: Any) -> int:  # a Simulation, whose module is only found once this runs
    """Addresses at rest that are forgotten, or not where the status says they are bound.

    Independent of the simulation's own checks.
    """
    astray = 0
    for stored in simulation.stored.values():
        recorded = {record.ip: record for record in stored.records}
        astray += len(set(stored.allocation.addresses) - recorded.keys())
        bound = [record for record in recorded.values() if record.phase == "Bound"]
        astray += sum(simulation.where(record.ip) != record.node_ref.name for record in bound)
    return astray


if __name__ == "__main__":
    sys.exit(main())
