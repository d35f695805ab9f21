"""Very many allocations that wait: how much CPU is used in one piece while a node changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from moorage_core import reasons
from moorage_core.caches import Caches
from moorage_core.decide.allocation import decide
from moorage_core.model import AddressRecord, NodeReference, Phase
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.projections import FINALIZER
from moorage_core.scopes import Scopes
from moorage_core.status import record_to_wire
from moorage_core.triggers import Triggers
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.reconcile.queue import WorkQueue
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider
from moorage_testing.waiting import wait_for_async

from .report import step
from .rows import NO_SEED, Row

ALLOCATIONS = 10_000
NODES = 500
MOST_MS = 50.0
WORKERS = 8
READ_SECONDS = 120.0
PASSES = 500
"""After a change so many of the waiting allocations are looked at, then it is enough."""


def piece_rows() -> list[Row]:
    """J3f, J3g: the longest time without a turn for others, such as whoever renews the Lease."""
    with step(f"{ALLOCATIONS:,} allocations, of which {ALLOCATIONS - NODES:,} wait"):
        trigger, passes = asyncio.run(_measured())
    note = f"{ALLOCATIONS:,} allocations of one address each, {NODES:,} nodes, {WORKERS} workers"
    return [
        Row("J3f", "CPU in one piece: a node changes", MOST_MS, trigger, "ms", NO_SEED, note),
        Row(
            "J3g", "CPU in one turn: those that wait are looked at", MOST_MS, passes, "ms",
            NO_SEED, f"{note}; {PASSES:,} passes, as many in a turn as there are workers",
        ),
    ]  # fmt: skip


class _Crowd:
    """All caches, with more allocations than nodes."""

    def __init__(self) -> None:
        self.caches, self.queue = Caches(), WorkQueue()
        cloud = MemoryCloud()
        self.scopes = Scopes(lambda *_: MemoryProvider(cloud), lambda _: None)
        pending = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(WORKERS))
        self._observer = Observer(self.caches, self.scopes, pending, Assumed())
        self.passes = 0
        for number in range(NODES):
            cloud.add_machine(f"vm-{number}")
            self.caches.nodes.apply(raw_node(number))
        for number in range(ALLOCATIONS):
            cloud.add_address(_ip(number))
            if number < NODES:
                cloud.assign(_ip(number), f"vm-{number}")
            self.caches.allocations.apply(_raw_allocation(number))
        Triggers(self.caches, self.queue.add)

    async def settle(self) -> None:
        """Have every address read, and every status say so."""
        for number in range(ALLOCATIONS):
            self._observer.observe(f"a{number}")
        await wait_for_async(self._all_read, READ_SECONDS, "all to be read", interval_seconds=0.1)
        for number in range(ALLOCATIONS):
            raw = _raw_allocation(number, version=2)
            raw["status"]["addresses"] = [record_to_wire(_record(number))]
            self.caches.allocations.apply(raw)

    async def _all_read(self) -> bool:
        return self.scopes.all_read()

    async def handle(self, name: str) -> None:
        """One pass without its writes."""
        observed = self._observer.observe(name)
        assert observed is not None
        decide(observed)
        self.passes += 1


async def _measured() -> tuple[float, float]:
    """Milliseconds of CPU: the change itself, then the longest turn of those that follow."""
    crowd = _Crowd()
    await crowd.settle()
    cordoned = raw_node(5, version=3)
    cordoned["spec"]["unschedulable"] = True
    begun = time.process_time_ns()
    crowd.caches.nodes.apply(cordoned)
    trigger = (time.process_time_ns() - begun) / 1e6
    crowd.passes = 0
    working = asyncio.create_task(crowd.queue.run(crowd.handle, WORKERS))
    longest = await _longest_turn(lambda: crowd.passes >= PASSES, lambda: asyncio.sleep(0))
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await crowd.scopes.close()
    return trigger, longest


async def _longest_turn(over: Callable[[], bool], turn: Callable[[], Awaitable[None]]) -> float:
    longest, before = 0.0, time.process_time_ns()
    while not over():
        await turn()
        now = time.process_time_ns()
        longest, before = max(longest, (now - before) / 1e6), now
    return longest


def _record(number: int) -> AddressRecord:
    """The first ones are on nodes, the others wait for one."""
    if number >= NODES:
        return AddressRecord(_ip(number), Phase.WAITING, reasons.NO_ELIGIBLE_NODE.name)
    node_ref = NodeReference(f"n{number}", f"uid-n{number}", f"memory://vm-{number}")
    return AddressRecord(_ip(number), Phase.BOUND, reasons.BOUND.name, node_ref=node_ref)


def _ip(number: int) -> str:
    return f"8.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def raw_node(number: int, version: int = 1) -> dict[str, Any]:
    """A healthy node of the pool."""
    labels = {"pool": "edge", "topology.kubernetes.io/zone": f"z{number % 3}"}
    return {
        "metadata": {
            "name": f"n{number}", "uid": f"uid-n{number}", "labels": labels,
            "resourceVersion": f"{version}",
        },
        "spec": {"providerID": f"memory://vm-{number}"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip


def _raw_allocation(number: int, version: int = 1) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"a{number}", "uid": f"uid-a{number}", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": f"{version}",
            "finalizers": [FINALIZER],
        },
        "spec": {
            "reservedIPs": [_ip(number)], "nodeSelector": {"pool": "edge"},
            "cloud": {"provider": "memory"}, "reconcileInterval": 86_400,
        },
        "status": {"observedGeneration": 1},
    }  # fmt: skip
