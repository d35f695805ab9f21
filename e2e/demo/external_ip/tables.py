"""Tables of the address and of the nodes, for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from e2e.demo.external_ip.installation import NODES
from e2e.demo.external_ip.observed import Observed
from e2e.demo.live import plain_table


def tables(observed: Observed) -> tuple[Table, ...]:
    """All of them."""
    return _service(observed), _nodes(observed)


def _service(observed: Observed) -> Table:
    table = plain_table("Service", "address", "claim", "longest silence", "answered by two")
    client = observed.client
    doubled = Text(str(client.doubled), "red" if client.doubled else "green")
    silence = f"{client.silence:.1f} s"
    table.add_row("web", observed.address or "-", observed.holder or "-", silence, doubled)
    return table


def _nodes(observed: Observed) -> Table:
    table = plain_table("node", "agent", "live", "says", "in its kernel", "answers", "is reached")
    for node in NODES:
        client = observed.client
        marks = (
            node in observed.kernels,
            node in client.answered_by,
            node == client.reached,
        )
        table.add_row(
            Text(node, "bold"),
            _mark(node in observed.agents),
            _mark(node in observed.live),
            observed.states.get(node, "-"),
            *map(_mark, marks),
        )
    return table


def _mark(is_so: bool) -> Text:  # noqa: FBT001 - one cell
    return Text("✔", "green") if is_so else Text("-", "dim")
