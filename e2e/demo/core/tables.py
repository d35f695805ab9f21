"""Tables of the addresses and the nodes, for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from e2e.demo.core.observed import Address, Node, Observed
from e2e.demo.live import plain_table

_PHASES = {"Bound": "green", "Holding": "yellow", "": "dim"}
# With more nodes the steps would not fit into an ordinary terminal.
_MOST_NODES_SHOWN = 8


def tables(observed: Observed) -> tuple[Table, ...]:
    """All of them."""
    return _addresses(observed), _nodes(observed)


def _addresses(observed: Observed) -> Table:
    table = plain_table("address", "cloud", "status", "phase")
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    for address in observed.addresses:
        table.add_row(*_address(address))
    return table


def _address(address: Address) -> tuple[Text, ...]:
    agreed = address.node == address.holder
    return (
        Text(address.ip, "bold"),
        Text(address.holder or "nobody", "" if address.holder else "dim"),
        Text(address.node or "-", "" if agreed else "magenta"),
        Text(address.phase or "-", _PHASES.get(address.phase, "magenta")),
        Text(address.message, "dim"),
    )


def _nodes(observed: Observed) -> Table:
    shown = observed.nodes[:_MOST_NODES_SHOWN]
    table = plain_table("node", *(node.name for node in shown))
    held = {address.holder: address.ip for address in observed.addresses}
    table.add_row("state", *(_state(node) for node in shown))
    table.add_row("address", *(Text(held.get(node.name, ""), "bold") for node in shown))
    table.add_row("ip.ready", *("true" if node.labelled else "" for node in shown))
    table.add_row("pods", *("●" * node.pods for node in shown))
    return table


def _state(node: Node) -> Text:
    if node.ready != "True":
        return Text("NotReady", "red")
    return Text("cordoned", "yellow") if node.cordoned else Text("Ready", "green")
