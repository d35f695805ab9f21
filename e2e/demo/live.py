"""Shows the demo in a terminal: live tables of the addresses, the nodes and the steps."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from e2e.demo.observed import Address, Node, Observed
from e2e.demo.play import Progress
from e2e.demo.show import measured
from e2e.demo.steps import STEPS

_PHASES = {"Bound": "green", "Holding": "yellow", "": "dim"}
# With more nodes the steps would not fit into an ordinary terminal.
_MOST_NODES_SHOWN = 8


class Tables:
    """A screen that is redrawn at every observation, and stays visible at the end."""

    def __init__(self, read_seconds: float, cloud: str) -> None:
        self._read_seconds = read_seconds
        self._cloud = cloud
        # Lines about waiting do not stay on the screen.
        self._live = Live(console=Console(highlight=False), refresh_per_second=10, transient=True)
        self._progress: dict[str, Progress] = {}

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show_waiting(self, text: str) -> None:
        """Show what the demo waits for."""
        self._live.update(Spinner("dots", text=f"{text} ..."))

    def show(self, observed: Observed, progress: Progress) -> None:
        """Draw all of it."""
        self._live.transient = False
        self._progress[progress.step.name] = progress
        self._live.update(
            Group(
                Text(self._cloud, "bold"),
                _addresses(observed),
                "",
                _nodes(observed),
                "",
                self._steps(),
            ),
            # The last state is drawn now: the timer may have ended.
            refresh=bool(progress.outcome),
        )
        if progress.outcome:
            time.sleep(self._read_seconds)

    def _steps(self) -> RenderableType:
        table = _table("", "step")
        table.add_column("what is done, and what came of it", ratio=3)
        table.add_column("seen after seconds", ratio=2)
        for step in STEPS:
            progress = self._progress.get(step.name)
            if progress is None:
                table.add_row("", Text(step.name, "dim"), Text(step.does, "dim"), "")
            elif progress.outcome:
                done, times = Text(progress.outcome), Text(measured(progress, unit=""), "cyan")
                table.add_row(Text("✔", "green"), Text(step.name, "green"), done, times)
            else:
                times = Text(measured(progress, unit=""), "yellow")
                table.add_row(Text("▶", "yellow"), Text(step.name, "bold yellow"), step.does, times)
        return table


def _table(*columns: str) -> Table:
    """Without borders: all three fit into the 24 lines of a plain terminal."""
    table = Table(box=None, expand=True, header_style="bold blue")
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _addresses(observed: Observed) -> Table:
    table = _table("address", "cloud", "status", "phase")
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
    table = _table("node", *(node.name for node in shown))
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
