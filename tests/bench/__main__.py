"""Measure everything and print one table: ``python -m tests.bench --help``."""

from __future__ import annotations

import sys

from .fleet import fleet
from .idle import idle_rows
from .moves import move_rows
from .options import Options, parse
from .planner import growth_rows, planner_rows
from .report import say, step, table, write_json
from .rows import ON_A_CLUSTER, Row
from .start import start_rows
from .steady import steady_rows


def main() -> int:
    """Run; 0 also where a target is missed, since this is a report and no test."""
    options = parse()
    rows: list[Row] = []
    # The planner first, while the machine is quiet.
    if "J3" in options.rows:
        sizes = sorted(
            {max(4, options.nodes // 10), max(6, options.nodes * 3 // 10)}
            | {options.nodes, options.nodes * 3}
        )
        rows += growth_rows(sizes)
        rows += idle_rows(sizes)
    if "T8" in options.rows:
        rows += planner_rows(options.nodes, options.addresses)
    if options.rows & ON_A_CLUSTER:
        rows += _on_a_cluster(options)
    rows.sort(key=lambda row: (row.id.startswith("J"), row.id))
    sys.stdout.write(table(rows) + "\n")
    write_json(options.json, options, rows)
    say(f"figures in {options.json}")
    return 0


def _on_a_cluster(options: Options) -> list[Row]:
    rows: list[Row] = []
    with fleet(options) as world:
        with step("starting the controller"):
            world.start_controller()
        with step(f"binding {options.addresses:,} addresses"):
            world.wait_bound(options.addresses)
        if options.rows & {"T1", "T2"}:
            rows += steady_rows(world, options)
        if options.rows & {"T3", "T4", "T5"}:
            rows += move_rows(world, options)
        if "T8" in options.rows:
            rows += start_rows(world, options)
    return rows


if __name__ == "__main__":
    sys.exit(main())
