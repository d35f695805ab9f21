"""What one changed node costs the core where there are very many allocations (FW)."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from moorage_core.caches import OF_THIS_PROCESS, Caches
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import labels_for
from moorage_core.model import AddressRecord, Awaited, NodeReference, Phase
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.scopes import Scopes
from moorage_core.status import record_to_wire
from moorage_core.triggers import Triggers
from moorage_kube.reconcile.assumed import Assumed
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

from .planner import ip_text
from .report import step
from .rows import NO_SEED, Row

TARGET_MS = 1.0
_CHANGES = 300


def change_rows(objects: int) -> list[Row]:
    """As many nodes as allocations, each with one address, all at rest; no API server."""
    with step(f"a changed node among {objects:,} allocations"):
        milliseconds, passes = asyncio.run(_measure(objects))
    return [
        Row(
            "FWe", f"CPU of one node change in the core, {objects:,} allocations", TARGET_MS,
            milliseconds, "ms", NO_SEED,
            f"trigger, observe and decide, mean of {_CHANGES} cordoned nodes; each concerns"
            f" {passes / _CHANGES:g} allocation. {objects:,} nodes; in this process, without an"
            " API server.",
        )
    ]  # fmt: skip


async def _measure(objects: int) -> tuple[float, int]:
    """Milliseconds a change, and how many passes all changes led to."""
    cloud, caches, keys = MemoryCloud(), Caches(), dict[str, None]()
    Triggers(caches, lambda name: keys.update({name: None}))
    scopes = Scopes(lambda *_: MemoryProvider(cloud), lambda _: None)
    mutations = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(1))
    observer = Observer(caches, scopes, mutations, Assumed())
    for number in range(objects):
        _add(number, cloud, caches)
    for number in range(objects):
        observer.observe(_name(number))
    while not _is_read(observer, objects):  # noqa: ASYNC110 - the scope reads in its own task
        await asyncio.sleep(0.05)
    keys.clear()
    passes, begun = 0, time.process_time()
    for number in range(min(_CHANGES, objects)):
        caches.nodes.apply(_node(number, cordoned=True))
        for name in keys:
            observed = observer.observe(name)
            passes += observed is not None and bool(decide(observed).reason)
        keys.clear()
    spent = time.process_time() - begun
    await scopes.close()
    if not passes:
        raise AssertionError("no node change led to a decision: nothing was measured")
    return spent * 1000 / min(_CHANGES, objects), passes


def _is_read(observer: Observer, objects: int) -> bool:
    observed = observer.observe(_name(objects - 1))
    return observed is not None and Awaited() not in observed.cloud_states.values()


def _add(number: int, cloud: MemoryCloud, caches: Caches) -> None:
    ip, machine = ip_text(number), f"vm-{number:05}"
    cloud.add_machine(machine)
    cloud.add_address(ip)
    cloud.assign(ip, machine)
    caches.nodes.apply(_node(number))
    caches.allocations.apply(_allocation(number, ip))


def _name(number: int) -> str:
    return f"edge-{number:05}"


def _node(number: int, *, cordoned: bool = False) -> dict[str, Any]:
    name = f"node-{number:05}"
    labels = {"pool": _name(number)} | labels_for(ip_text(number))
    annotations = {"moorage.dev/owner": f"uid-{_name(number)}"}
    return {
        "metadata": {
            "name": name, "uid": f"uid-{name}", "labels": labels, "annotations": annotations,
            "resourceVersion": "2" if cordoned else "1",
        },
        "spec": {
            "providerID": MemoryCloud.provider_id(f"vm-{number:05}"), "unschedulable": cordoned,
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip


def _written(name: str, record: AddressRecord) -> dict[str, Any]:
    """An entry of an allocation's status as the controller itself wrote it."""
    return OF_THIS_PROCESS.on(f"uid-{name}", record_to_wire(record))


def _allocation(number: int, ip: str) -> dict[str, Any]:
    name, node = _name(number), f"node-{number:05}"
    ref = NodeReference(node, f"uid-{node}", MemoryCloud.provider_id(f"vm-{number:05}"))
    record = AddressRecord(ip, Phase.BOUND, "Bound", f"on node {node}", ref)
    return {
        "metadata": {
            "name": name, "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["moorage.dev/release"],
        },
        "spec": {
            "reservedIPs": [ip], "nodeSelector": {"pool": name}, "cloud": {"provider": "memory"},
        },
        "status": {"observedGeneration": 1, "addresses": [_written(name, record)]},
    }  # fmt: skip
