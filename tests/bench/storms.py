"""A cloud API that fails in every way: no label is removed and no pod evicted (T10)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

from moorage_testing.waiting import wait_for_async

from .audit import WRITES, ApiCall
from .clouds import Cloud, Refusal
from .drains import Status, delete_pod, held, moved, until, watched
from .emulated import CloudCall
from .fleet import ALLOCATION, Fleet, node_name
from .options import Options
from .planner import ip_text
from .report import step
from .rows import How, Row, Seed

_DEADLINE_SECONDS = 90.0
_REPLICASET = "/apis/apps/v1/namespaces/default/replicasets/edge-1"
_LABELLED_NODES = "/api/v1/nodes?labelSelector=ip.ready%3Dtrue"


@dataclass(frozen=True, slots=True)
class Storm:
    """The observations while every call to the cloud failed.

    Attributes:
        kind: how they failed.
        calls: those calls.
        api_calls: the controller's requests to the API server.
        labels_lost: nodes that had the label of an address before it and not after it.
        recovery_seconds: from its end until an address drained in it was on another node.
    """

    kind: str
    calls: Sequence[CloudCall]
    api_calls: Sequence[ApiCall]
    labels_lost: int
    recovery_seconds: float

    @property
    def disturbances(self) -> Counter[str]:
        """Requests that may have removed a label or a pod; there must be none."""
        disturbing = Counter(str(call) for call in self.api_calls if _may_disturb(call))
        return disturbing + Counter({"label lost": self.labels_lost})


def storm_rows(fleet: Fleet, options: Options) -> list[Row]:
    """One storm after the other, each with a drained node and a pod that could be evicted."""
    cloud = fleet.cloud.cloud
    storms = []
    _set_evictions(fleet, on=True)
    for number, (kind, fault) in enumerate(_faults(cloud).items()):
        with step(f"{options.storm} s in which every call is {kind}"):
            storms.append(asyncio.run(_storm(fleet, ip_text(number), kind, fault, options.storm)))
    _set_evictions(fleet, on=False)
    disturbances = sum((storm.disturbances for storm in storms), Counter[str]())
    return [
        Row(
            "T10", "label losses and evictions, API failing", 0.0, float(disturbances.total()), "",
            Seed(None, How.DESCRIBED), _note(storms, disturbances), cloud.name,
        )
    ]  # fmt: skip


def _faults(cloud: Cloud) -> dict[str, Mapping[str, Any]]:
    """Every way to fail, as faults of the emulator."""

    def refused(refusal: Refusal) -> Mapping[str, Any]:
        return {"op": ".*", "status": refusal.status, "code": refusal.code}

    return {
        "throttled": refused(cloud.throttles),
        "denied": refused(cloud.denies),
        "failing": refused(cloud.fails),
        "dropped": {"op": ".*", "drop": "before"},
    }


async def _storm(fleet: Fleet, ip: str, kind: str, fault: Mapping[str, Any], seconds: int) -> Storm:
    async with watched(fleet) as status:
        node = await held(fleet, status, ip)
        labelled, mark, begun = _labelled(fleet), fleet.audit.mark(), monotonic()
        with fleet.cloud.struck(fault):
            await _unknown(fleet, status)
            # Two reasons to act while the state is unknown: a drain, and a pod on a node without an
            # address.
            await asyncio.to_thread(delete_pod, fleet, node)
            await asyncio.to_thread(_add_misplaced_pod, fleet, status)
            await asyncio.sleep(seconds)
            calls = await asyncio.to_thread(fleet.cloud.calls, begun)
            api_calls, lost = fleet.audit.since(mark), labelled - _labelled(fleet)
            over = fleet.audit.mark()
        ended = monotonic()
        at = await moved(fleet, status, ip, node)
        await _evicted(fleet, over)
        await until(
            fleet,
            lambda: not status.addresses[ip].restore_pending,
            f"{node} to have its own address",
        )
    return Storm(kind, calls, api_calls, len(lost), at - ended)


async def _unknown(fleet: Fleet, status: Status) -> None:
    """Wait until the controller has noticed: until then its last read is still valid."""

    def unknown() -> bool:
        return all(address.phase == "Unknown" for address in status.addresses.values())

    await until(fleet, unknown, "every address to be unknown", _DEADLINE_SECONDS)


async def _evicted(fleet: Fleet, mark: int) -> None:
    """Wait for the eviction that is due once the state is known: it proves that the log shows
    evictions."""

    async def evicted() -> bool:
        return any(call.subresource == "eviction" for call in fleet.audit.since(mark))

    await wait_for_async(evicted, _DEADLINE_SECONDS, "the misplaced pod to be evicted after all")


def _may_disturb(call: ApiCall) -> bool:
    return call.verb in WRITES and call.resource in ("nodes", "pods")


def _labelled(fleet: Fleet) -> set[str]:
    """The nodes with the label of an address."""
    return {
        node["metadata"]["name"] for node in fleet.cluster.request("GET", _LABELLED_NODES)["items"]
    }


def _set_evictions(fleet: Fleet, *, on: bool) -> None:
    fleet.cluster.request("PATCH", ALLOCATION, {"spec": {"evictMisplacedPods": on}})


def _add_misplaced_pod(fleet: Fleet, status: Status) -> None:
    """Create a workload pod on a node without an address, against its affinity."""
    taken = {address.node for address in status.addresses.values()}
    last = len(fleet.cloud.instances) - 1
    node = next(name for name in map(node_name, range(last, -1, -1)) if name not in taken)
    uid = fleet.cluster.request("GET", _REPLICASET)["metadata"]["uid"]
    owner = {
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "edge-1", "uid": uid,
        "controller": True,
    }  # fmt: skip
    name = f"misplaced-{monotonic():.0f}"
    fleet.cluster.request("POST", "/api/v1/namespaces/default/pods", {
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {
            "nodeName": node, "nodeSelector": {"ip.ready": "true"},
            "containers": [{"name": "main", "image": "fake"}],
        },
    })  # fmt: skip


def _note(storms: Sequence[Storm], disturbances: Counter[str]) -> str:
    failed = ", ".join(f"{len(storm.calls)} calls {storm.kind}" for storm in storms)
    back = ", ".join(f"{storm.recovery_seconds:.1f} s" for storm in storms)
    text = ", ".join(f"{count} {what}" for what, count in sorted(disturbances.items())) or "none"
    return (
        f"writes to nodes, evictions and deletions of pods in the API server's audit log while"
        f" every call to the cloud failed ({failed}), and labels missing afterwards: {text}."
        " In each storm a node with an address was drained and a pod of the workload ran on a node"
        " without one, with evictMisplacedPods on; that pod was evicted when the storm was over,"
        f" so the log would have told. The drained addresses were on other nodes {back} after"
        " the storms. The seed takes a failed read for an absent address: labels go and pods are"
        " deleted (described)."
    )
