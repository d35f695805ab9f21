"""An address whose Node object is gone waits, and is read often: its machine may be gone, too."""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.actions import Reread
from moorage_core.decide.case import Case, OnGone, Step, changed
from moorage_core.decide.moments import clock, epoch, steady
from moorage_core.decide.restore import restore
from moorage_core.model import Phase

_SOONEST, _LATEST = 2.0, 15.0
"""Seconds between two reads while it waits: mostly the machine is gone, too, a moment later."""


def wait_for_gone_node(case: Case) -> Step | None:
    """A kubelet that registers again is no failover."""
    observed = case.observed
    match case.holder:
        case OnGone(node_ref):
            since = observed.gone_since.get(node_ref.uid, observed.uptime)
        case _:
            return None
    grace = observed.allocation.gone_after
    left = since + grace - observed.uptime
    if left <= 0:
        return None

    def message(due: float) -> str:
        return (
            f"the Node object {node_ref.name} is gone since {clock(due - grace)}; its machine had"
            f" the address when the cloud was last read; it moves at {clock(due)} UTC, or as soon"
            " as the machine has lost it"
        )

    told = steady(case.record, epoch(observed, since + grace), message)
    record = changed(case, reasons.NODE_GONE, told, phase=Phase.HOLDING, node_ref=node_ref)
    pause = min(_LATEST, max(_SOONEST, (observed.uptime - since) / 4))
    return restore(case, Step(record, reread=Reread(record.ip, pause), wait=min(left, pause)))
