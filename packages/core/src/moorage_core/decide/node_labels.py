"""Which nodes carry the labels that say an address is there."""

from __future__ import annotations

from moorage_core.actions import MarkNode, UnmarkNode
from moorage_core.model import Observed, Phase, Record
from moorage_domain.addresses import label_value
from moorage_domain.nodes import Node

READY_LABEL = "ip.ready"  # the first version's; workloads select on it
IP_LABEL = "moorage.dev/ip"
OWNER_ANNOTATION = "moorage.dev/owner"

_THERE = frozenset({Phase.BOUND, Phase.HOLDING})


def marks(world: Observed, records: tuple[Record, ...]) -> tuple[MarkNode | UnmarkNode, ...]:
    """The label changes that make every node tell the truth, unmarking first.

    Nodes of addresses that are unknown are left as they are.
    """
    wanted: dict[str, str] = {}
    untouched: set[str] = set()
    for record in records:
        place = record.place
        node = world.nodes.get(place.node_name) if place else None
        if place is None or node is None or node.uid != place.node_uid:
            continue  # never label a node that only bears the name of the one that was bound
        if node.name in world.outranked:
            untouched.add(node.name)  # an older allocation's label is there, and stays
        elif record.phase in _THERE:
            wanted.setdefault(node.name, record.ip)
        elif record.phase is Phase.UNKNOWN:
            untouched.add(node.name)
    unmark = [
        UnmarkNode(node)
        for node in _said(world)
        if node.name not in wanted and node.name not in untouched
    ]
    mark = [
        MarkNode(world.nodes[name], ip)
        for name, ip in wanted.items()
        if not _tells(world.nodes[name], ip, world.allocation.uid)
    ]
    return (*unmark, *mark)


def label_ready(node: Node) -> bool:
    """Whether the node says that it holds an address."""
    return node.labels.get(READY_LABEL) == "true"


def labelled(node: Node) -> bool:
    """Whether the node has a label of ours, whatever it says."""
    return READY_LABEL in node.labels or IP_LABEL in node.labels


def _tells(node: Node, ip: str, owner: str) -> bool:
    return (
        label_ready(node) and node.labels.get(IP_LABEL) == label_value(ip) and node.owner == owner
    )


def _said(world: Observed) -> list[Node]:
    """Nodes that say they hold an address of this allocation, or one nobody answers for."""
    strays = () if world.allocation.problem else world.strays
    named = [world.nodes[name] for name in (*world.owned, *strays) if name in world.nodes]
    return [node for node in named if node.owner == world.allocation.uid or _ours(node, world)]


def _ours(node: Node, world: Observed) -> bool:
    return node.matches(world.allocation.selector)
