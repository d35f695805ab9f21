"""Drains, one by one, measured in the cluster: from the last pod's end to the bound address."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_kube.client.client import Client, ListQuery, Target
from moorage_kube.client.connection import load_connection
from moorage_kube.client.errors import KubeError
from moorage_kube.client.kinds import NODES
from moorage_testing.waiting import wait_for_async

from .fleet import Fleet
from .report import say

_MOVE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Drain:
    """One move as observed in the cluster; seconds of the machine's monotonic clock."""

    ip: str
    drained: float
    bound: float


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """An entry of ``status.addresses``.

    Attributes:
        phase: its phase.
        node: where it is, or is going.
        at: since when both are so, in seconds of the machine's monotonic clock.
        restore_pending: whether a node that it left still waits for its own address.
    """

    phase: str
    node: str
    at: float
    restore_pending: bool


@dataclass(slots=True)
class Status:
    """``status.addresses``, kept up to date by a watch."""

    client: Client
    addresses: dict[str, AddressStatus] = field(default_factory=dict)

    async def follow(self) -> None:
        """Follow the watch for ever."""
        query = ListQuery(field_selector="metadata.name=edge")
        while True:
            with contextlib.suppress(KubeError):
                version = ""
                async for page in self.client.pages(NETIPALLOCATIONS, query):
                    version = page.resource_version
                    for raw in page.items:
                        self._take(raw)
                async for event in self.client.watch(NETIPALLOCATIONS, query, version):
                    if event.type == "MODIFIED":
                        self._take(event.object)

    def is_in(self, ip: str, phase: str) -> bool:
        """Whether an address is in a phase."""
        return ip in self.addresses and self.addresses[ip].phase == phase

    def _take(self, raw: dict[str, Any]) -> None:
        now = time.monotonic()
        for entry in raw.get("status", {}).get("addresses", ()):
            phase, node = entry["phase"], entry.get("nodeName", "")
            restore_pending = any(other["nodeName"] != node for other in entry.get("owed", ()))
            before = self.addresses.get(entry["ip"])
            same = before is not None and (before.phase, before.node) == (phase, node)
            at = before.at if before is not None and same else now
            self.addresses[entry["ip"]] = AddressStatus(phase, node, at, restore_pending)


def drain_all(fleet: Fleet, ips: Sequence[str]) -> list[Drain]:
    """Drain the node of each of these, one after the other has settled."""
    return asyncio.run(_drain_all(fleet, ips))


async def _drain_all(fleet: Fleet, ips: Sequence[str]) -> list[Drain]:
    drains: list[Drain] = []
    async with watched(fleet) as status:
        for number, ip in enumerate(ips, 1):
            drains.append(await _drain(fleet, status, ip))
            if number % 10 == 0:
                say(f"{number} of {len(ips)} drained")
    return drains


@contextlib.asynccontextmanager
async def watched(fleet: Fleet) -> AsyncIterator[Status]:
    """The status, kept up to date while the block runs."""
    async with Client(load_connection(str(fleet.cluster.kubeconfig)), "moorage-bench") as client:
        status = Status(client)
        following = asyncio.create_task(status.follow())
        try:
            yield status
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


async def _drain(fleet: Fleet, status: Status, ip: str) -> Drain:
    """Cordon the node, wait until the address is held, delete the workload's pod, wait for the
    move."""
    node = await held(fleet, status, ip)
    drained = await asyncio.to_thread(delete_pod, fleet, node)
    bound = await moved(fleet, status, ip, node)
    await until(
        fleet,
        lambda: not status.addresses[ip].restore_pending,
        f"{node} to have its own address again",
    )
    return Drain(ip, drained, bound)


async def held(fleet: Fleet, status: Status, ip: str) -> str:
    """Cordon the node of an address; return the node once the address is held for its pod."""
    await until(fleet, lambda: status.is_in(ip, "Bound"), f"{ip} to be bound before its move")
    node = status.addresses[ip].node
    await status.client.patch(NODES, Target(node), {"spec": {"unschedulable": True}})
    await until(fleet, lambda: status.is_in(ip, "Holding"), f"{ip} to be held on {node}")
    return node


async def moved(fleet: Fleet, status: Status, ip: str, node: str) -> float:
    """Wait until an address is bound on another node; return the time since when it is."""

    def elsewhere() -> bool:
        return status.is_in(ip, "Bound") and status.addresses[ip].node != node

    await until(fleet, elsewhere, f"{ip} to leave {node}")
    return status.addresses[ip].at


async def until(
    fleet: Fleet, condition: Callable[[], bool], what: str, seconds: float = _MOVE_SECONDS
) -> None:
    """Wait for a condition while the controller runs."""

    async def holds() -> bool:
        fleet.process  # noqa: B018 - raises with its log once it is dead
        return condition()

    await wait_for_async(holds, seconds, what, interval_seconds=0.02)


def delete_pod(fleet: Fleet, node: str) -> float:
    """Remove the workload's pod of a node at once; return when the API server acknowledged it."""
    path = f"/api/v1/namespaces/default/pods/edge-{node}"
    fleet.cluster.request("DELETE", path, {"gracePeriodSeconds": 0})
    return time.monotonic()
