"""Nodes: says which marks on one prove nothing, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from moorage_danm import reasons
from moorage_danm.caches import Caches
from moorage_danm.model.node import Ready
from moorage_danm.reclaim.node_class import NodeFacts
from moorage_danm.reclaim.node_memory import NodeMemory
from moorage_domain.plans import Plan
from moorage_kube.client.kinds import NODES
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event, EventRecorder


@dataclass(frozen=True, slots=True)
class NodeObserved:
    """One node that is there."""

    uid: str
    facts: NodeFacts


class NodeLogic:
    """Observe, decide and report for one node; nothing is written to it."""

    def __init__(self, caches: Caches, memory: NodeMemory, events: EventRecorder) -> None:
        self._caches = caches
        self._memory = memory
        self._events = events
        self._stale: dict[str, tuple[str, ...]] = {}

    @property
    def stale(self) -> int:
        """How many nodes are not ready and have a mark that proves nothing."""
        return len(self._stale)

    async def observe(self, key: str) -> NodeObserved | None:
        """Read the caches."""
        node = self._caches.nodes.get(key)
        if node is None:
            self._stale.pop(key, None)
            return None
        return NodeObserved(node.uid, self._memory.facts(key))

    def decide(self, observed: NodeObserved) -> Plan[NoReturn]:
        """Decide; pure."""
        facts = observed.facts
        if facts.ready is Ready.TRUE or not facts.stale or facts.fences:
            return Plan(reasons.IN_USE.name, f"node {facts.name} has no mark that is in doubt")
        text = (
            f"the {', '.join(facts.stale)} may be older than the node's last life, and proves"
            " nothing; remove it and set it again"
        )
        return Plan(reasons.FENCE_MARK_STALE.name, text)

    async def act(self, observed: NodeObserved, action: NoReturn) -> None:
        """There are no actions."""

    async def report(self, ended: Pass[NodeObserved, NoReturn]) -> None:
        """An Event for marks that were not known to be stale."""
        observed, plan = ended.observed, ended.plan
        if observed is None or plan is None:
            return
        before = self._stale.pop(ended.key, ())
        if plan.reason != reasons.FENCE_MARK_STALE.name:
            return
        self._stale[ended.key] = observed.facts.stale
        if observed.facts.stale != before:
            await self._events.publish(
                Event(NODES, ended.key, None, observed.uid, "Warning", plan.reason, plan.message)
            )
