"""Which pods keep an address on a node that is being drained, in plain words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from moorage_core.decide.moments import clock
from moorage_core.model import DrainMode, Observed
from moorage_core.pods import RunningPod
from moorage_domain.nodes import Node

_SHOWN = 3  # pods named in one message


def pods_left(observed: Observed, node: Node) -> str:
    """As in "pods of Deployment a/b still run there: a/b-1, a/b-2"; ``""`` = none."""
    which = _which(observed, node)
    return f"{which} still run there{_named(observed.running.get(node.name))}" if which else ""


def _which(observed: Observed, node: Node) -> str:
    """Which pods count, in plain words; ``""`` = none of them is there."""
    if observed.allocation.drain is DrainMode.ALL_PODS_GONE:
        return "pods" if node.name in observed.crowded else ""
    if node.name not in observed.busy:
        return ""
    workload = observed.allocation.workload
    if observed.workload_missing:
        return f"there is no {workload}, so all count that are of no DaemonSet: pods"
    if workload and workload.kind == "DaemonSet":
        return (
            f"{workload} never leaves, so all count that are of no DaemonSet (none would with"
            " spec.failover.drain: Immediate): pods"
        )
    return f"pods of {workload}" if workload else "pods"


def _named(pods: Sequence[RunningPod] | None) -> str:
    """Some of these pods for people, those first that do not leave although they were asked to."""
    if not pods:
        return ""
    first = sorted(pods, key=lambda pod: (pod.terminating_since or math.inf, pod.key))[:_SHOWN]
    texts = [
        f"{pod.key} (terminating since {clock(pod.terminating_since)})"
        if pod.terminating_since
        else pod.key
        for pod in first
    ]
    more = f" and {len(pods) - len(first)} more" if len(pods) > len(first) else ""
    return f": {', '.join(texts)}{more}"
