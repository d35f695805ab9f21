"""Which nodes may keep an address, and which one gets the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from moorage_core import reasons
from moorage_core.model import AddressRecord, Allocation, Observed
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


def stands_for_machine(
    nodes: Iterable[Node], allocation: Allocation, records: Iterable[AddressRecord]
) -> Node:
    """Of the Node objects of one machine, at least one, the one that stands for it.

    A kubelet that comes back under another name leaves its old object behind. The one that can
    serve this allocation counts; else an address would be moved from a machine to itself, for ever.
    """
    candidates = tuple(nodes)
    if len(candidates) == 1:
        return candidates[0]
    placed = {record.node_ref.uid for record in records if record.node_ref}

    def rank(node: Node) -> tuple[bool, bool, bool, bool, str]:
        usable = not (node.unschedulable or node.leaving)
        return node.ready, in_pool(node, allocation), usable, node.uid in placed, node.name

    return max(candidates, key=rank)


def why_leave(node: Node, observed: Observed) -> Leave | None:
    """Why an address must leave this node; ``None`` = it may stay."""
    allocation = observed.allocation
    if node.leaving:
        message = f"node {node.name} has the taint {node.leaving}"
        return Leave(reasons.NODE_LEAVING, message, gentle=False)
    if not node.ready and not patience(node, observed):
        message = f"node {node.name} is NotReady for {allocation.not_ready_after:.0f} s or longer"
        return Leave(reasons.NODE_NOT_READY, message, gentle=False)
    if node.unschedulable:
        return Leave(reasons.DRAINED, f"node {node.name} is cordoned", gentle=True)
    if not in_pool(node, allocation):
        return Leave(reasons.DRAINED, f"node {node.name} is not in the pool", gentle=True)
    return None


def patience(node: Node, observed: Observed) -> float:
    """Seconds until a NotReady node counts as lost; 0 for one that does, or that is Ready."""
    if node.ready:
        return 0.0
    since = observed.not_ready_since.get(node.uid, observed.uptime)
    return max(0.0, since + observed.allocation.not_ready_after - observed.uptime)


class Targets:
    """The free nodes of the pool, handed out one by one; none twice within one decision."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._assumed: dict[str, str] = {}

    def assume(self, node_name: str, ip: str) -> None:
        """Remember that a node holds, or will hold, an address."""
        self._assumed.setdefault(node_name, ip)

    def pick(self, record: AddressRecord) -> Node | None:
        """The node this address gets: the one already chosen if it can, else the first free."""
        avoided = self._observed.avoided.get(record.ip, {})
        for node in self._candidates(record):
            if avoided.get(node.uid, 0.0) > self._observed.uptime:
                continue
            if self._must_restore_first(node, record):
                continue
            self._assumed[node.name] = record.ip
            self._free.pop(node.name, None)
            return node
        return None

    def can_use(self, node: Node) -> bool:
        """Whether an address may come to this node.

        Two Node objects may be one machine. Only that one may which stands for it: by the other,
        the machine would be given a second address, or its own again, for ever.
        """
        observed = self._observed
        return (
            node.ready
            and not node.unschedulable
            and not node.leaving
            and observed.by_machine.get(observed.machine_of.get(node.provider_id, "")) == node.name
            and in_pool(node, observed.allocation)
        )

    @cached_property
    def mass_not_ready(self) -> str:
        """Why the pool's lost nodes are not believed, in plain words; ``""`` = they are.

        Only what went down together counts: a node that has been broken for days says nothing
        about the next one. A deleted Node object counts no longer than it may take to come back.
        """
        observed = self._observed
        pool = [node for node in observed.nodes.values() if in_pool(node, observed.allocation)]
        since = [
            observed.not_ready_since.get(node.uid, observed.uptime)
            for node in pool
            if not node.ready
        ]
        # Whether or not a move has begun: else its beginning would end the freeze, and so on.
        node_refs = (node_ref for r in observed.records for node_ref in (r.node_ref, r.previous))
        uids = {node_ref.uid for node_ref in node_refs if node_ref} & observed.gone_since.keys()
        gone = [observed.gone_since[uid] for uid in uids]
        lately = observed.uptime - observed.allocation.gone_after - TOGETHER_SECONDS
        recent = [moment for moment in gone if moment > lately]
        down, size = _most_together(since + recent), len(pool) + len(recent)
        if size < SMALLEST_POOL_THAT_CAN_FREEZE or down * 2 <= size:
            return ""
        return f"{down} of {size} nodes of the pool are NotReady or gone at once; nothing moves"

    def _candidates(self, record: AddressRecord) -> Iterator[Node]:
        node_ref = record.node_ref
        chosen = self._observed.nodes.get(node_ref.name) if node_ref else None
        same = node_ref and chosen and chosen.uid == node_ref.uid
        if same and chosen and self._has(chosen.name) in ("", record.ip):
            yield from filter(self.can_use, (chosen,))
        yield from self._free.values()

    def _has(self, node_name: str) -> str:
        """The address that a node holds or is given, or whose allocation has it; ``""`` = free."""
        return self._observed.taken.get(node_name) or self._assumed.get(node_name, "")

    def _must_restore_first(self, node: Node, record: AddressRecord) -> bool:
        """Whether the node gave its own address up for another one, which has left it.

        Until it has its own again no other address goes there: that would hide the restore.
        """
        if node.provider_id in self._observed.restore_pending_elsewhere:
            return True
        return self._restores_pending.get(self._machine(node.provider_id), record.ip) != record.ip

    @cached_property
    def _restores_pending(self) -> dict[str, str]:
        """Machines with a pending restore of this allocation -> the address that had their place.

        By their machines: a node that was recreated under its name stands for another one.
        """
        return {
            self._machine(ref.provider_id): record.ip
            for record in self._observed.records
            for ref in record.restorable
        }

    def _machine(self, provider_id: str) -> str:
        return self._observed.machine_of.get(provider_id, "")

    @cached_property
    def _free(self) -> dict[str, Node]:
        """The usable nodes nobody has, by name, in order; each leaves when it is given away."""
        nodes = self._observed.nodes
        free = (node for node in filter(self.can_use, nodes.values()) if not self._has(node.name))
        # Another object of the same machine may stand for it in another allocation.
        machines = {self._observed.machine_of.get(node.provider_id) for node in self._taken_nodes}
        alone = [n for n in free if self._observed.machine_of[n.provider_id] not in machines]
        return {node.name: node for node in sorted(alone, key=lambda node: node.name)}

    @property
    def _taken_nodes(self) -> Iterator[Node]:
        """Nodes that hold or are given an address."""
        return (node for node in self._observed.nodes.values() if self._has(node.name))


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
