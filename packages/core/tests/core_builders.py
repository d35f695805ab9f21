"""Objects as the API server sends them and values as decisions get them; only what differs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from moorage_core.actions import Mutate
from moorage_core.caches import OF_THIS_PROCESS
from moorage_core.decide.targets import stands_for_machine
from moorage_core.model import (
    AddressRecord,
    Allocation,
    Mutation,
    NodeReference,
    Observed,
    Outcome,
    Phase,
)
from moorage_core.status import record_to_wire
from moorage_domain.nodes import Node
from moorage_domain.taints import Taint
from moorage_provider.errors import CloudError
from moorage_provider.protocol import CloudAddress

DEADLINE = 10.0
IP1, IP2, IP3 = "203.0.113.10", "203.0.113.11", "203.0.113.12"
PROTECTED = "moorage.node-restriction.kubernetes.io"
MARKS = {
    "ip.ready": "true",
    "moorage.dev/ip": "203-0-113-10",
    f"{PROTECTED}/ip.ready": "true",
    f"{PROTECTED}/ip": "203-0-113-10",
}
"""The labels of a node that holds IP1."""
NOW = 1_800_000_000.0
UPTIME = 50_000.0  # far from NOW, so that mixing the clocks shows


def node_ref(name: str, uid: str = "") -> NodeReference:
    return NodeReference(name, uid or f"uid-{name}", f"memory://vm-{name}")


def tainted(*keys: str) -> tuple[Taint, ...]:
    """Taints of a node; a key may be followed by ``:<effect>``, by default NoSchedule."""
    parts = (key.partition(":") for key in keys)
    return tuple(Taint(key, effect=effect or "NoSchedule") for key, _, effect in parts)


def node(name: str, *taints: str, **fields: Any) -> Node:
    given: dict[str, Any] = {
        "uid": f"uid-{name}",
        "provider_id": f"memory://vm-{name}",
        "labels": {"pool": "a"},
        "taints": tainted(*taints),
    }
    return Node(name=name, **(given | fields))


def record(ip: str, node_name: str = "", **fields: Any) -> AddressRecord:
    """A record; with a node it is bound there."""
    bound: dict[str, Any] = {
        "phase": Phase.BOUND,
        "reason": "Bound",
        "node_ref": node_ref(node_name),
    }
    return AddressRecord(ip, **((bound if node_name else {}) | fields))


def allocation(*ips: str, name: str = "a", **fields: Any) -> Allocation:
    given: dict[str, Any] = {
        "uid": f"uid-{name}",
        "created": "2026-01-01T00:00:00Z",
        "generation": 1,
        "selector": (("pool", "a"),),
        "provider": "memory",
        "finalizer": True,
    }
    return Allocation(name=name, addresses=ips, **(given | fields))


def observed_with(*nodes: Node, one: Allocation | None = None, **fields: Any) -> Observed:
    """What is observed of an allocation of IP1 with these nodes, each on a machine of its own."""
    given: dict[str, Any] = {
        "allocation": one or allocation(IP1),
        "records": (),
        "now": NOW,
        "uptime": UPTIME,
        "nodes": {each.name: each for each in nodes},
        "by_machine": {f"vm-{each.name}": each.name for each in nodes},
        "machine_of": {each.provider_id: f"vm-{each.name}" for each in nodes},
        "owned": [each.name for each in nodes if each.owner == "uid-a"],
    }
    return Observed(**(given | fields))


def by_machine(
    nodes: Iterable[Node],
    machine_of: Mapping[str, str],
    records: tuple[AddressRecord, ...],
) -> dict[str, str]:
    """Node names by machine id, as they count for an allocation with these records."""
    machines = _of_machines(nodes, machine_of)
    return {one: stands_for_machine(found, records).name for one, found in machines.items()}


def shared_machines(nodes: Iterable[Node], machine_of: Mapping[str, str]) -> dict[str, list[str]]:
    """Machine ids that several nodes name -> the names of these."""
    machines = _of_machines(nodes, machine_of).items()
    return {one: sorted(n.name for n in found) for one, found in machines if len(found) > 1}


def _of_machines(nodes: Iterable[Node], machine_of: Mapping[str, str]) -> dict[str, list[Node]]:
    machines: dict[str, list[Node]] = {}
    for each in nodes:
        if machine_id := machine_of.get(each.provider_id):
            machines.setdefault(machine_id, []).append(each)
    return machines


def in_flight(
    mutation: Mutation = Mutation.ATTACH, ip: str = IP1, node_name: str = "n1"
) -> dict[str, Mutate]:
    """What is under way: one mutation for allocation ``a``."""
    ref = node_ref(node_name)
    address = CloudAddress(ip, f"res-{ip}", None)
    return {ip: Mutate(mutation, "a", ip, address, ref, f"vm-{node_name}", "request-1")}


def outcome(
    mutation: Mutation, error: CloudError | None = None, node_uid: str = "", retry_in: float = 0.0
) -> Outcome:
    """How a mutation for allocation ``a`` ended."""
    return Outcome(mutation, "a", error, node_uid, retry_in)


def raw_allocation(
    name: str,
    *ips: str,
    records: tuple[AddressRecord, ...] = (),
    spec: dict[str, Any] | None = None,
    **meta: Any,
) -> dict[str, Any]:
    """A NetIPAllocation of pool ``a``; ``meta`` goes into its metadata."""
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "generation": 1,
            "resourceVersion": "1",
            **meta,
        },
        "spec": {
            "reservedIPs": list(ips),
            "nodeSelector": {"pool": "a"},
            "cloud": {"provider": "memory"},
            **(spec or {}),
        },
        "status": {
            "addresses": [OF_THIS_PROCESS.on(f"uid-{name}", record_to_wire(one)) for one in records]
        },
    }


def raw_node(
    name: str,
    *,
    ready: bool = True,
    cordoned: bool = False,
    network_unavailable: bool = False,
    taints: Sequence[str] = (),
    **meta: Any,
) -> dict[str, Any]:
    """A node of pool ``a`` on a machine of its own; ``meta`` goes into its metadata."""
    given = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "labels": {"pool": "a"}}
    return {
        "metadata": given | meta,
        "spec": {"providerID": f"memory://vm-{name}"}
        | ({"unschedulable": True} if cordoned else {})
        | ({"taints": [{"key": key, "effect": "NoSchedule"} for key in taints]} if taints else {}),
        "status": {
            "conditions": [
                {"type": "Ready", "status": str(ready)},
                {"type": "NetworkUnavailable", "status": str(network_unavailable)},
            ]
        },
    }


def raw_pod(
    name: str, node_name: str, owner: str = "", kind: str = "ReplicaSet", **spec: Any
) -> dict[str, Any]:
    """A running pod in ``default``; ``owner`` is the uid of its controller."""
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "ownerReferences": owners(owner, kind),
        },
        "spec": {"nodeName": node_name} | spec,
        "status": {"phase": "Running"},
    }


ASKS: dict[str, Any] = {"nodeSelector": {"ip.ready": "true"}}
"""In the spec of a pod that runs only where an address is."""


def raw_owned(name: str, uid: str, owner: str = "") -> dict[str, Any]:
    """A workload or ReplicaSet in ``default``; ``owner`` is the uid of its controller."""
    return {
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": uid,
            "ownerReferences": owners(owner, "Deployment"),
        }
    }


def owners(uid: str, kind: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "name": "owner", "uid": uid, "controller": True}] if uid else []


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait until the condition holds; fails after ten seconds."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited for {what}"
        await asyncio.sleep(0.002)
