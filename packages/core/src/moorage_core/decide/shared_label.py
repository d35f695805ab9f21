"""The condition of a workload whose pods may run where another allocation has its address."""

from __future__ import annotations

from moorage_core import reasons
from moorage_core.decide.free_nodes import why_no_pods
from moorage_core.decide.node_labels import PROTECTED_IP_LABEL, READY_LABEL
from moorage_core.model import Allocation, Observed
from moorage_core.words import labels_of
from moorage_domain.addresses import label_value
from moorage_domain.conditions import Condition
from moorage_domain.nodes import Node

LABEL_SHARED = "LabelShared"
_SHOWN = 3  # addresses named in one message


def shared_label(observed: Observed) -> Condition:
    """It is False where nothing else would suit the pods, and where nobody knows."""
    others = _nodes_of_others(observed)
    if not others:
        message = "no node of another allocation suits the workload's pods"
        return Condition(LABEL_SHARED, "False", "NotShared", message)
    allocation = observed.allocation
    owner, node = min(others, key=lambda found: (found[0], found[1].name))
    message = (
        f"pods of {allocation.workload} ask for {READY_LABEL} only, which nodes of other"
        f" allocations have, too: they may run on node {node.name}, which has an address of"
        f" {owner}. Have them select {_what_helps(allocation, [one for _, one in others])}, too"
    )
    return Condition(LABEL_SHARED, "True", reasons.LABEL_SHARED.name, message)


def _nodes_of_others(observed: Observed) -> list[tuple[str, Node]]:
    """Nodes with an address of another allocation where the pods may run, each with its name."""
    if not observed.shares_label or observed.pods_go is None:
        return []
    found = ((name, observed.nodes.get(node_name)) for node_name, name in observed.taken.items())
    return [(name, node) for name, node in found if node and not why_no_pods(node, observed)]


def _what_helps(allocation: Allocation, others: list[Node]) -> str:
    """The selector that the pods need: the pool's labels where they tell the nodes apart."""
    pool = labels_of(allocation.selector)
    if pool and not any(node.matches(allocation.selector) for node in others):
        return pool
    values = [label_value(ip) for ip in allocation.addresses]
    more = ", ..." if len(values) > _SHOWN else ""
    return f"{PROTECTED_IP_LABEL} in ({', '.join(values[:_SHOWN])}{more})"
