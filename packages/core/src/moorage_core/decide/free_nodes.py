"""The free nodes of a pool in the order in which they are given away.

First those that the workload's pods can use and that bear no taint against them, then by the
preferred labels, then spread over the zones, then by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from moorage_core.model import Allocation, Observed
from moorage_domain.nodes import Node
from moorage_domain.scheduling import (
    ANY_POD,
    DISCOURAGING,
    FORBIDDING,
    not_tolerated,
)

Rank = tuple[bool, bool, int]
"""Bears a taint that forbids, bears one that discourages, minus the weights; less is better."""


def why_no_pods(node: Node, observed: Observed) -> str:
    """Why the workload's pods cannot run on a node, for people; ``""`` = they can, or who knows."""
    pods, workload = observed.pods_go, observed.allocation.workload
    if pods is None or workload is None:
        return ""
    taint = next(_against(node, observed, FORBIDDING), None)
    if taint:
        return f"tainted {taint} (not tolerated by {workload})"
    return "" if pods.selects(node.name, node.labels) else f"not selected by {workload}"


def _against(node: Node, observed: Observed, effects: Iterable[str]) -> Iterator[str]:
    """Keys of the taints that keep the workload's pods away."""
    pods = observed.pods_go or ANY_POD
    keys = (taint.key for taint in not_tolerated(node.taints, pods, frozenset(effects)))
    # The settled taint waits for the address itself.
    return (key for key in keys if key != observed.allocation.settled_taint)


def _rank(node: Node, observed: Observed) -> Rank:
    # Thousands of nodes are ranked in one decision, and most have no taint.
    if not node.taints:
        return False, False, -_weight(node, observed.allocation)
    forbidden = any(_against(node, observed, FORBIDDING))
    discouraged = any(_against(node, observed, (DISCOURAGING,)))
    return forbidden, discouraged, -_weight(node, observed.allocation)


def _weight(node: Node, allocation: Allocation) -> int:
    """The sum of the weights of all preferences that a node meets."""
    if not allocation.preferred:
        return 0
    return sum(one.weight for one in allocation.preferred if node.matches(one.labels))


class FreeNodes:
    """Nodes that can be given away.

    Sorted once: hundreds of addresses are given thousands of nodes in one decision.
    """

    def __init__(self, nodes: Iterable[Node], observed: Observed) -> None:
        self._ranks: dict[Rank, dict[str, dict[str, Node]]] = {}
        """Nodes by name in order, by zone, by rank."""
        self._where: dict[str, tuple[Rank, str]] = {}
        self._observed = observed
        for node in sorted(nodes, key=lambda node: node.name):
            rank = _rank(node, observed)
            self._ranks.setdefault(rank, {}).setdefault(node.zone, {})[node.name] = node
            self._where[node.name] = rank, node.zone

    @cached_property
    def _others(self) -> Counter[str]:
        """How many nodes of each zone have an address of another allocation."""
        observed = self._observed
        return Counter(zone_of(name, observed.nodes) for name in observed.taken)

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def take(self, name: str) -> None:
        """A node is given away."""
        if name in self._where:
            rank, zone = self._where.pop(name)
            del self._ranks[rank][zone][name]

    def best_first(self, ours: Counter[str]) -> Iterator[Node]:
        """The nodes in order, given how many of the allocation's other addresses each zone has.

        The zone with the fewest of these comes first, then that with the fewest addresses of all.
        """
        for _, zones in sorted(self._ranks.items()):
            filled = (zone for zone, nodes in zones.items() if nodes)
            order = sorted((ours[z], self._others[z], next(iter(zones[z])), z) for z in filled)
            for *_, zone in order:
                yield from zones[zone].values()


def zone_of(node_name: str, nodes: Mapping[str, Node]) -> str:
    """The zone of a node; ``""`` = it has none, or is gone."""
    node = nodes.get(node_name)
    return node.zone if node else ""
