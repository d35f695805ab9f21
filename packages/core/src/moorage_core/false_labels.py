"""Nodes that say they hold an address and do not: a controller of its own, with nodes as its keys.

It needs no allocation, so that one whose spec is broken, or none at all, stops nothing; and any
node is looked at, whichever pool it is in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from moorage_core import reasons
from moorage_core.act import Actor
from moorage_core.actions import AskMachine, UnlabelNode
from moorage_core.caches import Caches, uptime
from moorage_core.decide import false_labels
from moorage_core.decide.false_labels import LabelledNode
from moorage_core.decide.node_labels import says_it_holds
from moorage_core.observe import Observer
from moorage_core.projections import AllocationView
from moorage_domain.nodes import Node
from moorage_domain.plans import Plan
from moorage_kube.cache.store import Change
from moorage_kube.client.kinds import NODES
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event
from moorage_provider.errors import CloudError
from moorage_provider.protocol import Machine

Publish = Callable[[Event], Awaitable[None]]
_ASKED_SECONDS = 10.0
"""So long counts what a cloud said of a machine."""


class FalseLabels:
    """Observe, decide, act and report for one node."""

    def __init__(self, observer: Observer, actor: Actor, publish: Publish) -> None:
        self._observer = observer
        self._actor = actor
        self._publish = publish
        self._since: dict[str, float] = {}
        """Uptime since when no record leads to a labelled node, by its name."""
        self._asked: dict[str, tuple[float, bool | None]] = {}
        """Until when it counts, and what came of it, by the node's name."""

    async def observe(self, key: str) -> LabelledNode | None:
        """One node; ``None`` = it says nothing, or its allocation sees to its labels."""
        observer = self._observer
        node = observer.caches.nodes.get(key)
        if node is None or not says_it_holds(node) or self._is_known(node):
            self._since.pop(key, None)
            self._asked.pop(key, None)
            return None
        now = uptime()
        until, machine_has_one = self._asked.get(key, (0.0, None))
        return LabelledNode(
            node,
            for_seconds=now - self._since.setdefault(key, now),
            dry_run=self._is_dry_run(),
            beside=self._beside(node),
            held=bool(observer.machine_ids(key) & observer.scopes.holders()),
            all_known=not observer.caches.unsettled.names and observer.scopes.all_read(),
            asked=now < until,
            machine_has_one=machine_has_one,
        )

    def decide(self, observed: LabelledNode) -> Plan[UnlabelNode | AskMachine]:
        """Decide; pure."""
        return false_labels.decide(observed)

    async def act(self, observed: LabelledNode, action: UnlabelNode | AskMachine) -> None:
        """Carry out one action."""
        match action:
            case UnlabelNode():
                await self._actor.change_node(action, observed.node.owner)
            case AskMachine(node):
                self._asked[node.name] = uptime() + _ASKED_SECONDS, await self._ask(node)

    async def report(self, ended: Pass[LabelledNode, UnlabelNode | AskMachine]) -> None:
        """Say at the node that its labels were false."""
        plan, observed = ended.plan, ended.observed
        if plan is None or observed is None or ended.failure is not None or ended.dry_run:
            return
        name, uid = observed.node.name, observed.node.uid
        refused = name in self._observer.label_errors
        if plan.reason == reasons.FALSE_LABELS.name and not refused:
            event = Event(NODES, name, None, uid, "Warning", plan.reason, plan.message)
            await self._publish(event)

    def _is_known(self, node: Node) -> bool:
        """Whether a record leads there, or a plan that is being carried out will write one."""
        observer = self._observer
        return node.name in observer.assumed.tokens() or observer.caches.holders.lead_to(node)

    def _is_dry_run(self) -> bool:
        views = self._observer.caches.allocations.values()
        return bool(views) and all(view.allocation.dry_run for view in views)

    def _beside(self, node: Node) -> str:
        """Another Node object of the machine to which a record leads."""
        others = self._observer.objects_of_machine(node.name) - {node.name}
        return min(filter(self._observer.caches.holders.on, others), default="")

    async def _ask(self, node: Node) -> bool | None:
        """Whether its machine has an address of an allocation; ``None`` = nobody can tell."""
        for _, scope in list(self._observer.scopes.items()):
            if machine_id := scope.machine_id(node.provider_id):
                try:
                    return self._has_one(await scope.provider.machine(machine_id))
                except CloudError:
                    continue  # of another region, or unreadable as well
        return None

    def _has_one(self, machine: Machine) -> bool | None:
        caches = self._observer.caches
        if machine.public_ip_reserved and caches.claims.get(machine.public_ip):
            return True
        views = map(caches.allocations.get, caches.unsettled.names)
        # What a broken spec lists is not known. Of IPv6 a machine shows nothing.
        broken = any(view.allocation.problem for view in views if view)
        of_ipv6 = any(":" in str(ip) for ip in caches.claims.by_index_key)
        return None if (machine.public_ip_reserved and broken) or of_ipv6 else False


def trigger_labelled(caches: Caches, add: Callable[[str], None]) -> None:
    """Have every node looked at that has labels of ours and changes, or loses its allocation."""

    def node_changed(change: Change[Node]) -> None:
        if change.new is not None and says_it_holds(change.new):
            add(change.key)

    def allocation_changed(change: Change[AllocationView]) -> None:
        left = _places(change.old) - _places(change.new)
        if change.old is not None and change.new is None:
            left |= caches.nodes_by_owner.get(change.old.allocation.uid)
        for name in left & caches.nodes.keys():
            add(name)

    caches.nodes.subscribe(node_changed)
    caches.allocations.subscribe(allocation_changed)


def _places(view: AllocationView | None) -> set[str]:
    """Names of the nodes to which the records of an allocation lead."""
    records = view.records if view else ()
    return {ref.name for record in records for ref in record.places}
