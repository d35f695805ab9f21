"""The only writes of the controller: status, finalizer, node labels, and mutations of the cloud."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from moorage_core.decide.marks import IP_LABEL, OWNER_ANNOTATION, READY_LABEL
from moorage_core.model import (
    Action,
    AddFinalizer,
    MarkNode,
    Mutate,
    Observed,
    RemoveFinalizer,
    Reread,
    UnmarkNode,
    WriteStatus,
)
from moorage_core.observe import Observer
from moorage_core.projections import FINALIZER, record_to_wire
from moorage_domain.addresses import label_value
from moorage_domain.nodes import Node
from moorage_kube.client import Client, Target
from moorage_kube.conditions import to_wire
from moorage_kube.errors import Conflict, Forbidden, Invalid, NotFound
from moorage_kube.kinds import NETIPALLOCATIONS, NODES

# All that the API server says of a JSON patch whose test failed.
_TEST_FAILED = "the server rejected our request due to an error in our request"


class Actor:
    """Carries out the actions of one plan, in order."""

    def __init__(self, client: Client, observer: Observer) -> None:
        self._client = client
        self._observer = observer
        self._rereads: dict[str, asyncio.TimerHandle] = {}

    async def act(self, action: Action, world: Observed) -> None:
        """Carry out one action; every one may be repeated."""
        name = world.allocation.name
        match action:
            case AddFinalizer():
                await self._finalizers(name, present=True)
            case RemoveFinalizer():
                await self._finalizers(name, present=False)
            case MarkNode(node, ip):
                await self._try(node.name, self._mark(node, ip, world.allocation.uid))
            case UnmarkNode(node):
                await self._try(node.name, self._unmark(node))
            case WriteStatus():
                await self._write_status(action, world)
            case Mutate():
                self._begin(name, action)
            case Reread(ip, after):
                self._reread_after(after, name, ip)

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

    async def _write_status(self, action: WriteStatus, world: Observed) -> None:
        view = self._observer.caches.allocations.get(world.allocation.name)
        if view is None:
            return
        status: dict[str, Any] = {
            "observedGeneration": world.allocation.generation,
            "reserved": len(world.allocation.addresses) + len(world.allocation.invalid),
            "bound": action.serving,
            "addresses": [record_to_wire(record) for record in action.records],
            "conditions": to_wire(action.conditions),
        }
        # A namesake made meanwhile is another object: it answers 409.
        meta = {"resourceVersion": view.resource_version, "uid": world.allocation.uid}
        body = {"metadata": meta, "status": status}
        await self._patch_allocation(Target(world.allocation.name, subresource="status"), body)

    async def _patch_allocation(self, target: Target, body: dict[str, Any]) -> None:
        raw = await self._client.patch(NETIPALLOCATIONS, target, body)
        # What we wrote is what we read next, before the watch tells it.
        self._observer.caches.allocations.update_known(raw)

    async def _try(self, node_name: str, change: Coroutine[Any, Any, None]) -> None:
        """A node that refuses a label is told of, and holds up nothing else."""
        try:
            await change
        except (Forbidden, Invalid) as error:
            self._observer.label_errors[node_name] = str(error)
        else:
            self._observer.label_errors.pop(node_name, None)

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
        operations = [{"op": "test", "path": "/metadata/uid", "value": node.uid}]
        for part, values in (("annotations", annotations), ("labels", labels)):
            for key, value in values.items():
                path = f"/metadata/{part}/{key.replace('/', '~1')}"
                operations.append({"op": "test", "path": path, "value": value})
                operations.append({"op": "remove", "path": path})
        try:
            await self._patch_node(Target(node.name), operations)
        except Invalid as error:
            if _TEST_FAILED not in error.message:
                raise
            raise Conflict(409, "Conflict", error.message, error.what) from error

    async def _patch_node(self, target: Target, body: dict[str, Any] | list[Any]) -> None:
        with contextlib.suppress(NotFound):
            raw = await self._client.patch(NODES, target, body)
            self._observer.caches.nodes.update_known(raw)

    def _begin(self, name: str, mutate: Mutate) -> None:
        scope = self._observer.scopes.of(name)
        if scope is not None:
            self._observer.operations.begin(scope.provider, mutate, scope.pace)

    def _reread_after(self, seconds: float, name: str, ip: str) -> None:
        """One timer for an address, however often it is asked for."""
        if ip not in self._rereads:
            loop = asyncio.get_running_loop()
            self._rereads[ip] = loop.call_later(seconds, self._reread, name, ip)

    def _reread(self, name: str, ip: str) -> None:
        self._rereads.pop(ip, None)
        if (scope := self._observer.scopes.of(name)) is not None:
            scope.invalidate([ip])
