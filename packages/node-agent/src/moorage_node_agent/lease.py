"""The Lease of the node: it lives, which links it has, and whether it holds or leaves."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import Conflict, KubeError, NotFound
from moorage_kube.client.kinds import LEASES, NODES
from moorage_node_agent.link.choose import for_lease, problem_of
from moorage_node_agent.link.model import Link
from moorage_node_agent.metrics import NetworkMetrics
from moorage_node_agent.proxy import ProxyHealth
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import AgentState, clock

logger = logging.getLogger(__name__)

PREFIX = "moorage-agent-"
LABEL = "moorage.dev/node-agent"
LINKS = "moorage.dev/links"
HOLD_SECONDS = "moorage.dev/hold-seconds"
LONGEST_HOLD = "moorage.dev/longest-hold-seconds"
DRAINING = "moorage.dev/draining"
PROXY = "moorage.dev/proxy"
WRITE_SECONDS = 2.0
_PROXY_WORDS = {True: "Healthy", False: "Unhealthy", None: "Unchecked"}


class NodeLease:
    """Writes the Lease; the controller judges it by when it changes, never by the times in it."""

    def __init__(
        self,
        client: Client,
        settings: NodeAgentSettings,
        identity: str,
        namespace: str,
        state: AgentState,
    ) -> None:
        self._client, self._identity = client, identity
        self._node, self._namespace = settings.node_name, namespace
        self._longest_hold = str(settings.hold_seconds)
        self._duration, self._renew = settings.lease_seconds, settings.renew_seconds
        self._withdraw = settings.policy().withdraw
        self._state = state
        self._target = Target(PREFIX + settings.node_name, namespace)
        self._changed = asyncio.Event()
        self._links = ""
        self._shown: tuple[Link, ...] = ()
        self._last = False
        self._turn = asyncio.Lock()
        self._version: str | None = None

    async def run(
        self, proxy: ProxyHealth, metrics: NetworkMetrics, refresh: Callable[[], None]
    ) -> None:
        """Renew for ever, and at once where a link or the proxy changes.

        It begins after the first pass: a node counts as alive only when nothing is left on it that
        another may have by now. ``refresh`` is called as each renewal begins, so that addresses in
        the kernel are never renewed later than the Lease was: a second later, and they would
        outlive it. With the policy Withdraw it is called once the renewal is surely stored.
        """
        await self._state.adopted.wait()
        while not self._last:
            begun = clock()
            if not self._withdraw:
                refresh()
            done = await self._try(lambda: self._annotations(proxy))
            if self._withdraw and done:
                refresh()
            metrics.renewals.labels("done" if done else "failed").inc()
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, begun + self._renew - clock())):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def look(self) -> None:
        """Renew at once if the links are not as last written."""
        # The tuple is another one only after links were read again.
        if self._links and self._state.links is not self._shown:
            self._shown = self._state.links
            if _links_text(self._shown) != self._links:
                self._changed.set()

    def renew_now(self) -> None:
        """Something that is written has changed."""
        self._changed.set()

    async def hold(self, seconds: int) -> bool:
        """Ask that nothing of this node is moved for a while; whether that is surely stored.

        Nothing is written after it, which would end it.
        """
        return await self._finally({HOLD_SECONDS: str(seconds), DRAINING: None})

    async def drain(self) -> bool:
        """Ask that everything is moved away; whether that is surely stored."""
        return await self._finally({HOLD_SECONDS: None, DRAINING: "true"})

    async def node_is_drained(self) -> bool:
        """Whether the node takes no pods any more, or is gone; a failed read says no."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                node = await self._client.get(NODES, self._node)
        except NotFound:
            return True
        except (KubeError, TimeoutError) as error:
            logger.warning("cannot see whether the node is drained: %s", error)
            return False
        return bool((node.get("spec") or {}).get("unschedulable"))

    async def delete(self) -> None:
        """Remove the Lease if this process wrote it last; raises a ``KubeError``."""
        found = await self._client.get(LEASES, self._target.name, self._namespace)
        if (found.get("spec") or {}).get("holderIdentity") == self._identity:
            meta = found["metadata"]
            version = meta.get("resourceVersion")
            await self._client.delete(
                LEASES, meta["name"], self._namespace, meta.get("uid"), version
            )

    def _annotations(self, proxy: ProxyHealth) -> dict[str, str | None]:
        self._links = _links_text(self._state.links)
        said = {LINKS: self._links, PROXY: _PROXY_WORDS[proxy.healthy]}
        said |= {LONGEST_HOLD: self._longest_hold}
        return {**said, HOLD_SECONDS: None, DRAINING: None}

    async def _finally(self, annotations: Mapping[str, str | None]) -> bool:
        """Write for the last time; once more where a renewal that was given up came first."""
        self._last = True
        for _ in range(2):
            if await self._try(lambda: annotations, last=True):
                return True
        return False

    async def _try(
        self, annotations: Callable[[], Mapping[str, str | None]], *, last: bool = False
    ) -> bool:
        async with self._turn:
            if self._last and not last:
                return False
            begun = clock()
            try:
                async with asyncio.timeout(WRITE_SECONDS):
                    await self._write(annotations())
            except (KubeError, TimeoutError) as error:
                # Whether it was stored is unknown, and so is the version.
                self._version = None if isinstance(error, Conflict) else self._version
                logger.warning("the Lease is not renewed: %s", str(error) or "no answer in time")
                return False
            # When it was begun: the controller may have seen it at any time since.
            self._state.lease_at = begun
            return True

    async def _write(self, annotations: Mapping[str, str | None]) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._duration,
            "renewTime": now,
        }
        meta: dict[str, Any] = {"labels": {LABEL: "true"}, "annotations": dict(annotations)}
        if self._version is not None:
            # So a renewal that was given up and arrives late cannot undo a hold.
            meta["resourceVersion"] = self._version
        try:
            raw = await self._client.patch(LEASES, self._target, {"metadata": meta, "spec": spec})
        except NotFound:
            self._version = None
            raw = await self._create(annotations, spec)
        self._version = raw["metadata"]["resourceVersion"]

    async def _create(
        self, annotations: Mapping[str, str | None], spec: Mapping[str, Any]
    ) -> dict[str, Any]:
        meta: dict[str, Any] = {
            "name": self._target.name,
            "namespace": self._namespace,
            "labels": {LABEL: "true"},
            "annotations": {key: one for key, one in annotations.items() if one is not None},
        }
        meta |= await self._owner()
        body = {"apiVersion": LEASES.api_version, "kind": LEASES.name, "metadata": meta}
        return await self._client.create(LEASES, body | {"spec": spec}, self._namespace)

    async def _owner(self) -> dict[str, Any]:
        """The Node, so that its Lease goes with it."""
        try:
            node = await self._client.get(NODES, self._node)
        except NotFound:
            return {}
        owner = {
            "apiVersion": NODES.api_version,
            "kind": NODES.name,
            "name": self._node,
            "uid": node["metadata"]["uid"],
        }
        return {"ownerReferences": [owner]}


def _links_text(links: tuple[Link, ...]) -> str:
    """The links that can have addresses, as JSON."""
    shown = [
        {
            "name": link.name,
            "mac": link.mac,
            "carrier": link.carrier,
            "subnets": list(link.subnets),
            "problem": problem_of(link, links),
        }
        for link in for_lease(links)
    ]
    return json.dumps(shown, separators=(",", ":"))
