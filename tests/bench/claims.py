"""Addresses for machines on a real control plane: a burst, one more, a restart, and rest (MI)."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_kube.client.client import Client, ListQuery
from moorage_kube.client.connection import load_connection
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Run

from .claim_cluster import ADDRESSES, CLAIMS, VERSION, claim_cluster, create_claims
from .claim_limits import WRITES, Spent, bare_rate, choice_row
from .controllers import Controller, running
from .following import News, follow
from .framework import SHARE_TARGET
from .report import step
from .rows import NO_SEED, Row

BURST_TARGET_SECONDS = 60.0
WRITES_TARGET = 4.0
P50_TARGET_MS, P99_TARGET_MS = 10.0, 20.0
RESTART_TARGET_SECONDS = 5.0
MEMORY_TARGET_MIB = 200.0
REST_TARGET_PERCENT = 1.0
_SINGLE = 100
_REST_SECONDS = 30.0
_QUIET_SECONDS = 10.0
_PATIENCE_SECONDS = 1800.0
_COUNTED = ("ipaddressclaims", "ipaddresses", "ipallocations")
# Pools' numbers come a while later.
_WRITTEN = (*_COUNTED, "ippools")
# The peer's way, as it was measured on the same kind of machine (see the issue of this part).
_PEER = "Cluster API's in-cluster provider was measured on such a machine at another time: {}."


def claim_rows(claims: int) -> list[Row]:
    """Measure on a control plane of its own."""
    with claim_cluster() as cluster, Run.open() as run:
        return asyncio.run(_measure(cluster, run, claims))


@dataclass
class Measured:
    """The figures of one run; times in seconds."""

    created: float = 0.0
    burst: float = 0.0
    writes: float = 0.0
    single: Sequence[float] = ()
    rest_writes: float = 0.0
    rest_cpu: float = 0.0
    memory_mib: float = 0.0
    restart: float = 0.0
    doubled: int = 0
    bare_rate: float = 0.0
    spent: Mapping[str, float] = field(default_factory=dict)


async def _measure(cluster: EmbeddedCluster, run: Run, claims: int) -> list[Row]:
    found = Measured()
    async with Client(load_connection(str(cluster.kubeconfig)), user_agent="bench") as client:
        with step("a bare loop of the same writes"):
            found.bare_rate = await bare_rate(client, claims)
        bound = Bound(client)
        watching = asyncio.create_task(bound.watch())
        async with _controller(cluster, run, "first") as controller:
            with step(f"a burst of {claims:,} claims"):
                spent = Spent(controller.child)
                begun = time.perf_counter()
                await create_claims(client, (f"m-{number:05}" for number in range(claims)))
                found.created = time.perf_counter() - begun
                await bound.until(claims)
                found.burst = time.perf_counter() - begun
                found.spent = spent.so_far()
            # The garbage collector, too, has then looked at what the burst made.
            await controller.until_quiet(_WRITTEN, _QUIET_SECONDS)
            with step(f"{_SINGLE} claims, one after the other"):
                found.single = [
                    await _one(client, bound, f"s-{number:03}") for number in range(_SINGLE)
                ]
            await _rest(controller, found)
            # Not before: the answer to the last one comes after what a watch shows.
            found.writes = controller.writes(_COUNTED) / (claims + _SINGLE)
        with step("a restart"):
            begun = time.perf_counter()
            async with _controller(cluster, run, "second"):
                await create_claims(client, ["after-the-restart"])
                await bound.until(claims + _SINGLE + 1)
                found.restart = time.perf_counter() - begun
        found.doubled = await _doubled(client)
        watching.cancel()
    return _rows(found, claims)


async def _rest(controller: Controller, found: Measured) -> None:
    before = await controller.until_quiet(_WRITTEN, _QUIET_SECONDS)
    with step("at rest"):
        cpu = controller.cpu_seconds
        await asyncio.sleep(_REST_SECONDS)
        found.rest_cpu = controller.cpu_seconds - cpu
        found.rest_writes = controller.writes(_WRITTEN) - before
    found.memory_mib = controller.memory_mib


def _rows(found: Measured, claims: int) -> list[Row]:
    size, live = f"{claims:,} claims", f"{claims:,} live"
    median = statistics.median(found.single) * 1000
    worst = sorted(found.single)[round(0.99 * len(found.single)) - 1] * 1000
    percent = 100 * found.rest_cpu / _REST_SECONDS
    rate = claims * WRITES / found.burst
    cpu = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.spent.items())
    return [
        Row(
            "MIa", f"{size} bound", BURST_TARGET_SECONDS, found.burst, "s", NO_SEED,
            f"from the first create to the last status; creating them took {found.created:.1f} s"
            f" of it. The same {WRITES} writes for each take a bare loop"
            f" {claims * WRITES / found.bare_rate:.1f} s. CPU: {cpu}. " + _PEER.format("454 s"),
        ),
        Row("MIb", "writes for each of them", WRITES_TARGET, found.writes, "", NO_SEED),
        Row(
            "MIc", f"one claim bound, p50, {live}", P50_TARGET_MS, median, "ms", NO_SEED,
            "from its create to its status, as a watch shows it. " + _PEER.format("54 ms"),
        ),
        Row(
            "MId", f"one claim bound, p99, {live}", P99_TARGET_MS, worst, "ms", NO_SEED,
            f"of {_SINGLE}. " + _PEER.format("240 ms"),
        ),
        Row(
            "MIe", f"restart -> first address, {live}", RESTART_TARGET_SECONDS, found.restart, "s",
            NO_SEED, "from the start of the process, imports included. " + _PEER.format("144 s"),
        ),
        Row(
            "MIf", f"writes at rest, {live}", 0.0, found.rest_writes, "", NO_SEED,
            f"in {_REST_SECONDS:.0f} s.",
        ),
        Row(
            "MIg", f"CPU at rest, {live}", REST_TARGET_PERCENT, percent, "%", NO_SEED,
            "of one core.",
        ),
        Row("MIh", f"RSS, {live}", MEMORY_TARGET_MIB, found.memory_mib, "MiB", NO_SEED),
        Row("MIi", "addresses with two owners, or none", 0.0, float(found.doubled), "", NO_SEED),
        Row(
            "MIj", f"bare loop's writes/s per burst's, {size}", SHARE_TARGET,
            found.bare_rate / rate, "", NO_SEED,
            f"{rate:,.0f} writes/s in the burst, creating the claims included;"
            f" {found.bare_rate:,.0f} in a bare loop before it.",
        ),
        choice_row(claims),
    ]  # fmt: skip


class Bound:
    """The claims that say which address they have, as a watch shows them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._names: set[str] = set()
        self._news = News(_PATIENCE_SECONDS)

    async def watch(self) -> None:
        """Follow all claims, for ever."""
        await follow(self._client, CLAIMS, ListQuery(), self._take)

    async def until(self, count: int) -> None:
        """Wait until so many have one."""
        await self._news.until(lambda: len(self._names) >= count)

    async def until_named(self, name: str) -> None:
        """Wait until this one has one."""
        await self._news.until(lambda: name in self._names)

    def _take(self, raw: dict[str, Any]) -> None:
        if (raw.get("status") or {}).get("addressRef"):
            self._names.add(raw["metadata"]["name"])
            self._news.came()


