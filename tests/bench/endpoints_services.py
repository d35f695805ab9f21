"""Services over secondary networks on a real control plane: cold start, changes, restart (NA)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from moorage_endpoints import names
from moorage_endpoints.kinds import SLICES
from moorage_kube.client.client import Client, ListQuery
from moorage_kube.client.connection import load_connection
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Run

from .claim_limits import Spent
from .controllers import Controller, running
from .endpoints_beside import ColdStart, Habits, cold_start, habits
from .endpoints_cluster import (
    NAMESPACE,
    PODS_OF_A_SERVICE,
    address_of,
    create_pods,
    create_services,
    endpoints_cluster,
    set_ready,
    touch,
)
from .following import News, follow
from .framework import in_parallel
from .report import step
from .rows import How, Row, Seed

COLD_TARGET_SECONDS = 60.0
RESTART_TARGET_SECONDS = 15.0
P50_TARGET_SECONDS, P99_TARGET_SECONDS = 0.3, 1.0
MEMORY_TARGET_MIB = 200.0
_SINGLE = 100
_STREAM_PER_SECOND = 50
_STREAM = 1000
_IRRELEVANT = 500
_QUIET_SECONDS = 3.0
_MODULE = "moorage_endpoints"
_PATIENCE_SECONDS = 1800.0
_WRITTEN = ("services", "endpointslices", "endpoints")


@dataclass
class Measured:
    """The sizes and the figures of one run; times in seconds."""

    pods: int
    cold: float = 0.0
    single_writes: float = 0.0
    irrelevant_writes: float = 0.0
    waits: Sequence[float] = ()
    stream_writes: float = 0.0
    spent: Mapping[str, float] = field(default_factory=dict)
    memory_mib: float = 0.0
    restart: float = 0.0
    restart_writes: float = 0.0
    wrong: int = 0
    first_version: Habits | None = None
    first_version_cold: ColdStart | None = None

    @property
    def services(self) -> int:
        """Each has ten pods."""
        return self.pods // PODS_OF_A_SERVICE


def endpoints_rows(pods: int) -> list[Row]:
    """Measure on a control plane of its own."""
    with endpoints_cluster() as cluster, Run.open() as run:
        return asyncio.run(_measure(cluster, run, Measured(pods)))


async def _measure(cluster: EmbeddedCluster, run: Run, found: Measured) -> list[Row]:
    kubeconfig = str(cluster.kubeconfig)
    async with Client(load_connection(kubeconfig), user_agent="bench") as client:
        # Its keys wait behind those of every other Service.
        found.first_version = await habits(cluster, run, client)
        with step(f"creating {found.services:,} Services with {found.pods:,} pods"):
            await create_services(client, found.services)
            await create_pods(client, found.pods)
        stored = Stored(client)
        watching = asyncio.create_task(stored.watch())
        async with running(run, _MODULE, kubeconfig, "first") as controller:
            with step("a cold start"):
                begun = time.perf_counter()
                await stored.until(found.pods)
                found.cold = time.perf_counter() - begun
            await _changes(client, stored, controller, found)
            found.memory_mib = controller.memory_mib
        with step("a restart"):
            begun = time.perf_counter()
            async with running(run, _MODULE, kubeconfig, "second") as controller:
                await controller.until_ready()
                # The first change afterwards is stored only when it works.
                await _change(client, stored, 0, ready=False)
                found.restart = time.perf_counter() - begun
                await controller.until_quiet(_WRITTEN, _QUIET_SECONDS)
                # One write is that change.
                found.restart_writes = controller.writes(_WRITTEN) - 1
        await _change_back(client, 0)
        found.wrong = await _wrong(client, found.pods)
        watching.cancel()
        found.first_version_cold = await cold_start(cluster, run, client, found.services)
    return _rows(found)


async def _changes(client: Client, stored: Stored, controller: Controller, found: Measured) -> None:
    await controller.until_quiet(_WRITTEN, _QUIET_SECONDS)
    before = controller.writes(_WRITTEN)
    count = min(_SINGLE, found.pods)
    with step(f"{count} changes, one after the other"):
        for number in range(count):
            await _change(client, stored, number, ready=False)
            await _change(client, stored, number, ready=True)
        await controller.until_quiet(_WRITTEN, _QUIET_SECONDS)
    found.single_writes = (controller.writes(_WRITTEN) - before) / (2 * count)
    before = controller.writes(_WRITTEN)
    with step(f"{_IRRELEVANT} changes that concern no endpoint"):
        await in_parallel(lambda number: touch(client, number), range(min(_IRRELEVANT, found.pods)))
        await controller.until_quiet(_WRITTEN, _QUIET_SECONDS)
    found.irrelevant_writes = controller.writes(_WRITTEN) - before
    before = controller.writes(_WRITTEN)
    with step(f"{_STREAM:,} changes, {_STREAM_PER_SECOND} a second"):
        spent = Spent(controller.child)
        found.waits = await _stream(client, stored, found.pods)
        found.spent = spent.so_far()
        found.stream_writes = (controller.writes(_WRITTEN) - before) / len(found.waits)
        await in_parallel(
            lambda at: _change_back(client, _pod(at, found.pods)), range(len(found.waits))
        )
        await controller.until_quiet(_WRITTEN, _QUIET_SECONDS)


async def _stream(client: Client, stored: Stored, pods: int) -> list[float]:
    """Each pod at its time, whatever the others do."""
    begun = time.perf_counter()

    async def one(at: int) -> float:
        due = begun + at / _STREAM_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        return await _change(client, stored, _pod(at, pods), ready=False)

    count = min(_STREAM, pods)
    return list(await asyncio.gather(*(one(at) for at in range(count))))


def _pod(at: int, pods: int) -> int:
    """Which pod changes next: its neighbours in the stream are of other Services."""
    return at * PODS_OF_A_SERVICE % pods + at * PODS_OF_A_SERVICE // pods


async def _change(client: Client, stored: Stored, number: int, *, ready: bool) -> float:
    """Seconds from the request that changes a pod until a watch shows its slice."""
    begun = time.perf_counter()
    await set_ready(client, number, ready=ready)
    return await stored.changed(address_of(number + 256), ready=ready) - begun


async def _change_back(client: Client, number: int) -> None:
    await set_ready(client, number, ready=True)


async def _wrong(client: Client, pods: int) -> int:
    """How many addresses are published twice, or not at all."""
    slices = await client.list_all(SLICES, ListQuery(namespace=NAMESPACE))
    found = [
        address
        for raw in slices
        for one in raw.get("endpoints") or ()
        for address in one["addresses"]
    ]
    return len(found) - len(set(found)) + abs(pods - len(set(found)))


def _rows(found: Measured) -> list[Row]:
    size = f"{found.services:,} Services x {PODS_OF_A_SERVICE} pods"
    waits = sorted(found.waits)
    cpu = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.spent.items())
    p50, p99 = waits[len(waits) // 2], waits[round(0.99 * len(waits)) - 1]
    beside = _Beside.of(found)
    return [
        Row(
            "NAa", f"cold start, {size}", COLD_TARGET_SECONDS, found.cold, "s", beside.start,
            f"from the start of the process to the last slice: {found.services / found.cold:,.0f}"
            f" slices/s. {beside.start_note}",
        ),
        Row(
            "NAb", "writes for a change of one pod", 1.0, found.single_writes, "",
            Seed(beside.habits.change_writes, How.MEASURED),
            "readiness, one change after the other; each pod is in one slice. The seed, another"
            " address: it writes Endpoints, and once more when it sees that, beside four Events.",
        ),
        Row(
            "NAc", f"writes for {_IRRELEVANT} changes of no concern", 0.0,
            found.irrelevant_writes, "", beside.irrelevant,
            "labels and annotations of pods. The seed writes the version of each pod into"
            f" Endpoints: measured {beside.habits.irrelevant_writes:g} for each change.",
        ),
        Row(
            "NAd", f"pod -> slice, p50 at {_STREAM_PER_SECOND}/s", P50_TARGET_SECONDS, p50, "s",
            Seed(beside.waits[len(beside.waits) // 2], How.MEASURED),
            f"from the request for the pod's status to the watch that shows the slice; changes"
            f" within 0.1 s are one write: {found.stream_writes:.2f} writes for each change."
            f" {beside.waits_note}",
        ),
        Row(
            "NAe", f"pod -> slice, p99 at {_STREAM_PER_SECOND}/s", P99_TARGET_SECONDS, p99, "s",
            Seed(beside.waits[-1], How.MEASURED),
            f"of {len(waits):,}; the slowest {waits[-1]:.2f} s. CPU meanwhile: {cpu}.",
        ),
        Row(
            "NAf", f"restart, {size}", RESTART_TARGET_SECONDS, found.restart, "s",
            Seed(beside.start.value, How.MODELLED),
            "until the first change after it is stored, imports included. The seed begins as in a"
            " cold start.",
        ),
        Row(
            "NAg", "writes of a restart", 0.0, found.restart_writes, "", beside.restart_writes,
            f"The seed writes all Endpoints again: measured {beside.habits.restart_writes:g} for"
            " each.",
        ),
        Row("NAh", f"RSS of the controller, {size}", MEMORY_TARGET_MIB, found.memory_mib, "MiB"),
        Row("NAi", "addresses published twice, or not", 0.0, float(found.wrong), ""),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Beside:
    """The first version's figures, at the size of ours."""

    habits: Habits
    cold: ColdStart
    services: int

    @classmethod
    def of(cls, found: Measured) -> Self:
        if found.first_version is None or found.first_version_cold is None:
            raise AssertionError("it is measured before")
        return cls(found.first_version, found.first_version_cold, found.services)

    @property
    def start(self) -> Seed:
        """Measured to its end, or as far as it came: the others take as long."""
        cold = self.cold
        if cold.done == cold.services:
            return Seed(cold.seconds, How.MEASURED)
        if not cold.done:
            return Seed(None, How.DESCRIBED)
        return Seed(cold.seconds / cold.done * cold.services, How.MODELLED)

    @property
    def start_note(self) -> str:
        rest = "" if self.cold.done == self.cold.services else ", the others are taken to go on so"
        return (
            f"The seed, on the same cluster: {self.cold.done:,} of {self.cold.services:,} Services"
            f" had their Endpoints after {self.cold.seconds:.1f} s{rest}. It makes five requests a"
            " second, ten at once, Events among them."
        )

    @property
    def irrelevant(self) -> Seed:
        return Seed(self.habits.irrelevant_writes * _IRRELEVANT, How.MODELLED)

    @property
    def restart_writes(self) -> Seed:
        return Seed(self.habits.restart_writes * self.services, How.MODELLED)

    @property
    def waits(self) -> Sequence[float]:
        return sorted(self.habits.waits)

    @property
    def waits_note(self) -> str:
        each = ", ".join(f"{one:.1f}" for one in self.habits.waits)
        return (
            "The seed never reaches slices; with two Services of one pod, Endpoints had the first"
            f" changes after {each} s: four times as long with each, up to 1,000 s."
        )


