"""Measure everything and print one table: ``python -m tests.bench --help``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from .allocator import allocator_rows
from .changes import change_rows
from .claims import claim_rows
from .clouds import CLOUDS, Cloud
from .danm_reclaim import danm_reclaim_rows
from .danm_webhook import danm_webhook_rows
from .endpoints_services import endpoints_rows
from .external_decisions import decision_rows
from .external_failover import lab_rows
from .external_services import service_rows
from .failover import failover_rows
from .fleet import Fleet, fleet
from .framework import framework_rows
from .handovers import handover_rows
from .idle import idle_rows
from .lives import life_rows
from .moves import move_rows
from .options import Options, parse
from .pieces import piece_rows
from .planner import growth_rows, planner_rows
from .report import say, step, table, write_json
from .rows import FAMILIES, ON_A_CLUSTER, Row
from .sdks import sdk_rows
from .start import start_rows
from .steady import Rest, independence_row, steady_rows, watch
from .storms import storm_rows
from .tenants import tenant_rows
from .webhooks import webhook_rows


def main() -> int:
    """Run; returns 0 even if a target is missed: this is a report, not a test."""
    options = parse()
    rows: list[Row] = []
    rows += _of_a_process(options)
    if options.rows & ON_A_CLUSTER:
        for cloud in options.clouds:
            rows += _on_a_cluster(cloud, options)
    rows.sort(key=_place)
    sys.stdout.write(table(rows) + "\n")
    write_json(options.json, options, rows)
    say(f"figures in {options.json}")
    return 0


def _place(row: Row) -> tuple[int, str, int]:
    """The order of the table: the clouds side by side."""
    family = next(family for family in reversed(FAMILIES) if row.id.startswith(family))
    return FAMILIES.index(family), row.id, ["", *CLOUDS].index(row.cloud)


def _of_a_process(options: Options) -> list[Row]:
    """The rows that need no cluster, or one of their own."""
    nodes = options.nodes
    sizes = sorted({max(4, nodes // 10), max(6, nodes * 3 // 10), nodes, nodes * 3})
    # The planner first, while the machine is quiet.
    families: dict[str, Callable[[], list[Row]]] = {
        "J3": lambda: growth_rows(sizes) + idle_rows(sizes) + piece_rows(),
        "T8": lambda: planner_rows(nodes, options.addresses),
        "T9": lambda: life_rows(options.random_runs),
        "SDK": lambda: sdk_rows(options.clouds),
        "FW": lambda: change_rows(options.objects) + framework_rows(options.objects),
        "WH": webhook_rows,
        "IP": lambda: allocator_rows(options.live),
        "MI": lambda: claim_rows(options.objects),
        "EI": lambda: decision_rows(options.objects) + service_rows(options.objects, options.rest),
        "DA": lambda: danm_reclaim_rows(options.endpoints),
        "DW": lambda: danm_webhook_rows(options.endpoints),
        "EL": lambda: lab_rows(options.held, options.outage, options.rest),
        "NA": lambda: endpoints_rows(options.objects),
    }
    asked = (measure for family, measure in families.items() if family in options.rows)
    return [row for measure in asked for row in measure()]


def _on_a_cluster(cloud: Cloud, options: Options) -> list[Row]:
    rows: list[Row] = []
    rest: Rest | None = None
    with _started(cloud, options) as running:
        if options.rows & {"T1", "T2"}:
            rest = watch(running, options.resyncs)
            rows += steady_rows(rest, options)
        # Memory before a tenant comes, who leaves nothing; in the end the leader dies.
        measures: tuple[tuple[str, Callable[[Fleet, Options], list[Row]]], ...] = (
            ("T7", failover_rows),
            ("T3 T4 T5", move_rows),
            ("T10", storm_rows),
            ("T8", start_rows),
            ("T11", tenant_rows),
            ("T6", handover_rows),
        )
        for families, measure in measures:
            if options.rows & set(families.split()):
                rows += measure(running, options)
    if rest and "T1" in options.rows:
        rows.append(independence_row(rest, _with_few_nodes(cloud, options)))
    return rows


def _with_few_nodes(cloud: Cloud, options: Options) -> Rest:
    """The same addresses at rest with a tenth of the nodes; addresses without a node wait."""
    few = options.with_nodes(max(1, options.nodes // 10))
    with _started(cloud, few) as running:
        return watch(running, min(options.resyncs, 2))


@contextlib.contextmanager
def _started(cloud: Cloud, options: Options) -> Iterator[Fleet]:
    """A fleet with the controller running, and nothing left for it to do."""
    with fleet(cloud, options) as running:
        with step("starting the controller"):
            running.start_controller()
        addresses = min(options.addresses, options.nodes)
        with step(f"binding {addresses:,} addresses"):
            running.wait_bound(addresses)
        yield running


if __name__ == "__main__":
    sys.exit(main())
