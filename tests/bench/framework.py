"""What the framework costs a controller, beside what the API server allows (FW).

The same writes are made twice in one run: by a bare loop that only sends them, and by a controller
that observes, decides and writes. Both have as many requests under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from moorage_kube.client.client import Client, Target
from moorage_kube.client.connection import Connection, load_connection
from moorage_kube.client.errors import NotFound
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.manager import garbage
from moorage_kube.manager.lifecycle import Lifecycle
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.settings import CommonSettings
from moorage_testing.cluster import EmbeddedCluster

from . import widgets
from .report import step
from .rows import NO_SEED, Row

SHARE_TARGET = 1 / 0.6
"""The bare loop may be so many times as fast: the controller reaches 60 % of its rate."""
NODE_TARGET_MS = 1.0
RESTART_TARGET_SECONDS = 5.0
WORKERS = 16
_WRITES = 4  # finalizer, status, child, status
_NODES = 1000
_NODE_CHANGES = 300
_PATIENCE_SECONDS = 900.0
_MOST_BARE = 1500


@dataclass(frozen=True, slots=True)
class Converged:
    """A run of the controller from its start to rest."""

    seconds: float
    writes: int


class WidgetSettings(CommonSettings):
    """No election: nothing but the controller's own writes."""

    prog: ClassVar[str] = "moorage-widgets"


