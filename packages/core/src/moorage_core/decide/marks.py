"""Which nodes carry the labels that say an address is there."""

from __future__ import annotations

from moorage_core.model import MarkNode, Observed, Phase, Present, Reading, Record, UnmarkNode
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
        if record.phase in _THERE:
            wanted.setdefault(node.name, record.ip)
        elif record.phase is Phase.UNKNOWN:
            untouched.add(node.name)
    unmark = [
        UnmarkNode(node)
        for node in _marked(world)
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


def _tells(node: Node, ip: str, owner: str) -> bool:
    return (
        label_ready(node) and node.labels.get(IP_LABEL) == label_value(ip) and node.owner == owner
    )


def _marked(world: Observed) -> list[Node]:
    """Nodes that say they hold an address of this allocation, or of nobody's."""
    ours = [world.nodes[name] for name in world.owned if name in world.nodes]
    return ours + _strays(world)


def _strays(world: Observed) -> list[Node]:
    """Nodes of the pool with a label nobody answers for, once every address was read.

    The first version left such labels behind; pods would be scheduled there in vain.
    """
    if not all(isinstance(reading, Present) for reading in world.readings.values()):
        return []
    holders = {_machine(reading) for reading in world.readings.values()}
    return [
        node
        for node in world.nodes.values()
        if label_ready(node)
        and not node.owner
        and node.name not in world.taken
        and world.machine_of.get(node.provider_id) not in holders
        and node.matches(world.allocation.selector)
    ]


def _machine(reading: Reading) -> str:
    holder = reading.address.holder if isinstance(reading, Present) else None
    return getattr(holder, "machine_id", "")
