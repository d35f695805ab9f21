"""Tables of the pool and of its addresses, for a terminal."""

from __future__ import annotations

from ipaddress import ip_address

from rich.table import Table
from rich.text import Text

from e2e.demo.live import plain_table
from e2e.demo.machines.observed import QUARANTINED, Observed

_COLUMNS = 4


def tables(observed: Observed) -> tuple[Table, ...]:
    """All of them."""
    return _pool(observed), _addresses(observed)


def _pool(observed: Observed) -> Table:
    table = plain_table("pool", "total", "used", "free", "quarantined", "waiting")
    table.add_column("why", ratio=1, no_wrap=True, overflow="ellipsis")
    pool, told = observed.pool, observed.waiting
    counts = map(str, (pool.total, pool.used, pool.free, pool.quarantined))
    first = told[min(told)] if told else ""
    waiting = Text(str(len(told)), "yellow" if told else "dim")
    table.add_row("workers", *counts, waiting, Text(first, "dim"))
    return table


def _addresses(observed: Observed) -> Table:
    """Eight rows of addresses, each with the Machine that has it."""
    machines = {ip: name for name, each in observed.vms.items() for ip in each}
    table = plain_table(*("address", "Machine") * _COLUMNS)
    known = sorted(observed.records, key=ip_address)
    rows = -(-len(known) // _COLUMNS)
    for row in range(rows):
        cells = []
        for ip in known[row::rows]:
            rests = observed.records[ip] == QUARANTINED
            cells += [Text(ip, "bold"), _machine(machines.get(ip, ""), rests=rests)]
        table.add_row(*cells)
    return table


def _machine(name: str, *, rests: bool) -> Text:
    return Text("rests", "yellow") if rests else Text(name or "-", "green" if name else "magenta")
