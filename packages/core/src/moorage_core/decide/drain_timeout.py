"""How long pods may hold an address on a node that is drained, and since when they do.

Where no workload is named any pod counts, so that any user of the cluster can hold the address. The
moment at which the hold began is in the status: it survives a restart, and a new leader.
"""

from __future__ import annotations

from moorage_core.decide.case import Case
from moorage_core.decide.moments import moment
from moorage_core.decide.pods_left import pods_left
from moorage_core.model import Observed
from moorage_domain.nodes import Node


def drain_timeout(observed: Observed) -> float:
    """Seconds for which pods may hold an address in a drain; 0 = as long as they run."""
    allocation = observed.allocation
    if allocation.drain_timeout is not None:
        return allocation.drain_timeout
    return 0.0 if allocation.workload else observed.drain_timeout


def held_since(case: Case, node: Node) -> float:
    """Epoch seconds since when pods have held the address on this node; now, where none did yet.

    While a move is tried the record names the target, and this node as the previous one.
    """
    record = case.record
    holder = record.previous or record.node_ref
    known = record.held_since and holder is not None and holder.uid == node.uid
    return record.held_since if known else float(int(case.observed.now))


def until_timeout(case: Case, node: Node) -> float | None:
    """Seconds until the address moves whatever still runs there, 0 = now; ``None`` = never."""
    seconds = drain_timeout(case.observed)
    if not seconds:
        return None
    return max(0.0, held_since(case, node) + seconds - case.observed.now)


def moves_at(case: Case, node: Node) -> str:
    """Until when it is held, for people, as in "; it moves at 14:05:00 UTC at the latest"."""
    seconds, now = drain_timeout(case.observed), case.observed.now
    if not seconds:
        return ""
    return f"; it moves at {moment(held_since(case, node) + seconds, now)} UTC at the latest"


def timed_out(case: Case, node: Node) -> str:
    """Why the address leaves this node although pods hold it, for people; ``""`` = it does not."""
    if until_timeout(case, node) != 0:
        return ""
    said = case.observed.allocation.drain_timeout is not None
    by = "spec.failover.drainTimeoutSeconds allows" if said else "--drain-timeout allows"
    pods = pods_left(case.observed, node)
    seconds = drain_timeout(case.observed)
    return f"{pods}; it was held for {seconds:.0f} s, the most that {by}" if pods else ""