@asynccontextmanager
async def _controller(cluster: EmbeddedCluster, run: Run, lease: str) -> AsyncIterator[Controller]:
    flags = ("--workers", "16", "--ipam-version", VERSION)
    kubeconfig = str(cluster.kubeconfig)
    async with running(run, "moorage_machine_ipam", kubeconfig, lease, *flags) as controller:
        await controller.until_ready()
        yield controller


async def _one(client: Client, bound: Bound, name: str) -> float:
    """Seconds from one claim's create to its status."""
    begun = time.perf_counter()
    await create_claims(client, [name])
    await bound.until_named(name)
    return time.perf_counter() - begun


async def _doubled(client: Client) -> int:
    """How many claims share an address, have none, or have one that no record gives them."""
    owners: dict[str, str] = {
        raw["spec"]["address"]: raw["spec"]["owner"]["name"]
        for raw in await client.list_all(IPALLOCATIONS)
    }
    given: dict[str, str] = {
        raw["metadata"]["name"]: raw["spec"]["address"] for raw in await client.list_all(ADDRESSES)
    }
    claims: list[str] = [raw["metadata"]["name"] for raw in await client.list_all(CLAIMS)]
    wrong = sum(owners.get(given.get(name, "")) != name for name in claims)
    leaked = abs(len(owners) - len(claims))
    shared = len(claims) - len(set(given.values()))
    return wrong + leaked + shared
