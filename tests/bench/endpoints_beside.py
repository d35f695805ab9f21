"""The first version of endpoints at work on the cluster on which ours is measured (NA)."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from moorage_endpoints.kinds import ENDPOINTS, SERVICES
from moorage_kube.client.client import Client, ListQuery, Target
from moorage_kube.client.kinds import PODS
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Command, Run

from .endpoints_cluster import (
    NAMESPACE,
    NETWORK,
    PODS_OF_A_SERVICE,
    add_namespace,
    give_to_the_first_version,
    pod_body,
    status_text,
)
from .endpoints_seed import AT_REST, NETWORKS, STATUS, WROTE
from .following import News, follow
from .report import step

WINDOW_SECONDS = 30.0
"""So long its cold start is watched; with many Services it takes longer."""
CHANGES = 3
"""Of a pod, one after the other; each waits four times as long as the one before."""
_ROOT = Path(__file__).resolve().parents[2]
_SERVICES = 2
_SMALL = "first-version"
_CALM_SECONDS = 0.5
_PATIENCE_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class ColdStart:
    """How far a cold start has come.

    Attributes:
        seconds: until the last Service was served, or until nobody waited any more.
        done: Services whose Endpoints have all addresses.
        services: all of them.
    """

    seconds: float
    done: int
    services: int


@dataclass(frozen=True, slots=True)
class Habits:
    """What it writes, for one Service each, and how soon.

    Attributes:
        waits: for each change of a pod, one after the other: seconds until Endpoints say so.
    """

    irrelevant_writes: float
    change_writes: float
    waits: Sequence[float]
    restart_writes: float


async def cold_start(
    cluster: EmbeddedCluster, run: Run, client: Client, services: int
) -> ColdStart:
    """Give it the Services of ours, and start it."""
    await give_to_the_first_version(client, services)
    shown = Shown(client, NAMESPACE)
    watching = asyncio.create_task(shown.watch())
    try:
        await shown.until(shown.known, services)
        begun = time.perf_counter()
        with _started(cluster, run, "cold"), step("a cold start of the first version"):
            try:
                async with asyncio.timeout(WINDOW_SECONDS):
                    await shown.until(lambda: shown.served(PODS_OF_A_SERVICE), services)
            except TimeoutError:
                pass
            seconds = time.perf_counter() - begun
            return ColdStart(seconds, shown.served(PODS_OF_A_SERVICE), services)
    finally:
        watching.cancel()


async def habits(cluster: EmbeddedCluster, run: Run, client: Client) -> Habits:
    """Let it work for a few Services with one pod each, while there are no others."""
    add_namespace(cluster, _SMALL)
    shown = Shown(client, _SMALL)
    watching = asyncio.create_task(shown.watch())
    numbers = range(_SERVICES)
    for number in numbers:
        await client.create(SERVICES, _service(number))
        await client.create(
            PODS, pod_body(f"p-{number}", _SMALL, {"app": f"{number}"}, _ip(0, number))
        )
    await shown.until(shown.known, _SERVICES)
    with step("the first version, with few Services"):
        with _started(cluster, run, "habits") as first:
            await shown.until(lambda: shown.served(1), _SERVICES)
            await first.rest()
            before = first.writes
            for number in numbers:
                await client.patch(PODS, Target(f"p-{number}", _SMALL), _TOUCHED)
            await first.rest()
            irrelevant = (first.writes - before) / _SERVICES
            changed, waits = await _changes(client, shown, first)
        with _started(cluster, run, "again") as again:
            await again.rest()
            restart = again.writes / _SERVICES
    for number in numbers:
        await client.delete(SERVICES, f"s-{number}", _SMALL)
        await client.delete(PODS, f"p-{number}", _SMALL)
    watching.cancel()
    return Habits(irrelevant, changed, waits, restart)


async def _changes(client: Client, shown: Shown, first: Started) -> tuple[float, list[float]]:
    """Writes for one change, of all but the last ones; and how long each took."""

    async def change(number: int) -> float:
        ip = _ip(times, number)
        body = {"metadata": {"annotations": {STATUS: status_text(NETWORK, ip)}}}
        begun = time.perf_counter()
        await client.patch(PODS, Target(f"p-{number}", _SMALL), body)
        await shown.until(partial(shown.having, ip), 1)
        return time.perf_counter() - begun

    before, waits, writes = first.writes, list[float](), 0.0
    for times in range(1, CHANGES + 1):
        waits += await asyncio.gather(*map(change, range(_SERVICES)))
        if times < CHANGES:  # after the last one it would write once more much later
            await first.rest()
            writes = (first.writes - before) / times / _SERVICES
    return writes, waits


class Shown:
    """The addresses in the Endpoints of a namespace, as a watch shows them."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client, self._namespace = client, namespace
        self._addresses: dict[str, set[str]] = {}
        self._news = News(_PATIENCE_SECONDS)

    async def watch(self) -> None:
        """For ever."""
        await follow(self._client, ENDPOINTS, ListQuery(namespace=self._namespace), self._take)

    async def until(self, count: Callable[[], int], most: int) -> None:
        """Wait until so many are counted."""
        await self._news.until(lambda: count() >= most)

    def known(self) -> int:
        """How many there are: Kubernetes writes them first, and the first version never does."""
        return len(self._addresses)

    def served(self, addresses: int) -> int:
        """How many have as many addresses."""
        return sum(len(one) >= addresses for one in self._addresses.values())

    def having(self, ip: str) -> int:
        """How many have an address."""
        return sum(ip in one for one in self._addresses.values())

    def _take(self, raw: dict[str, Any]) -> None:
        subsets = raw.get("subsets") or ()
        ips = {one["ip"] for it in subsets for one in it.get("addresses") or ()}
        self._addresses[raw["metadata"]["name"]] = ips
        self._news.came()


@dataclass
class Started:
    """The process."""

    child: Child

    @property
    def writes(self) -> int:
        """How often it has written Endpoints."""
        return self._said().count(WROTE)

    async def rest(self) -> None:
        """Wait until nothing is left to do."""
        async with asyncio.timeout(_PATIENCE_SECONDS):
            before: list[str] = []
            while not before or before[-1] != AT_REST or before != self._said():
                before = self._said()
                await asyncio.sleep(_CALM_SECONDS)

    def _said(self) -> list[str]:
        return self.child.log.read_text().splitlines()


@contextmanager
def _started(cluster: EmbeddedCluster, run: Run, name: str) -> Iterator[Started]:
    argv = [sys.executable, "-m", "tests.bench.endpoints_seed", str(cluster.kubeconfig)]
    started = Started(run.start(Command(f"first-version-{name}", argv, cwd=_ROOT)))
    try:
        yield started
    finally:
        started.child.stop()


_TOUCHED = {"metadata": {"annotations": {"example.com/x": "y"}}}


def _service(number: int) -> dict[str, Any]:
    meta = {"name": f"s-{number}", "namespace": _SMALL, "annotations": {NETWORKS: NETWORK}}
    spec = {"selector": {"app": f"{number}"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def _ip(change: int, number: int) -> str:
    """Of a pod after so many changes."""
    return f"192.0.2.{change * _SERVICES + number + 1}"
