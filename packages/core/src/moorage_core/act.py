"""The only writes of the controller: status, finalizer, nodes, evictions, and the cloud."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import reasons
from moorage_core.actions import (
    Action,
    AddFinalizer,
    CountPods,
    LabelNode,
    Mutate,
    NodeChange,
    RemoveFinalizer,
    RemoveTaint,
    Reread,
    UnlabelNode,
    WriteStatus,
)
from moorage_core.caches import uptime
from moorage_core.decide.evictions import RETRY_SECONDS
from moorage_core.decide.node_labels import IP_LABEL, OWNER_ANNOTATION, READY_LABEL
from moorage_core.model import Observed
from moorage_core.observe import Observer
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_core.projections import FINALIZER, record_to_wire
from moorage_core.report import note
from moorage_domain.addresses import label_value
from moorage_domain.conditions import to_wire
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
from moorage_kube.client.kinds import NODES, PODS
from moorage_kube.telemetry.events import Event

Publish: TypeAlias = Callable[[Event], Awaitable[None]]

# All that the API server says of a JSON patch whose test failed.
_TEST_FAILED = "the server rejected our request due to an error in our request"


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
            case AddFinalizer() | RemoveFinalizer():
                await self._finalizers(name, present=isinstance(action, AddFinalizer))
            case LabelNode() | UnlabelNode() | RemoveTaint():
                await self._change_node(action, observed)
            case EvictPod(pod):
                await self._evict(pod, observed)
            case WriteStatus():
                await self._write_status(action, observed)
            case Mutate():
                self._begin(name, action)
            case Reread(ip, after):
                self._reread_after(after, name, ip)
            case CountPods(node_names):
                await self._observer.counts.count(self._client, node_names)

    async def _finalizers(self, name: str, *, present: bool) -> None:
        view = self._observer.caches.allocations.get(name)
        if view is None:
            return
        others = [finalizer for finalizer in view.finalizers if finalizer != FINALIZER]
        meta = {
            "finalizers": [*others, FINALIZER] if present else others,
            # Somebody else's finalizer added meanwhile must not be lost.
            "resourceVersion": view.resource_version,
        }
        await self._patch_allocation(Target(name), {"metadata": meta})

    async def _write_status(self, action: WriteStatus, observed: Observed) -> None:
        view = self._observer.caches.allocations.get(observed.allocation.name)
        if view is None:
            return
        status: dict[str, Any] = {
            "observedGeneration": observed.allocation.generation,
            "reserved": len(observed.allocation.addresses) + len(observed.allocation.invalid),
            "bound": action.serving,
            "addresses": [record_to_wire(record) for record in action.records],
            "conditions": to_wire(action.conditions),
        }
        # A namesake made meanwhile is another object: it answers 409.
        meta = {"resourceVersion": view.resource_version, "uid": observed.allocation.uid}
        body = {"metadata": meta, "status": status}
        await self._patch_allocation(Target(observed.allocation.name, subresource="status"), body)

    async def _patch_allocation(self, target: Target, body: dict[str, Any]) -> None:
        raw = await self._client.patch(NETIPALLOCATIONS, target, body)
        # What we wrote is what we read next, before the watch tells it.
        self._observer.caches.allocations.update_known(raw)

    async def _change_node(self, change: NodeChange, observed: Observed) -> None:
        """A node that refuses is told of, and holds up nothing else."""
        name = change.node.name
        try:
            match change:
                case LabelNode(node, ip):
                    await self._mark(node, ip, observed.allocation.uid)
                case UnlabelNode(node):
                    await self._unmark(node)
                case RemoveTaint(node, key):
                    await self._remove_taint(node, key)
        except (Forbidden, Invalid) as error:
            self._observer.label_errors[name] = str(error)
        else:
            self._observer.label_errors.pop(name, None)

    async def _mark(self, node: Node, ip: str, owner: str) -> None:
        """Label a node; one that is gone needs none."""
        # The uid is a precondition: a node that only bears the name answers 409.
        labels = {READY_LABEL: "true", IP_LABEL: label_value(ip)}
        meta = {"uid": node.uid, "labels": labels, "annotations": {OWNER_ANNOTATION: owner}}
        await self._patch_node(Target(node.name), {"metadata": meta})

    async def _unmark(self, node: Node) -> None:
        """Take our labels off, unless another allocation has put its own there meanwhile."""
        labels = {key: node.labels[key] for key in (READY_LABEL, IP_LABEL) if key in node.labels}
        annotations = {OWNER_ANNOTATION: node.owner} if node.owner else {}
        operations = []
        for part, values in (("annotations", annotations), ("labels", labels)):
            for key, value in values.items():
                path = f"/metadata/{part}/{key.replace('/', '~1')}"
                operations.append({"op": "test", "path": path, "value": value})
                operations.append({"op": "remove", "path": path})
        await self._patch_as_seen(node, operations)

    async def _remove_taint(self, node: Node, key: str) -> None:
        """Take a taint off, whatever its effects, from behind: each one moves those after it."""
        operations = []
        for index in reversed(range(len(node.taints))):
            if node.taints[index] == key:
                path = f"/spec/taints/{index}"
                operations.append({"op": "test", "path": f"{path}/key", "value": key})
                operations.append({"op": "remove", "path": path})
        await self._patch_as_seen(node, operations)

    async def _patch_as_seen(self, node: Node, operations: list[dict[str, str]]) -> None:
        """Patch that very node; raises ``Conflict`` where it is not as these operations test."""
        same = {"op": "test", "path": "/metadata/uid", "value": node.uid}
        try:
            await self._patch_node(Target(node.name), [same, *operations])
        except Invalid as error:
            if _TEST_FAILED not in error.message:
                raise
            raise Conflict(409, "Conflict", error.message, error.what) from error

    async def _patch_node(self, target: Target, body: dict[str, Any] | list[Any]) -> None:
        with contextlib.suppress(NotFound):
            raw = await self._client.patch(NODES, target, body)
            self._observer.caches.nodes.update_known(raw)

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
        try:
            await self._client.create_under(PODS, *_eviction(pod))
        except (NotFound, Conflict):
            return  # that very pod is gone
        except (Throttled, Forbidden, Invalid, Unavailable) as error:
            told = note(observed, reasons.EVICTION_REFUSED.name, f"{pod} stays for now: {error}")
        else:
            message = f"{pod}, which holds no address of {observed.allocation.name}"
            told = note(observed, reasons.EVICTED.name, message)
        await self._publish(told)

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


def _eviction(pod: MisplacedPod) -> tuple[Target, dict[str, Any]]:
    """The subresource and the Eviction of that very pod; another one of its name answers 409."""
    namespace, _, name = pod.key.partition("/")
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
    return Target(name, namespace, "eviction"), body
