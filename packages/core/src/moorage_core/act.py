"""The writes of the controller that the reconciler does not make: nodes, evictions, the cloud."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from moorage_core import reasons
from moorage_core.actions import (
    Action,
    CountPods,
    LabelNode,
    Mutate,
    NodeChange,
    RemoveTaint,
    Reread,
    UnlabelNode,
)
from moorage_core.caches import uptime
from moorage_core.decide.evictions import RETRY_SECONDS
from moorage_core.decide.node_labels import IP_LABEL, OWNER_ANNOTATION, READY_LABEL
from moorage_core.model import Observed
from moorage_core.observe import Observer
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_core.report import event
from moorage_domain.addresses import label_value
from moorage_domain.nodes import Node
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Throttled,
    Unavailable,
)
from moorage_kube.client.kinds import NODES
from moorage_kube.telemetry.events import Event
from moorage_kube.writes.eviction import evict
from moorage_kube.writes.metadata import (
    patch_if_unchanged,
    remove_metadata,
    remove_taint,
    set_metadata,
)

Publish: TypeAlias = Callable[[Event], Awaitable[None]]


class Actor:
    """Carries out the actions of one plan, in order."""

    def __init__(self, client: Client, observer: Observer, publish: Publish) -> None:
        self._client = client
        self._observer = observer
        self._publish = publish
        self._rereads: dict[str, asyncio.TimerHandle] = {}

    async def act(self, action: Action, observed: Observed) -> None:
        """Carry out one action; every one may be repeated."""
        name = observed.allocation.name
        match action:
            case LabelNode() | UnlabelNode() | RemoveTaint():
                await self._change_node(action, observed)
            case EvictPod(pod):
                await self._evict(pod, observed)
            case Mutate():
                self._begin(name, action)
            case Reread(ip, after):
                self._reread_after(after, name, ip)
            case CountPods(node_names):
                await self._observer.counts.count(self._client, node_names)

    async def _change_node(self, change: NodeChange, observed: Observed) -> None:
        """A node that refuses is reported, and holds up nothing else."""
        name = change.node.name
        try:
            with contextlib.suppress(NotFound):  # a node that is gone needs no change
                raw = await self._patch(change, observed.allocation.uid)
                self._observer.caches.nodes.update_known(raw)
        except (Forbidden, Invalid) as error:
            self._observer.label_errors[name] = str(error)
        else:
            self._observer.label_errors.pop(name, None)

    async def _patch(self, change: NodeChange, owner: str) -> dict[str, Any]:
        target = Target(change.node.name)
        match change:
            case LabelNode(node, ip):
                labels = {READY_LABEL: "true", IP_LABEL: label_value(ip)}
                body = set_metadata(node.uid, labels, {OWNER_ANNOTATION: owner})
                return await self._client.patch(NODES, target, body)
            case UnlabelNode(node):
                operations = _unlabel(node)
                return await patch_if_unchanged(self._client, NODES, target, node.uid, operations)
            case RemoveTaint(node, key):
                operations = remove_taint(node.taints, key)
                return await patch_if_unchanged(self._client, NODES, target, node.uid, operations)

    async def _evict(self, pod: MisplacedPod, observed: Observed) -> None:
        """Ask for one pod to be evicted, unless that was asked lately, for whomever."""
        after, now = self._observer.evict_after, uptime()
        # Others were evicted since this was decided: the node may have got an address meanwhile.
        misplaced = pod.node_name in self._observer.caches.misplaced.nodes
        if not misplaced or after.get(pod.uid, 0.0) > now:
            return
        for uid in [uid for uid, moment in after.items() if moment <= now]:
            del after[uid]
        after[pod.uid] = now + RETRY_SECONDS
        namespace, _, name = pod.key.partition("/")
        try:
            await evict(self._client, name, namespace, pod.uid)
        except (NotFound, Conflict):
            return  # that very pod is gone
        except (Throttled, Forbidden, Invalid, Unavailable) as error:
            reason, message = reasons.EVICTION_REFUSED.name, f"{pod} stays for now: {error}"
        else:
            reason = reasons.EVICTED.name
            message = f"{pod}, which holds no address of {observed.allocation.name}"
        await self._publish(event(observed, reason, message))

    def _begin(self, name: str, mutate: Mutate) -> None:
        scope = self._observer.scopes.of(name)
        if scope is not None:
            self._observer.mutations.begin(scope.provider, mutate, scope.rate_limiter)

    def _reread_after(self, seconds: float, name: str, ip: str) -> None:
        """One timer for an address, however often it is asked for."""
        if ip not in self._rereads:
            loop = asyncio.get_running_loop()
            self._rereads[ip] = loop.call_later(seconds, self._reread, name, ip)

    def _reread(self, name: str, ip: str) -> None:
        self._rereads.pop(ip, None)
        if (scope := self._observer.scopes.of(name)) is not None:
            scope.invalidate([ip])


def _unlabel(node: Node) -> list[dict[str, str]]:
    """Take our labels off, unless another allocation has put its own there meanwhile."""
    labels = {key: node.labels[key] for key in (READY_LABEL, IP_LABEL) if key in node.labels}
    return remove_metadata(labels, {OWNER_ANNOTATION: node.owner} if node.owner else {})
