"""Events that do not affect an allocation, through the real caches and triggers."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from moorage_api.netipallocation import MAX_ADDRESSES
from moorage_core.caches import OF_THIS_PROCESS, Caches
from moorage_core.model import Observed
from moorage_core.projections import FINALIZER
from moorage_core.status import record_to_wire
from moorage_core.triggers import Triggers
from moorage_domain.nodes import Node

from .planner import at_rest, first_binding
from .report import step
from .rows import NO_SEED, Row

ROUNDS = 100


def idle_rows(sizes: Sequence[int]) -> list[Row]:
    """J3: how many keys such events enqueue, and what they cost by cluster size."""
    keys: dict[str, float] = {}
    costs: dict[str, list[str]] = {}
    with step("events that do not matter"):
        for size in sizes:
            for kind, event in IdleCaches(size).events().items():
                enqueued, microseconds = event()
                keys[kind] = max(keys.get(kind, 0.0), enqueued)
                costs.setdefault(kind, []).append(f"{size:,}: {microseconds:.0f} us")
    return [
        Row(
            f"J3{letter}",
            f"keys enqueued per {kind}",
            0.0,
            keys[kind],
            "",
            NO_SEED,
            f"CPU of one such event by nodes: {', '.join(costs[kind])}. The seed watches nothing:"
            " each of its passes pays for all nodes.",
        )
        for letter, kind in zip("bcde", keys, strict=True)
    ]


class IdleCaches:
    """All caches at rest, with half as many addresses as nodes, up to the limit of one object."""

    def __init__(self, nodes: int) -> None:
        settled = at_rest(first_binding(nodes, min(nodes // 2, MAX_ADDRESSES)))
        names = sorted(settled.nodes)
        self._holder, self._free = settled.nodes[names[0]], settled.nodes[names[-1]]
        self._keys: list[str] = []
        self._caches = Caches()
        self._caches.nodes.replace_all(_raw_node(node) for node in settled.nodes.values())
        self._caches.nodes.apply(_raw_node(Node("elsewhere", "uid-elsewhere")))
        self._caches.allocations.replace_all([_raw_allocation(settled)])
        Triggers(self._caches, self._keys.append)

    def events(self) -> dict[str, Callable[[], tuple[float, float]]]:
        """By kind: a function that measures keys per event and microseconds of CPU per event."""
        stores = self._caches
        return {
            "heartbeat of a node": lambda: self._measure(
                lambda number: stores.nodes.apply(_beat(self._holder, number))
            ),
            "label on a node outside the pool": lambda: self._measure(
                lambda number: stores.nodes.apply(_raw_node(_elsewhere(number)))
            ),
            "pod coming to a node without address": lambda: self._measure(
                lambda number: stores.pods.apply(_raw_pod(self._free, number))
            ),
            "pod coming to a healthy node with one": lambda: self._measure(
                lambda number: stores.pods.apply(_raw_pod(self._holder, number))
            ),
        }

    def _measure(self, event: Callable[[int], None]) -> tuple[float, float]:
        self._keys.clear()
        taken = []
        for number in range(ROUNDS):
            begun = time.process_time_ns()
            event(number)
            taken.append((time.process_time_ns() - begun) / 1000)
        return len(self._keys) / ROUNDS, statistics.median(taken)


def _elsewhere(number: int) -> Node:
    return Node("elsewhere", "uid-elsewhere", labels={"round": str(number)})


def _beat(node: Node, number: int) -> dict[str, Any]:
    beat = {"type": "Ready", "status": "True", "lastHeartbeatTime": str(number)}
    return _raw_node(node) | {"status": {"conditions": [beat]}}


def _raw_pod(node: Node, number: int) -> dict[str, Any]:
    name = f"{node.name}-{number}"
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"nodeName": node.name},
    }


def _raw_node(node: Node) -> dict[str, Any]:
    annotations = {"moorage.dev/owner": node.owner} if node.owner else {}
    labels = dict(node.labels)
    return {
        "metadata": {
            "name": node.name, "uid": node.uid, "labels": labels, "annotations": annotations,
        },
        "spec": {"providerID": node.provider_id},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip


def _raw_allocation(observed: Observed) -> dict[str, Any]:
    allocation = observed.allocation
    return {
        "metadata": {
            "name": allocation.name, "uid": allocation.uid, "generation": allocation.generation,
            "creationTimestamp": allocation.created, "resourceVersion": "1",
            "finalizers": [FINALIZER],
        },
        "spec": {
            "reservedIPs": list(allocation.addresses),
            "nodeSelector": dict(allocation.selector),
            "cloud": {"provider": allocation.provider},
        },
        "status": {
            "addresses": [
                OF_THIS_PROCESS.on(allocation.uid, record_to_wire(record))
                for record in observed.records
            ]
        },
    }  # fmt: skip
