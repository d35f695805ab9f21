"""Which nodes may keep an address, and which one gets the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from moorage_core import reasons
from moorage_core.decide.free_nodes import FreeNodes, why_no_pods, zone_of
from moorage_core.decide.mass_failure import mass_failure
from moorage_core.model import AddressRecord, Allocation, NodeReference, Observed
from moorage_domain.nodes import EXCLUDE_LABEL, Node
from moorage_domain.reasons import Reason

HOLDS = "hold an address"


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
    return (
        node.matches(allocation.selector)
        and (not allocation.zones or node.zone in allocation.zones)
        and allocation.allowed_nodes.fits(node.labels)
    )


def stands_for_machine(nodes: Iterable[Node], records: Iterable[AddressRecord]) -> Node:
    """Of the Node objects of one machine, at least one, the one that stands for it.

    That is the one that a record names, as where an address is or what it is leaving, else the one
    that has been there longest: a kubelet writes its ``spec.providerID`` itself, so a later object
    may be a false one. It makes no difference how the objects are: where the one that stands is
    cordoned or lost, what the machine holds moves on to another machine, as without the second
    object. To neither anything new is given.
    """
    candidates = tuple(nodes)
    if len(candidates) == 1:
        return candidates[0]
    named = {ref.uid for record in records for ref in record.places}
    return min(candidates, key=lambda node: (node.uid not in named, node.created, node.name))


def why_leave(node: Node, observed: Observed) -> Leave | None:
    """Why an address must leave this node; ``None`` = it may stay."""
    allocation = observed.allocation
    if node.leaving:
        message = f"node {node.name} has the taint {node.leaving}"
        return Leave(reasons.NODE_LEAVING, message, gentle=False)
    if not node.ready and not patience(node, observed):
        message = f"node {node.name} is NotReady for {allocation.not_ready_after:.0f} s or longer"
        return Leave(reasons.NODE_NOT_READY, message, gentle=False)
    why = _emptied(node, allocation) or ("" if in_pool(node, allocation) else "not in the pool")
    return Leave(reasons.DRAINED, f"node {node.name} is {why}", gentle=True) if why else None


def _emptied(node: Node, allocation: Allocation) -> str:
    """Why a node is being emptied with patience, for people; ``""`` = it is not."""
    if node.deleting:
        return "being deleted"
    if node.draining:
        return f"tainted {node.draining}"
    if node.unschedulable:
        return "cordoned"
    excluded = node.excluded and not allocation.ignore_exclude_label
    return f"excluded by the label {EXCLUDE_LABEL}" if excluded else ""


def _starting(node: Node, allocation: Allocation) -> str:
    """Why a Ready node is not usable yet, for people; ``""`` = it is.

    What such a node has it keeps: some agents put their taint back whenever they restart.
    """
    if node.network_unavailable:
        return "without a network (condition NetworkUnavailable)"
    # The settled taint waits for the address itself.
    keys = (key for key in node.starting if key != allocation.settled_taint)
    return f"starting up (tainted {key})" if (key := next(keys, "")) else ""


def patience(node: Node, observed: Observed) -> float:
    """Seconds until a NotReady node counts as lost; 0 for one that does, or that is Ready."""
    if node.ready:
        return 0.0
    since = observed.not_ready_since.get(node.uid, observed.uptime)
    return max(0.0, since + observed.allocation.not_ready_after - observed.uptime)


def until_due(record: AddressRecord, observed: Observed) -> float | None:
    """Seconds until the address has to leave its node, 0 = now, ``None`` = it may stay.

    As far as it can be told without the cloud; whether its pods have left does not count.
    """
    node_ref = record.node_ref
    if node_ref is None:
        return None
    if record.operation:
        return 0.0
    node = observed.nodes.get(node_ref.name)
    if node is None or node.uid != node_ref.uid:
        since = observed.gone_since.get(node_ref.uid, observed.uptime)
        return max(0.0, since + observed.allocation.gone_after - observed.uptime)
    return 0.0 if why_leave(node, observed) else patience(node, observed) or None


class Targets:
    """The free nodes of the pool, handed out one by one; none twice within one decision."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._assumed: dict[str, str] = {}
        self._nodes_of: dict[str, list[str]] = {}
        self._zones: Counter[str] = Counter()
        """In how many nodes of each zone the allocation's addresses are, or will be."""
        self._common: _WhyNone | None = None
        """Of an address that nothing is known of; ``None`` = somebody got a node since."""

    def assume(self, node_name: str, ip: str) -> None:
        """Remember that a node holds, or will hold, an address."""
        if node_name not in self._assumed:
            self._assumed[node_name] = ip
            self._common = None
            self._nodes_of.setdefault(ip, []).append(node_name)
            self._zones[zone_of(node_name, self._observed.nodes)] += 1

    def pick(self, record: AddressRecord) -> Node | None:
        """The node this address gets: the one already chosen if it can, else the best free one."""
        node = self._best(record)
        if node is not None:
            self.assume(node.name, record.ip)
            self._free.take(node.name)
            self._common = None
        return node

    def has_better(self, record: AddressRecord, node: Node) -> bool:
        """Whether a node has failed the address again and again, and another one can have it."""
        doubtful = self._observed.doubtful.get(record.ip, {})
        if doubtful.get(node.uid, 0.0) <= self._observed.uptime:
            return False
        best = self._best(record)
        return best is not None and best.uid != node.uid

    def has_other(self, node_ref: NodeReference, ip: str) -> bool:
        """Whether a node holds, or is given, another address than this one."""
        node = self._observed.nodes.get(node_ref.name)
        same = node is not None and node.provider_id == node_ref.provider_id
        return same and self._has(node_ref.name) not in ("", ip)

    def keeps_other(self, node_ref: NodeReference, ip: str) -> bool:
        """Whether a node has another address than this one that is not being released, too."""
        if not self.has_other(node_ref, ip):
            return False
        allocation, other = self._observed.allocation, self._assumed.get(node_ref.name)
        wanted = other in allocation.addresses and not allocation.deleting
        return wanted or node_ref.name in self._observed.taken

    def can_use(self, node: Node) -> bool:
        """Whether this node may have an address, if it was chosen before."""
        return in_pool(node, self._observed.allocation) and not self._why_unusable(node)

    def why_not(self, node: Node, record: AddressRecord) -> str:
        """Why this address cannot come to a node of the pool, for people; ``""`` = it can."""
        if why := self._why_unusable(node):
            return why
        if self._has(node.name) not in ("", record.ip):
            return HOLDS
        if self._observed.avoided.get(record.ip, {}).get(node.uid, 0.0) > self._observed.uptime:
            return "refused it lately"
        if why := self._why_not_new(node):
            return why
        if self._must_restore_first(node, record):
            return "first to get a public address of its own again"
        return "" if node.name in self._free else HOLDS

    def why_none(self, record: AddressRecord) -> Mapping[str, Sequence[str]]:
        """Names of the pool's nodes by :meth:`why_not`.

        The pool is looked through once for all addresses that wait: hundreds may, for one of
        thousands of nodes, and only a few nodes mean something else to one of them.
        """
        if self._common is None:
            nobodys = AddressRecord("")
            self._common = _WhyNone({n.name: self.why_not(n, nobodys) for n in self.pool})
        common, nodes = self._common, self._observed.nodes
        names = self._special_to(record) & common.by_name.keys()
        own = {name: self.why_not(nodes[name], record) for name in names}
        return common.except_for(own)

    def _special_to(self, record: AddressRecord) -> set[str]:
        """Names of the nodes that may mean something else to an address than to others."""
        names = set(self._nodes_of.get(record.ip, ()))
        for uid in self._observed.avoided.get(record.ip, {}):
            names.add(self._pool_by_uid.get(uid, ""))
        for machine, ip in self._restores_pending.items():
            if ip == record.ip:
                names.add(self._observed.by_machine.get(machine, ""))
        return names

    @cached_property
    def _pool_by_uid(self) -> dict[str, str]:
        return {node.uid: node.name for node in self.pool}

    @cached_property
    def pool(self) -> tuple[Node, ...]:
        """The nodes that the allocation names, usable or not."""
        allocation = self._observed.allocation
        return tuple(n for n in self._observed.nodes.values() if in_pool(n, allocation))

    def _why_unusable(self, node: Node) -> str:
        """What keeps any address from coming to a node, for people; ``""`` = nothing."""
        observed = self._observed
        if not node.unremarkable and (why := self._why_unfit(node)):
            return why
        machine_id = observed.machine_of.get(node.provider_id)
        if machine_id is None:
            return "without a machine in this cloud"
        # Which of them the machine is, nobody knows: both would say that the address is there.
        others = [
            name for name in observed.shared_machines.get(machine_id, ()) if name != node.name
        ]
        return f"the same machine as {', '.join(others)}" if others else ""

    def _why_unfit(self, node: Node) -> str:
        """What of the node itself keeps any address away, for people; ``""`` = nothing."""
        if not node.ready:
            return "NotReady"
        if node.leaving:
            return f"tainted {node.leaving}"
        return _emptied(node, self._observed.allocation)

    def _why_not_new(self, node: Node) -> str:
        """What keeps an address from a usable node that was not chosen before, for people."""
        pods = self._observed.pods_go
        if node.unremarkable and (pods is None or pods.everywhere):
            return ""
        return _starting(node, self._observed.allocation) or why_no_pods(node, self._observed)

    @cached_property
    def mass_not_ready(self) -> str:
        """Why the pool's lost nodes are not believed, in plain words; ``""`` = they are."""
        return mass_failure(self._observed, self.pool)

    def _best(self, record: AddressRecord) -> Node | None:
        """The first node that has not failed the address; else the first of those that may."""
        now = self._observed.uptime
        avoided = self._observed.avoided.get(record.ip, {})
        doubtful = self._observed.doubtful.get(record.ip, {})
        last_resort: Node | None = None
        for node in self._candidates(record):
            if avoided.get(node.uid, 0.0) > now or self._must_restore_first(node, record):
                continue
            if doubtful.get(node.uid, 0.0) <= now:
                return node
            last_resort = last_resort or node
        return last_resort

    def _candidates(self, record: AddressRecord) -> Iterator[Node]:
        node_ref = record.node_ref
        chosen = self._observed.nodes.get(node_ref.name) if node_ref else None
        same = node_ref and chosen and chosen.uid == node_ref.uid
        if same and chosen and self._has(chosen.name) in ("", record.ip):
            yield from filter(self.can_use, (chosen,))
        own = (zone_of(name, self._observed.nodes) for name in self._nodes_of.get(record.ip, ()))
        yield from self._free.best_first(self._zones - Counter(own))

    def _has(self, node_name: str) -> str:
        """The address that a node holds or is given, or whose allocation has it; ``""`` = free."""
        other = self._observed.taken.get(node_name)
        # An allocation may be called as if it were an address.
        return f"NetIPAllocation {other}" if other else self._assumed.get(node_name, "")

    def _must_restore_first(self, node: Node, record: AddressRecord) -> bool:
        """Whether the node gave its own address up for another one, which has left it.

        Until it has its own again no other address goes there: that would hide the restore. Where
        the cloud refuses it one before people act, it is a node like any other meanwhile.
        """
        if any(node.uid in refused for refused in self._observed.restore_refused.values()):
            return False
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
    def _free(self) -> FreeNodes:
        """The usable nodes nobody has; each leaves when it is given away."""
        usable = (node for node in self.pool if not self._has(node.name))
        free = (node for node in usable if not self._why_unusable(node))
        return FreeNodes((n for n in free if not self._why_not_new(n)), self._observed)


class _WhyNone:
    """Why no node of a pool can have an address.

    Attributes:
        by_name: the reason, by the node's name, in the order of the pool.
    """

    def __init__(self, by_name: Mapping[str, str]) -> None:
        self.by_name = by_name
        self._groups = _grouped(by_name)

    def except_for(self, own: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
        """Names by reason, where these nodes have reasons of their own."""
        if all(self.by_name[name] == why for name, why in own.items()):
            return self._groups
        return _grouped({**self.by_name, **own})


def _grouped(by_name: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, why in by_name.items():
        groups.setdefault(why, []).append(name)
    return groups
