"""Shows the demo in a terminal: live tables of the addresses, the nodes and the steps."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from e2e.demo.play import Progress
from e2e.demo.seen import Address, Node, Seen
from e2e.demo.show import measured
from e2e.demo.steps import STEPS

_PHASES = {"Bound": "green", "Holding": "yellow", "": "dim"}
# More nodes would push the steps out of a usual terminal.
_MOST_NODES_SHOWN = 8


class Tables:
    """A screen that is drawn anew at every look, and stays when it is left."""

    def __init__(self) -> None:
        self._live = Live(console=Console(highlight=False), refresh_per_second=10)
        self._seen: Seen | None = None
        self._progress: dict[str, Progress] = {}
        self._told = ""

    def __enter__(self) -> Tables:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, text: str) -> None:
        """What is being waited for."""
        self._told = text
        self._live.update(Spinner("dots", text=f"{text} ..."))

    def look(self, seen: Seen, progress: Progress) -> None:
        """Draw all of it."""
        self._seen = seen
        self._progress[progress.step.name] = progress
        self._live.update(
            Group(_addresses(seen), _nodes(seen), self._steps()),
            # The last one is not left to the timer, which may be over before.
            refresh=bool(progress.outcome),
        )

    def _steps(self) -> RenderableType:
        table = Table(title="Steps: seconds until it was seen", title_justify="left", expand=True)
        table.add_column("", width=1)
        table.add_column("step", no_wrap=True)
        table.add_column("done, and what came of it", ratio=3)
        table.add_column("seen in, after", ratio=2)
        for step in STEPS:
            progress = self._progress.get(step.name)
            if progress is None:
                table.add_row("", Text(step.name, "dim"), Text(step.does, "dim"), "")
            elif progress.outcome:
                done, times = Text(progress.outcome), Text(measured(progress), "cyan")
                table.add_row(Text("✔", "green"), Text(step.name, "green"), done, times)
            else:
                times = Text(measured(progress), "yellow")
                table.add_row(Text("▶", "yellow"), Text(step.name, "bold yellow"), step.does, times)
        return table


def _addresses(seen: Seen) -> Table:
    table = Table(title="Addresses", title_justify="left", expand=True)
    for name in ("address", "in the cloud on", "in the status on", "phase"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", ratio=1)
    for address in seen.addresses:
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


def _nodes(seen: Seen) -> Table:
    table = Table(title="Nodes", title_justify="left", expand=True)
    table.add_column("")
    shown = seen.nodes[:_MOST_NODES_SHOWN]
    for node in shown:
        table.add_column(node.name, no_wrap=True)
    held = {address.holder: address.ip for address in seen.addresses}
    table.add_row("state", *(_state(node) for node in shown))
    table.add_row("address", *(Text(held.get(node.name, ""), "bold") for node in shown))
    table.add_row("ip.ready", *("true" if node.labelled else "" for node in shown))
    table.add_row("pods", *("●" * node.pods for node in shown))
    return table


def _state(node: Node) -> Text:
    if node.ready != "True":
        return Text("NotReady", "red")
    return Text("cordoned", "yellow") if node.cordoned else Text("Ready", "green")
