"""The writes of the controller that the reconciler does not make: nodes, evictions, the cloud."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

from moorage_core.actions import (
    Action,
    CountPods,
    LabelNode,
    Mutate,
    NodeChange,
    Probe,
    RemoveTaint,
    Reread,
    UnlabelNode,
)
from moorage_core.decide.node_labels import LABELS, OWNER_ANNOTATION, labelled, labels_for
from moorage_core.evicting import Evictor
from moorage_core.model import Observed
from moorage_core.observe import Observer
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_domain.nodes import Node
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import (
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
)
from moorage_kube.client.kinds import NODES
from moorage_kube.writes.metadata import (
    patch_if_unchanged,
    remove_metadata,
    remove_taint,
    set_metadata,
)
from moorage_provider.errors import Unavailable as CloudUnavailable

MOST_LOOKS: Final = 2
"""Of many targets each is read when its own turn comes: the others need not wait for it."""


class Actor:
    """Carries out the actions of one plan, in order."""

    def __init__(self, client: Client, observer: Observer, evictor: Evictor) -> None:
        self._client = client
        self._observer = observer
        self._evictor = evictor
        self._rereads: dict[str, asyncio.TimerHandle] = {}
        observer.mutations.leaving = self.unlabel_before_leaving

    async def act(self, action: Action, observed: Observed) -> None:
        """Carry out one action; every one may be repeated."""
        name = observed.allocation.name
        match action:
            case LabelNode() | UnlabelNode() | RemoveTaint():
                await self.change_node(action, observed.allocation.uid)
            case EvictPod(pod):
                await self._evict(pod, observed)
            case Mutate():
                self._begin(name, action)
            case Reread(ip, after):
                self._reread_after(after, name, ip)
            case Probe():
                if (scope := self._observer.scopes.of(name)) is not None:
                    scope.probe()
            case CountPods(node_names):
                await self._observer.counts.count(self._client, node_names)

    async def look_at_targets(self, name: str, actions: Sequence[Action]) -> bool:
        """Read the targets of these actions, where they are few; whether one has its own address.

        What a target is owed is written down with the intention then, and else after it.
        """
        mutations, scope = self._observer.mutations, self._observer.scopes.of(name)
        unseen = [
            action
            for action in actions
            if isinstance(action, Mutate)
            and action.target_unseen
            and action.ip not in mutations.in_flight
        ]
        if scope is None or scope.rate_limiter.holds_back or not 0 < len(unseen) <= MOST_LOOKS:
            return False
        await asyncio.gather(*(mutations.look_at(scope.provider, mutate) for mutate in unseen))
        own = mutations.own_addresses()
        return any(mutate.ip in own for mutate in unseen)

    async def unlabel_before_leaving(self, move: Mutate) -> None:
        """Take the labels off the node that a move takes the address from.

        Raises ``Unavailable`` where the API server does not do it now: then nothing leaves.
        """
        previous = move.previous
        node = self._observer.caches.nodes.get(previous.name) if previous else None
        if node is None or previous is None or node.uid != previous.uid or not labelled(node):
            return
        if node.owner not in ("", move.allocation_uid):
            return  # another allocation's, and its labels stay
        try:
            await self.change_node(UnlabelNode(node), move.allocation_uid)
        except KubeError as error:
            message = (
                f"the labels of node {node.name} cannot be taken off before the address leaves"
            )
            raise CloudUnavailable(f"{message}: {error}") from error

    async def change_node(self, change: NodeChange, owner: str) -> None:
        """Change labels or a taint; a node that refuses is reported, and holds up nothing else."""
        name = change.node.name
        try:
            with contextlib.suppress(NotFound):  # a node that is gone needs no change
                raw = await self._patch(change, owner)
                self._observer.caches.nodes.update_known(raw)
        except (Forbidden, Invalid) as error:
            self._observer.label_errors[name] = str(error)
        else:
            self._observer.label_errors.pop(name, None)

    async def _patch(self, change: NodeChange, owner: str) -> dict[str, Any]:
        target = Target(change.node.name)
        match change:
            case LabelNode(node, ip):
                body = set_metadata(node.uid, labels_for(ip), {OWNER_ANNOTATION: owner})
                return await self._client.patch(NODES, target, body)
            case UnlabelNode(node):
                operations = _unlabel(node)
                return await patch_if_unchanged(self._client, NODES, target, node.uid, operations)
            case RemoveTaint(node, key):
                operations = remove_taint(node.taint_keys, key)
                return await patch_if_unchanged(self._client, NODES, target, node.uid, operations)

    async def _evict(self, pod: MisplacedPod, observed: Observed) -> None:
        """Others were evicted since this was decided: the node may have an address now."""
        if pod.node_name in self._observer.caches.misplaced.nodes:
            await self._evictor.evict(pod, observed)

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
    labels = {key: node.labels[key] for key in LABELS if key in node.labels}
    return remove_metadata(labels, {OWNER_ANNOTATION: node.owner} if node.owner else {})
