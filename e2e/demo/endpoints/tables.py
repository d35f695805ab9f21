"""Tables of the pods, and of the Service and the net-attach-def, for a terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from e2e.demo.endpoints.observed import Observed
from e2e.demo.live import plain_table


def tables(observed: Observed) -> tuple[Table, ...]:
    """All of them."""
    return _pods(observed), _service(observed)


def _pods(observed: Observed) -> Table:
    table = plain_table("pod", "ready", "default", "by Kubernetes", "secondary", "by moorage")
    for pod in observed.pods:
        table.add_row(
            pod.name,
            Text("being deleted", "yellow") if pod.ending else _mark(pod.ready),
            pod.default or "-",
            _mark(pod.default in observed.slices.default),
            pod.secondary or "-",
            _mark(pod.secondary in observed.slices.secondary),
        )
    return table


def _service(observed: Observed) -> Table:
    table = plain_table("selector", "net-attach-def", "reader sees", "fewest")
    table.add_column("last Event", ratio=1, no_wrap=True, overflow="ellipsis")
    service, last = observed.service, observed.events[-1:]
    selector = "kept" if service.kept else "its own" if service.selector else "-"
    seen = str(len(observed.views[-1].addresses))
    event = "".join(f"{one.reason}: {one.message}" for one in last)
    table.add_row(selector, str(observed.network), seen, str(observed.fewest), event)
    return table


def _mark(is_so: bool) -> Text:  # noqa: FBT001 - one cell
    return Text("✔", "green") if is_so else Text("-", "dim")
