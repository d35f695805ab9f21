"""External addresses on a real control plane: a burst, one more, rest, and a restart (EI)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_api.ipclaim import IPCLAIMS
from moorage_external_ip.kinds import SERVICES
from moorage_kube.client.client import Client, ListQuery
from moorage_kube.client.connection import load_connection
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Command, Run

from .claim_limits import Spent
from .controllers import Controller, command, running
from .external_cluster import AGENTS, NAMESPACE, create_services, external_cluster, living
from .following import News, follow
from .report import step
from .rows import NO_SEED, Row

RATE_TARGET = 100.0
SINGLE_TARGET_SECONDS = 1.0
MEMORY_TARGET_MIB = 400.0
START_TARGET_SECONDS = 20.0
_FEWEST_NODES, _MOST_NODES = 10, 100
_MODULE = "moorage_external_ip"
_FLAGS = ("--agent-namespace", AGENTS)
_CIDR = "10.200.0.0/16"
_SUBNET = "10.200.255.254/16"
_SINGLE = 100
_PATIENCE_SECONDS = 1800.0
_OF_SERVICES = ("services", "ipclaims", "ipallocations")
_ALL = (*_OF_SERVICES, "ipclaimpools", "ipnodes", "events")


def service_rows(services: int, rest_seconds: int) -> list[Row]:
    """Measure on a control plane of its own."""
    found = Measured(services, rest_seconds)
    with external_cluster(found.nodes, _CIDR) as cluster, Run.open() as run:
        return asyncio.run(_measure(cluster, run, found))


@dataclass
class Measured:
    """The sizes and the figures of one run; times in seconds."""

    services: int
    rest_seconds: float
    created: float = 0.0
    burst: float = 0.0
    placed: float = 0.0
    writes: float = 0.0
    single: Sequence[float] = ()
    rest_writes: float = 0.0
    rest_cpu: float = 0.0
    memory_mib: float = 0.0
    ready: float = 0.0
    first: float = 0.0
    wrong: int = 0
    spread: int = 0
    spent: Mapping[str, float] = field(default_factory=dict)

    @property
    def nodes(self) -> Sequence[str]:
        """Each renews a Lease once a second, so a run that is cut down has few of them."""
        count = max(_FEWEST_NODES, min(_MOST_NODES, self.services // 10))
        return [f"node-{number:03}" for number in range(count)]


async def _measure(cluster: EmbeddedCluster, run: Run, found: Measured) -> list[Row]:
    kubeconfig = str(cluster.kubeconfig)
    async with Client(load_connection(kubeconfig), user_agent="bench") as client:
        served = Served(client)
        watching = asyncio.create_task(served.watch())
        async with living(client, found.nodes, _SUBNET):
            with step(f"creating {found.services:,} Services"):
                begun = time.perf_counter()
                names = (f"s-{number:05}" for number in range(found.services))
                await create_services(client, names)
                found.created = time.perf_counter() - begun
            async with running(run, _MODULE, kubeconfig, "first", *_FLAGS) as controller:
                await _burst(client, served, controller, found)
                with step(f"{_SINGLE} Services, one after the other"):
                    found.single = [
                        await _one(client, served, f"one-{number:03}") for number in range(_SINGLE)
                    ]
                await _rest(controller, found)
                found.writes = controller.writes(_OF_SERVICES) / (found.services + _SINGLE)
            with step("a restart"):
                begun = time.perf_counter()
                async with running(run, _MODULE, kubeconfig, "second", *_FLAGS) as controller:
                    await controller.until_ready()
                    found.ready = time.perf_counter() - begun
                    await create_services(client, ["after-the-restart"])
                    await served.until_named("after-the-restart")
                    found.first = time.perf_counter() - begun
        await _judge(client, served, found)
        watching.cancel()
    return _rows(found)


async def _burst(client: Client, served: Served, controller: Controller, found: Measured) -> None:
    begun = time.perf_counter()
    with step(f"serving {found.services:,} Services"):
        spent = Spent(controller.child)
        await served.until(found.services)
        found.burst = time.perf_counter() - begun
        found.spent = spent.so_far()
    with step("until every address has a node"):
        while await _unplaced(client):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.2)
        found.placed = time.perf_counter() - begun


async def _unplaced(client: Client) -> bool:
    """Whether some claim names no node yet."""
    claims = await client.list_all(IPCLAIMS)
    return any(not raw["spec"].get("nodeName") for raw in claims)


async def _rest(controller: Controller, found: Measured) -> None:
    # The pool's numbers are written a while after the last Service.
    before = await controller.until_quiet(_ALL, found.rest_seconds / 3)
    with step("at rest"):
        cpu = controller.cpu_seconds
        await asyncio.sleep(found.rest_seconds)
        found.rest_cpu = controller.cpu_seconds - cpu
        found.rest_writes = controller.writes(_ALL) - before
    found.memory_mib = controller.memory_mib


async def _judge(client: Client, served: Served, found: Measured) -> None:
    """How many Services have an address that is not theirs alone, or none; how even nodes are."""
    claims = await client.list_all(IPCLAIMS)
    users = {
        str(raw["spec"]["cidr"]).partition("/")[0]: [one["name"] for one in raw["spec"]["services"]]
        for raw in claims
    }
    records = {raw["spec"]["address"] for raw in await client.list_all(IPALLOCATIONS)}
    found.wrong = sum(
        users.get(address) != [name] or address not in records
        for name, address in served.addresses.items()
    )
    services = await client.list_all(SERVICES, ListQuery(namespace=NAMESPACE))
    found.wrong += len(services) - len(served.addresses) + len(records) - len(claims)
    loads = dict.fromkeys(found.nodes, 0)
    for raw in claims:
        # That of the last Service may have none yet: for a lease nobody is live after a restart.
        if node := raw["spec"].get("nodeName"):
            loads[node] += 1
    found.spread = max(loads.values()) - min(loads.values())


def _rows(found: Measured) -> list[Row]:
    services = found.services
    size, live = f"{services:,} Services", f"{services:,} live"
    p95 = sorted(found.single)[round(0.95 * len(found.single)) - 1]
    nodes = len(found.nodes)
    cpu = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.spent.items())
    percent = 100 * found.rest_cpu / found.rest_seconds
    return [
        Row(
            "EId", f"{size} served", services / RATE_TARGET, found.burst, "s", NO_SEED,
            f"from the start of the controller to the last status: {services / found.burst:,.0f}/s,"
            f" {RATE_TARGET:.0f}/s are asked for. After {found.placed:.1f} s each had one of"
            f" {nodes} nodes, whose Leases are renewed each second meanwhile. The Services"
            f" were there before: the API server took {found.created:.1f} s for them, since it"
            f" allocates cluster addresses one by one. CPU: {cpu}.",
        ),
        Row(
            "EIe", f"one Service, p95, {live}", SINGLE_TARGET_SECONDS, p95, "s", NO_SEED,
            f"of {_SINGLE}, from its create to its status, as a watch shows it; the fastest"
            f" {min(found.single):.3f} s, the slowest {max(found.single):.3f} s.",
        ),
        Row(
            "EIf", f"writes at rest, {live}", 0.0, found.rest_writes, "", NO_SEED,
            f"in {found.rest_seconds:.0f} s, of Services, claims, pools, records, mirrors and"
            f" Events, with {nodes} Leases renewed each second; {percent:.1f} % of a core."
            f" Until then {found.writes:.1f} writes for each Service.",
        ),
        Row("EIg", f"RSS of the controller, {live}", MEMORY_TARGET_MIB, found.memory_mib, "MiB"),
        Row(
            "EIh", f"start -> ready, {live}", START_TARGET_SECONDS, found.ready, "s", NO_SEED,
            f"imports included; the first address after {found.first:.1f} s.",
        ),
        Row(
            "EIi", "addresses with two owners, or none", 0.0, float(found.wrong), "", NO_SEED,
            f"Between the nodes with the most and the fewest addresses: {found.spread}.",
        ),
    ]  # fmt: skip


class Served:
    """The Services whose status says an address, as a watch shows them.

    Attributes:
        addresses: by the name of the Service.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.addresses: dict[str, str] = {}
        self._news = News(_PATIENCE_SECONDS)

    async def watch(self) -> None:
        """Follow all Services, for ever."""
        await follow(self._client, SERVICES, ListQuery(namespace=NAMESPACE), self._take)

    async def until(self, count: int) -> None:
        """Wait until so many have one."""
        await self._news.until(lambda: len(self.addresses) >= count)

    async def until_named(self, name: str) -> None:
        """Wait until this one has one."""
        await self._news.until(lambda: name in self.addresses)

    def _take(self, raw: dict[str, Any]) -> None:
        balancer = (raw.get("status") or {}).get("loadBalancer") or {}
        for entry in balancer.get("ingress") or ():
            self.addresses[raw["metadata"]["name"]] = entry["ip"]
            self._news.came()


async def _one(client: Client, served: Served, name: str) -> float:
    """Seconds from one Service's create to its status."""
    begun = time.perf_counter()
    await create_services(client, [name])
    await served.until_named(name)
    return time.perf_counter() - begun


def scheduler(kubeconfig: str, lease: str) -> Command:
    """The process of external-ip, which leads by a Lease of this name."""
    return command(_MODULE, kubeconfig, lease, *_FLAGS)
