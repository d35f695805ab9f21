"""Placement put together: claims and the mirrors of nodes, for the manager of the process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipnode import IPNODES
from moorage_domain.conditions import condition_of
from moorage_domain.label_selectors import Selector
from moorage_domain.plans import Plan
from moorage_external_ip.caches import Caches as SharedCaches
from moorage_external_ip.placement import reasons
from moorage_external_ip.placement.act import Actor
from moorage_external_ip.placement.caches import Caches
from moorage_external_ip.placement.confirm import Confirm
from moorage_external_ip.placement.decide import decide
from moorage_external_ip.placement.first import FirstNode
from moorage_external_ip.placement.kinds import ENDPOINT_SLICES
from moorage_external_ip.placement.leases import SELECTOR
from moorage_external_ip.placement.metrics import PlacementGauges, moves_counter
from moorage_external_ip.placement.mirror import CreateMirror, MirrorObserved, decide_mirror
from moorage_external_ip.placement.model import (
    Assign,
    Life,
    NodeFilter,
    Observed,
    PlacementAction,
)
from moorage_external_ip.placement.move_events import MoveEvents
from moorage_external_ip.placement.observe import Choice, Observer
from moorage_external_ip.placement.triggers import Triggers
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.client.client import ListQuery
from moorage_kube.client.kinds import LEASES, NODES
from moorage_kube.election.lease import boot_seconds
from moorage_kube.manager.manager import Manager
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.reconcile.reason_events import reason_event
from moorage_kube.telemetry.events import Event
from moorage_kube.writes.subjects import Subjects

# The status says these anyway; with thousands of claims as many Events would take longer than what
# they are about.
_QUIET = frozenset(
    one.name
    for one in (
        reasons.PLACED, reasons.LABELED, reasons.STARTING, reasons.DELETING, reasons.NOT_ALLOCATED,
        reasons.ASSIGNED, reasons.PROBING, reasons.ANNOUNCED, reasons.SPREAD,
        reasons.MOVES_HELD, reasons.WAITING_FOR_PROXY,
    )
)  # fmt: skip


_COUNTED = frozenset({reasons.PLACED.name, reasons.MOVED.name, reasons.WITHDRAWN.name})


class Placement:
    """The scheduler: decides which node has each address.

    ``shared`` are the caches of the process, whose informers are added by whoever made them.
    """

    def __init__(self, manager: Manager, shared: SharedCaches) -> None:
        choice = _choice(manager)
        self.client, self.events = manager.client, manager.events
        self.claims, self.nodes = WorkQueue(), WorkQueue()
        self.caches = caches = Caches(shared, boot_seconds)
        self.observer = Observer(caches, choice, boot_seconds)
        confirm = Confirm(manager.client, caches.leases, choice.namespace, boot_seconds)
        self.actor = Actor(manager.client, caches, confirm)
        Triggers(caches, self.claims, self.nodes)
        manager.informer(NODES, caches.node_facts)
        leases = ListQuery(SELECTOR, namespace=choice.namespace)
        manager.informer(LEASES, caches.leases, leases)
        manager.informer(ENDPOINT_SLICES, caches.slices)
        manager.informer(IPNODES, caches.mirrors)
        manager.run_always("leases of agents", caches.liveness.run)
        # The controller of claims writes DryRun: two writers would take turns.
        claims = Subjects(IPCLAIMS, shared.claims, dry_run="PlacementDryRun")
        self.moves = MoveEvents(manager.events, self._mirror_uid)
        manager.run_while_leading("Events of moves", self.moves.run)
        gauges = PlacementGauges(caches, lambda: manager.election.is_leader)
        manager.registry.register(gauges.collector())
        self.placements = moves_counter(manager.registry)
        placed = self.placements.labels(reasons.PLACED.name).inc
        self.first = FirstNode(manager.client, caches, self.observer, placed, boot_seconds)
        logic = ClaimLogic(self)
        name = "external-ip-placement"
        manager.add_controller(name, logic, self.claims, claims, caches.assumed)
        mirrors = Subjects(IPNODES, caches.mirrors, has_generation=False)
        manager.add_controller("external-ip-nodes", MirrorLogic(self), self.nodes, mirrors)

    def _mirror_uid(self, node: str) -> str:
        mirror = self.caches.mirrors.get(node)
        return mirror.subject.uid if mirror else ""


def _choice(manager: Manager) -> Choice:
    settings = cast("ExternalIpSettings", manager.settings)
    return Choice(
        Selector.parse(settings.node_selector),
        NodeFilter(settings.node_filter),
        settings.agent_namespace or manager.namespace,
    )


class ClaimLogic:
    """Observe, decide, act and report for one claim."""

    def __init__(self, parts: Placement) -> None:
        self._parts = parts

    async def observe(self, key: str) -> Observed | None:
        """Read the caches; nothing is awaited, so that what is observed fits together."""
        observed = self._parts.observer.claim(key)
        if observed is None:
            self._parts.caches.waiting.discard(key)
        return observed

    def decide(self, observed: Observed) -> Plan[PlacementAction]:
        """Decide; pure, but for the note who waits for another node."""
        plan = decide(observed)
        if waits(observed, plan):
            self._parts.caches.waiting.add(observed.claim.name)
        else:
            self._parts.caches.waiting.discard(observed.claim.name)
        return plan

    async def act(self, observed: Observed, action: PlacementAction) -> None:
        """Carry out one action."""
        await self._parts.actor.act(observed, action)

    async def report(self, ended: Pass[Observed, PlacementAction]) -> None:
        """An Event for each move, each trouble and its end; moves are counted."""
        done = ended.plan is not None and ended.failure is None and not ended.dry_run
        if done and ended.plan is not None and ended.plan.reason in _COUNTED:
            self._parts.placements.labels(ended.plan.reason).inc()
        event = reason_event(IPCLAIMS, ended)
        if event is None:
            return
        before = _ready_reason(ended)
        if event.reason in _QUIET and not ended.failure and before not in reasons.WARNINGS:
            return
        warns = event.reason in reasons.WARNINGS or ended.failure is not None
        event, move = _typed(event, warns=warns), _move(ended)
        if move is None:
            await self._parts.events.publish(event)
        else:
            await self._parts.moves.moved(event, *move)


class MirrorLogic:
    """Observe, decide, act and report for the mirror of one node."""

    def __init__(self, parts: Placement) -> None:
        self._parts = parts

    async def observe(self, key: str) -> MirrorObserved | None:
        """Read the caches; ``None`` = nothing is known of the node."""
        caches, mirror = self._parts.caches, self._parts.caches.mirrors.get(key)
        node = caches.nodes.views.get(key)
        if node is None:
            return None
        hold = ""
        if node.life is Life.HELD and node.agent is not None:
            hold = _in(node.agent.hold_seconds)
        liveness = caches.liveness
        return MirrorObserved(node, mirror, hold, liveness.guard.held, liveness.starting)

    def decide(self, observed: MirrorObserved) -> Plan[CreateMirror]:
        """Decide; pure."""
        return decide_mirror(observed)

    async def act(self, observed: MirrorObserved, action: CreateMirror) -> None:  # noqa: ARG002 - the action says it all
        """Create the mirror."""
        meta: dict[str, object] = {"name": action.name}
        if action.node_uid:
            owner = {"apiVersion": NODES.api_version, "kind": NODES.name}
            owner |= {"name": action.name, "uid": action.node_uid}
            meta["ownerReferences"] = [owner]
        body = {"apiVersion": IPNODES.api_version, "kind": IPNODES.name, "metadata": meta}
        raw = await self._parts.client.create(IPNODES, body | dict(action.body))
        self._parts.caches.mirrors.take_created(raw)

    async def report(self, ended: Pass[MirrorObserved, CreateMirror]) -> None:
        """An Event where nodes are lost, and when they are back."""
        event = reason_event(IPNODES, ended)
        if event is None or (not ended.failure and _ready_reason(ended) is None):
            return
        warns = ended.failure is not None or event.reason in ("Lost", "MovesHeld")
        await self._parts.events.publish(_typed(event, warns=warns))


def waits(observed: Observed, plan: Plan[PlacementAction]) -> bool:
    """Whether the claim has to look again when some node changes that it has nothing to do with."""
    if plan.reason == reasons.STARTING.name or observed.claim.every_node:
        return True
    if plan.status is None:
        return False
    # Where endpoints count, some node may come to be better than the one it is on.
    if observed.local:
        return True
    node = observed.nodes.get(observed.claim.node)
    if node is None or node.life is not Life.LIVE:
        return True
    scheduled = (one for one in plan.status.conditions if one.type == "Scheduled")
    return any(one.reason != reasons.SCHEDULED.name for one in scheduled)


def _in(seconds: float) -> str:
    """The time in so many seconds, for people only: nothing is judged by it."""
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


def _ready_reason(
    ended: Pass[Observed, PlacementAction] | Pass[MirrorObserved, CreateMirror],
) -> str | None:
    """The reason of the condition Ready before the pass; ``None`` = it had none."""
    return condition_of(ended.subject.status if ended.subject else None, "Ready").get("reason")


def _move(ended: Pass[Observed, PlacementAction]) -> tuple[str, str] | None:
    """The node that the address has left and the one it goes to; ``None`` = it has not moved."""
    observed, plan = ended.observed, ended.plan
    if observed is None or plan is None or plan.reason != reasons.MOVED.name:
        return None
    if ended.failure is not None or ended.dry_run:
        return None
    assigned = (action.node for action in plan.actions if isinstance(action, Assign))
    return observed.claim.node, next(assigned, "")


def _typed(event: Event, *, warns: bool) -> Event:
    return replace(event, type="Warning" if warns else "Normal")
