"""Shows the demo in a terminal: live tables of what is observed, and of the steps."""

from __future__ import annotations

import time
from typing import Generic, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from e2e.demo.play import Progress, Seen
from e2e.demo.show import Show, measured


class Tables(Generic[Seen]):
    """A screen that is redrawn at every observation, and stays visible at the end."""

    def __init__(self, show: Show[Seen]) -> None:
        self._show = show
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

    def show(self, observed: Seen, progress: Progress) -> None:
        """Draw all of it."""
        self._live.transient = False
        self._progress[progress.step.name] = progress
        self._live.update(
            Group(Text(self._show.label, "bold"), *self._drawn(observed), self._steps()),
            # The last state is drawn now: the timer may have ended.
            refresh=bool(progress.outcome),
        )
        if progress.outcome:
            time.sleep(self._show.read_seconds)

    def _drawn(self, observed: Seen) -> list[RenderableType]:
        """Each table with an empty line after it."""
        return [part for each in self._show.tables(observed) for part in (each, "")]

    def _steps(self) -> RenderableType:
        table = plain_table("", "step")
        table.add_column("what is done, and what came of it", ratio=3)
        table.add_column("seen after seconds", ratio=2)
        for step in self._show.steps:
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


def plain_table(*columns: str) -> Table:
    """Without borders: all of them fit into the 24 lines of a plain terminal."""
    table = Table(box=None, expand=True, header_style="bold blue")
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table
