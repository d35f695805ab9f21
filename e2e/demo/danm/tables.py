"""Tables of the nodes and of the pods, for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from e2e.demo.danm.observed import Observed
from e2e.demo.live import plain_table

_COLOURS = {"True": "green", "False": "yellow", "Unknown": "magenta"}


def tables(observed: Observed) -> tuple[Table, ...]:
    """All of them."""
    return _nodes(observed), _pods(observed)


def _nodes(observed: Observed) -> Table:
    table = plain_table("node", "Ready", "pods")
    for name, ready in sorted(observed.nodes.items()):
        pods = ", ".join(pod.name for pod in observed.pods if pod.node == name)
        table.add_row(name, Text(ready, _COLOURS.get(ready, "dim")), pods)
    return table


def _pods(observed: Observed) -> Table:
    table = plain_table("pod", "runs with", "endpoint")
    table.add_column("last Event of an endpoint", ratio=1, no_wrap=True, overflow="ellipsis")
    holders = set(observed.holders.values())
    for pod in observed.pods:
        state = Text(pod.address or ("is being deleted" if pod.ending else "waits"), "green")
        table.add_row(pod.name, state, "has it" if pod.name in holders else "-", observed.reason)
    return table