def framework_rows(objects: int) -> list[Row]:
    """Measure on a control plane of its own."""
    with EmbeddedCluster.start(kwok=False) as cluster:
        cluster.apply([widgets.manifest()])
        cluster.apply(
            [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": widgets.NAMESPACE}}]
        )
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        return asyncio.run(_measure(load_connection(str(cluster.kubeconfig)), objects))


async def _measure(connection: Connection, objects: int) -> list[Row]:
    async with Client(connection, user_agent="bench") as client:
        with step("a bare loop of the same writes"):
            bare = await _bare_rate(client, min(objects, _MOST_BARE))
        with step(f"creating {objects:,} widgets"):
            await _create(client, (f"w-{number:05}" for number in range(objects)))
        with step("converging"):
            async with _running(connection) as (lifecycle, controller):
                first = await _converged(lifecycle, controller, objects)
                with step("node changes"):
                    node_ms = await _node_change_ms(controller)
        with step("restarting"):
            async with _running(connection) as (lifecycle, controller):
                again = await _converged(lifecycle, controller, objects)
    rate = first.writes / first.seconds
    size = f"{objects:,} objects"
    return [
        Row(
            "FWa", f"bare loop's writes/s per controller's, {size}", SHARE_TARGET, bare / rate, "",
            NO_SEED,
            f"{rate:,.0f} writes/s with the controller, {bare:,.0f} without: "
            f"{rate / bare:.0%} of the API server's own limit; {first.writes:,} writes in"
            f" {first.seconds:.1f} s, {WORKERS} under way.",
        ),
        Row(
            "FWb", f"CPU of one node change, {size}", NODE_TARGET_MS, node_ms, "ms", NO_SEED,
            f"trigger and pass, mean of {_NODE_CHANGES}; {max(1, objects // _NODES)} objects are"
            " on a node.",
        ),
        Row(
            "FWc", f"restart with everything converged, {size}", RESTART_TARGET_SECONDS,
            again.seconds, "s", NO_SEED, "from the first request to the last pass.",
        ),
        Row("FWd", f"writes of that restart, {size}", 0.0, float(again.writes), "", NO_SEED),
    ]  # fmt: skip


async def _bare_rate(client: Client, objects: int) -> float:
    """Writes per second of a loop that knows what to send, so many under way at once."""
    raws = await _create(client, (f"bare-{number:05}" for number in range(objects)))

    async def write(raw: dict[str, Any]) -> None:
        meta = raw["metadata"]
        name, uid = meta["name"], meta["uid"]
        target, status = Target(name, widgets.NAMESPACE), Target(name, widgets.NAMESPACE, "status")
        finalizers = {"metadata": {"uid": uid, "finalizers": [widgets.FINALIZER]}}
        await client.patch(widgets.WIDGETS, target, finalizers)
        await client.patch(widgets.WIDGETS, status, _status("Creating"))
        child = widgets.child_of(name, uid)
        await client.create(CONFIGMAPS, child, widgets.NAMESPACE)
        await client.patch(widgets.WIDGETS, status, _status("Created"))

    begun = time.perf_counter()
    await in_parallel(write, raws)
    rate = len(raws) * _WRITES / (time.perf_counter() - begun)

    async def remove(raw: dict[str, Any]) -> None:
        name = raw["metadata"]["name"]
        bare = Target(name, widgets.NAMESPACE)
        await client.patch(widgets.WIDGETS, bare, {"metadata": {"finalizers": None}})
        await client.delete(widgets.WIDGETS, name, widgets.NAMESPACE)
        with contextlib.suppress(NotFound):  # its owner is gone, and it may be, too
            await client.delete(CONFIGMAPS, name, widgets.NAMESPACE)

    await in_parallel(remove, raws)
    return rate


def _status(reason: str) -> dict[str, Any]:
    condition = {
        "type": "Ready", "status": "True", "reason": reason, "message": "the child is there",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
    }  # fmt: skip
    return {"status": {"observedGeneration": 1, "conditions": [condition]}}


async def _create(client: Client, names: Iterable[str]) -> list[dict[str, Any]]:
    created: list[dict[str, Any]] = []

    async def create(name: str) -> None:
        body = widgets.widget(name, f"node-{len(created) % _NODES:04}")
        created.append(await client.create(widgets.WIDGETS, body, widgets.NAMESPACE))

    await in_parallel(create, names)
    return created


@contextlib.asynccontextmanager
async def _running(connection: Connection) -> AsyncIterator[tuple[Lifecycle, widgets.Widgets]]:
    found: list[widgets.Widgets] = []

    def setup(manager: Manager) -> None:
        found.append(widgets.setup(manager))

    settings = WidgetSettings.model_validate(
        {"metrics_port": 0, "metrics_host": "127.0.0.1", "workers": WORKERS}
    )
    lifecycle = Lifecycle(settings, connection, setup)
    await lifecycle.open()
    garbage.settle()  # as every process of ours does
    try:
        yield lifecycle, found[0]
    finally:
        await lifecycle.stop()


async def _converged(lifecycle: Lifecycle, controller: widgets.Widgets, objects: int) -> Converged:
    """Start the controller, and wait until every widget says that its child is there."""
    begun = time.perf_counter()
    await lifecycle.start()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while not _is_at_rest(controller, objects):  # noqa: ASYNC110 - many things make it true
            await asyncio.sleep(0.05)
    return Converged(time.perf_counter() - begun, _writes(lifecycle))


def _is_at_rest(controller: widgets.Widgets, objects: int) -> bool:
    if controller.passes < objects or controller.queue.depth or controller.queue.running:
        return False
    if len(controller.widgets) != objects:
        return False
    return all(_is_there(widget) for widget in controller.widgets.values())


def _is_there(widget: widgets.Widget) -> bool:
    conditions = widget.subject.status.get("conditions") or ()
    return any(one["reason"] == widgets.THERE.reason for one in conditions)


def _writes(lifecycle: Lifecycle) -> int:
    """Requests that changed something, by the process's own metric."""
    family = next(iter(lifecycle.manager.metrics.requests.collect()))
    return round(
        sum(
            sample.value
            for sample in family.samples
            if sample.name.endswith("_total")
            and sample.labels["verb"] in ("create", "update", "patch", "delete")
        )
    )


async def _node_change_ms(controller: widgets.Widgets) -> float:
    """CPU per change of one node that concerns the objects on it, and changes nothing for them."""
    before, spent = controller.passes, 0.0
    for number in range(_NODE_CHANGES):
        raw = _node(f"node-{number:04}", number)
        begun = time.process_time()
        controller.nodes.apply(raw)
        while controller.queue.depth + controller.queue.running:  # noqa: ASYNC110 - until the workers are idle
            await asyncio.sleep(0)
        spent += time.process_time() - begun
    if controller.passes == before:
        raise AssertionError("no node change led to a pass: nothing was measured")
    return spent * 1000 / _NODE_CHANGES


def _node(name: str, number: int) -> dict[str, Any]:
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(10**9 + number)}
    return {"metadata": meta, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


async def in_parallel(call: Callable[[Any], Awaitable[Any]], items: Iterable[Any]) -> None:
    """Call for each item, ``WORKERS`` at a time."""
    left = iter(items)

    async def work() -> None:
        for item in left:
            await call(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(WORKERS):
            group.create_task(work())
