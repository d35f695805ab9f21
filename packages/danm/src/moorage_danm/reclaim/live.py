"""Live: what the API server says now of a node, its Lease and a pod, taken into the caches."""

from __future__ import annotations

import asyncio
import time

from moorage_danm.caches import Caches
from moorage_danm.model.lease import lease_key
from moorage_danm.names import NODE_LEASES
from moorage_kube.client.client import Client
from moorage_kube.client.kinds import LEASES, NODES, PODS
from moorage_kube.client.lookup import look_up

FRESH_SECONDS = 1.0
"""Hundreds of endpoints of one node are freed at once; it is asked for once a second."""


class Live:
    """Asks, and gives the answers to the stores; raises what the API server answers."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches
        self._asked: dict[str, tuple[float, asyncio.Task[None]]] = {}

    async def node(self, name: str) -> None:
        """The node and its Lease, as they were a second ago at most."""
        if not name:
            return
        at, asked = self._asked.get(name, (0.0, None))
        if asked is None or time.monotonic() - at >= FRESH_SECONDS or _failed(asked):
            asked = asyncio.create_task(self._ask(name), name=f"asking for node {name}")
            self._asked = {key: one for key, one in self._asked.items() if _is_fresh(one[0])}
            self._asked[name] = (time.monotonic(), asked)
        # Who waits may be cancelled; the others wait on.
        await asyncio.shield(asked)

    async def pod(self, namespace: str, name: str) -> None:
        """A pod."""
        store, key = self._caches.pods, f"{namespace}/{name}"
        before = store.get(key)
        raw = await look_up(self._client, PODS, name, namespace)
        if raw is not None:
            store.apply(raw)
        elif before is not None:
            store.forget(key, before.uid)

    async def _ask(self, name: str) -> None:
        node, lease = self._caches.nodes.get(name), self._caches.leases.get(lease_key(name))
        raw_node = await look_up(self._client, NODES, name)
        raw_lease = await look_up(self._client, LEASES, name, NODE_LEASES)
        # What came in between stays: only what was known before can have gone.
        if raw_node is not None:
            self._caches.nodes.apply(raw_node)
        elif node is not None:
            self._caches.nodes.forget(name, node.uid)
        if raw_lease is not None:
            self._caches.leases.apply(raw_lease)
        elif lease is not None:
            self._caches.leases.forget(lease_key(name), lease.uid)


def _is_fresh(at: float) -> bool:
    return time.monotonic() - at < FRESH_SECONDS


def _failed(asked: asyncio.Task[None]) -> bool:
    return asked.done() and (asked.cancelled() or asked.exception() is not None)