class Stored:
    """What the slices of ours say, as a watch shows them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._ready: dict[str, bool] = {}
        self._waiting: dict[tuple[str, bool], asyncio.Future[float]] = {}
        self._news = News(_PATIENCE_SECONDS)

    async def watch(self) -> None:
        """Follow all slices, for ever."""
        label = f"{names.MANAGED_BY_LABEL}={names.MANAGER}"
        query = ListQuery(namespace=NAMESPACE, label_selector=label)
        await follow(self._client, SLICES, query, self._take)

    async def until(self, count: int) -> None:
        """Wait until so many addresses are there."""
        await self._news.until(lambda: len(self._ready) >= count)

    async def changed(self, address: str, *, ready: bool) -> float:
        """The time at which an address is shown so, of ``perf_counter``."""
        if self._ready.get(address) is ready:
            return time.perf_counter()
        waiter: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[address, ready] = waiter
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await waiter

    def _take(self, raw: dict[str, Any]) -> None:
        for one in raw.get("endpoints") or ():
            self._shown(one["addresses"][0], ready=one["conditions"]["ready"])
        self._news.came()

    def _shown(self, address: str, *, ready: bool) -> None:
        self._ready[address] = ready
        waiter = self._waiting.pop((address, ready), None)
        if waiter is not None and not waiter.done():
            waiter.set_result(time.perf_counter())
