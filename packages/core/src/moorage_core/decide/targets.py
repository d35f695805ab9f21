"""Which nodes may keep an address, and which one gets the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from moorage_core import reasons
from moorage_core.model import Allocation, Observed, Record
from moorage_domain.nodes import Node
from moorage_domain.reasons import Reason

# Below three nodes a single failure is already the majority, so no conclusion can be drawn from it.
SMALLEST_POOL_THAT_CAN_FREEZE = 3
# Failures within this time may have one cause.
TOGETHER_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Leave:
    """Why an address must leave a node.

    Attributes:
        reason: in one word.
        message: in plain words.
        gentle: it may wait for the workload's pods.
    """

    reason: Reason
    message: str
    gentle: bool


def in_pool(node: Node, allocation: Allocation) -> bool:
    """Whether the allocation names this node at all."""
    return node.matches(allocation.selector) and (
        not allocation.zones or node.zone in allocation.zones
    )


def by_machine(
    nodes: Iterable[Node],
    machine_of: Mapping[str, str],
    allocation: Allocation,
    records: Iterable[Record],
) -> dict[str, str]:
    """Node names by machine id; of two objects for one machine, the one that stands for it.

    A kubelet that comes back under another name leaves its old object behind. The one that can
    serve this allocation counts; else an address would be moved from a machine to itself, for ever.
    """
    placed = {record.place.node_uid for record in records if record.place}

    def rank(node: Node) -> tuple[bool, bool, bool, bool, str]:
        usable = not (node.unschedulable or node.leaving)
        return node.ready, in_pool(node, allocation), usable, node.uid in placed, node.name

    best: dict[str, Node] = {}
    for node in nodes:
        machine_id = machine_of.get(node.provider_id)
        if machine_id and (machine_id not in best or rank(node) > rank(best[machine_id])):
            best[machine_id] = node
    return {machine_id: node.name for machine_id, node in best.items()}


def why_leave(node: Node, world: Observed) -> Leave | None:
    """Why an address must leave this node; ``None`` = it may stay."""
    allocation = world.allocation
    if node.leaving:
        message = f"node {node.name} has the taint {node.leaving}"
        return Leave(reasons.NODE_LEAVING, message, gentle=False)
    if not node.ready and not patience(node, world):
        message = f"node {node.name} is NotReady for {allocation.not_ready_after:.0f} s or longer"
        return Leave(reasons.NODE_NOT_READY, message, gentle=False)
    if node.unschedulable:
        return Leave(reasons.DRAINED, f"node {node.name} is cordoned", gentle=True)
    if not in_pool(node, allocation):
        return Leave(reasons.DRAINED, f"node {node.name} is not in the pool", gentle=True)
    return None


def patience(node: Node, world: Observed) -> float:
    """Seconds until a NotReady node counts as lost; 0 for one that does, or that is Ready."""
    if node.ready:
        return 0.0
    since = world.not_ready_since.get(node.uid, world.uptime)
    return max(0.0, since + world.allocation.not_ready_after - world.uptime)


class Targets:
    """The free nodes of the pool, handed out one by one; promises are kept within one decision."""

    def __init__(self, world: Observed) -> None:
        self._world = world
        self._promised = dict(world.taken)

    def promise(self, node_name: str, ip: str) -> None:
        """Remember that a node holds, or will hold, an address."""
        self._promised.setdefault(node_name, ip)

    def pick(self, record: Record) -> Node | None:
        """The node this address gets: the one already chosen if it can, else the first free."""
        avoided = self._world.avoided.get(record.ip, {})
        for node in self._candidates(record):
            if avoided.get(node.uid, 0.0) > self._world.uptime:
                continue
            if self._owed.get(node.name, record.ip) != record.ip:
                continue
            self._promised[node.name] = record.ip
            self._free.pop(node.name, None)
            return node
        return None

    def can_use(self, node: Node) -> bool:
        """Whether an address may come to this node.

        Two Node objects may be one machine. Only that one may which stands for it: by the other,
        the machine would be given a second address, or its own again, for ever.
        """
        world = self._world
        return (
            node.ready
            and not node.unschedulable
            and not node.leaving
            and world.by_machine.get(world.machine_of.get(node.provider_id, "")) == node.name
            and in_pool(node, world.allocation)
        )

    @cached_property
    def mass_not_ready(self) -> str:
        """Why the pool's lost nodes are not believed, in plain words; ``""`` = they are.

        Only what went down together counts: a node that has been broken for days says nothing
        about the next one. A deleted Node object counts no longer than it may take to come back.
        """
        world = self._world
        pool = [node for node in world.nodes.values() if in_pool(node, world.allocation)]
        since = [
            world.not_ready_since.get(node.uid, world.uptime) for node in pool if not node.ready
        ]
        # Whether or not a move has begun: else its beginning would end the freeze, and so on.
        places = (place for r in world.records for place in (r.place, r.previous))
        uids = {place.node_uid for place in places if place} & world.gone_since.keys()
        gone = [world.gone_since[uid] for uid in uids]
        lately = world.uptime - world.allocation.gone_after - TOGETHER_SECONDS
        recent = [moment for moment in gone if moment > lately]
        down, size = _most_together(since + recent), len(pool) + len(recent)
        if size < SMALLEST_POOL_THAT_CAN_FREEZE or down * 2 <= size:
            return ""
        return f"{down} of {size} nodes of the pool are NotReady or gone at once; nothing moves"

    def _candidates(self, record: Record) -> Iterator[Node]:
        place = record.place
        chosen = self._world.nodes.get(place.node_name) if place else None
        same = place and chosen and chosen.uid == place.node_uid
        if same and chosen and self._promised.get(chosen.name, record.ip) == record.ip:
            yield from filter(self.can_use, (chosen,))
        yield from self._free.values()

    @cached_property
    def _owed(self) -> dict[str, str]:
        """Nodes that gave their own address up for one that has left them -> that one.

        Until they have their own again no other address goes there: it would hide the debt.
        """
        owed = dict.fromkeys(self._world.owed_elsewhere, "")
        for record in self._world.records:
            owed |= {place.node_name: record.ip for place in record.pays}
        return owed

    @cached_property
    def _free(self) -> dict[str, Node]:
        """The usable nodes nobody has, by name, in order; each leaves when it is given away."""
        nodes, machine_of = self._world.nodes, self._world.machine_of
        given = (nodes[name].provider_id for name in self._promised if name in nodes)
        # By their machines: for another allocation another object may stand for the same one.
        machines = {machine_of.get(provider_id) for provider_id in given}
        usable = filter(self.can_use, nodes.values())
        free = [node for node in usable if machine_of[node.provider_id] not in machines]
        return {node.name: node for node in sorted(free, key=lambda node: node.name)}


def _most_together(moments: list[float]) -> int:
    """How many of these moments lie within the time that counts as together, at most."""
    moments = sorted(moments)
    return max(
        (
            sum(1 for other in moments[index:] if other - first <= TOGETHER_SECONDS)
            for index, first in enumerate(moments)
        ),
        default=0,
    )
