"""How soon the addresses of a dead node are free, and how the controller starts (DA)."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import psutil

from moorage_danm import kinds
from moorage_danm.controller import setup
from moorage_danm.kinds import NetworkKind
from moorage_danm.settings import DanmSettings
from moorage_kube.client.client import Client
from moorage_kube.client.kinds import NODES, PODS
from moorage_testing.apiserver import ApiServer, MemoryTransport
from moorage_testing.danm.ipam import bits_text, fresh
from moorage_testing.harness import Scenario, World, managed
from moorage_testing.harness.scenario import Start
from moorage_testing.waiting import until

from .report import step
from .rows import NO_SEED, Row

ADDRESSES = 500
NETWORKS = 10
NODES_AT_START = 1000
LATENCY_SECONDS = 0.01
FREE_TARGET_SECONDS = 5.0
WRITES_TARGET = 10.0
START_TARGET_SECONDS = 10.0
MEMORY_TARGET_MIB = 200.0
_GROUP, _NS, _CIDR, _SIZE = "danm.k8s.io", "shop", "10.{}.0.0/24", 256
_NETS = kinds.networks(_GROUP, NetworkKind.DANM_NET)
Raw = dict[str, Any]


def danm_reclaim_rows(endpoints: int) -> list[Row]:
    """DA: in this process, against the double of the API server; and a process of its own."""
    with step(f"freeing {ADDRESSES} addresses of danm"):
        began = time.process_time()
        seconds, writes = asyncio.run(_freed())
        cpu = time.process_time() - began
    with step("start of the reclaim controller of danm"):
        start_seconds, (waiting, start_cpu), mebibytes = _started(endpoints)
    setting = (
        f"{ADDRESSES} endpoints of one node on {NETWORKS} networks; each call takes"
        f" {LATENCY_SECONDS * 1000:g} ms and the double's own time, in the same process; CPU of"
        f" both, start included: {cpu:.1f} s"
    )
    size = f"{endpoints:,} DanmEps, as many pods, {NODES_AT_START:,} nodes"
    return [
        Row(
            "DAa", "danm: node fenced to all its static addresses free", FREE_TARGET_SECONDS,
            seconds, "s", NO_SEED, setting,
        ),
        Row(
            "DAb", "danm: writes of networks for that", WRITES_TARGET, writes, "", NO_SEED, setting,
        ),
        Row(
            "DAc", "danm controller: start of the process to its first look at everything",
            START_TARGET_SECONDS, start_seconds, "s", NO_SEED,
            f"{size}; {waiting} keys waited. CPU of the process: {start_cpu} s; the lists come from"
            " another one.",
        ),
        Row(
            "DAd", "danm controller: memory once it has listed all", MEMORY_TARGET_MIB, mebibytes,
            "MiB", NO_SEED, size,
        ),
    ]  # fmt: skip


async def _freed() -> tuple[float, float]:
    """Seconds until all bits are clear, and how many writes of networks that took."""
    server = ApiServer()
    _arrange(server)
    transport = MemoryTransport(server, latency_seconds=LATENCY_SECONDS)
    start = managed(DanmSettings.model_validate({}), setup)
    world = World(Scenario(start, lambda _: None))
    async with Client(server.connection(), transport=transport) as client:
        running = asyncio.create_task(_run(start, client, world))
        await asyncio.sleep(1.0)
        _node(server, "Unknown")
        await asyncio.sleep(0.5)
        asked = len(server.asked)
        begun = time.perf_counter()
        _node(server, "Unknown", "node.kubernetes.io/out-of-service")
        free = {number: fresh(_CIDR.format(number)) for number in range(NETWORKS)}
        await until(lambda: {n: _bits(server, n) for n in free} == free, "all to be free")
        seconds = time.perf_counter() - begun
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    lately = server.asked[asked:]
    return seconds, float(sum("/danmnets/" in one.path for one in lately if one.mutating))


async def _run(start: Start, client: Client, world: World) -> None:
    await start(client, world)


def _arrange(server: ApiServer) -> None:
    _node(server, "True")
    for number in range(NETWORKS):
        taken = {0, _SIZE - 1, *range(2, 2 + ADDRESSES // NETWORKS)}
        options = {"cidr": _CIDR.format(number), "alloc": bits_text(_SIZE, taken)}
        meta = {"name": f"net-{number}", "namespace": _NS, "uid": f"uid-{number}", "generation": 1}
        server.put(_NETS, f"net-{number}", _NS, metadata=meta, spec={"Options": options})
    for number in range(ADDRESSES):
        network, host = number % NETWORKS, 2 + number // NETWORKS
        name = f"p{number}"
        pod = server.put(PODS, name, _NS, spec={"nodeName": "n1"}, status={"phase": "Running"})
        interface = {"Address": f"10.{network}.0.{host}/24", "AddressIPv6": ""}
        spec = {
            "NetworkName": f"net-{network}", "apiType": "DanmNet", "Interface": interface,
            "Host": "n1", "Pod": name, "PodUID": pod["metadata"]["uid"],
        }  # fmt: skip
        server.put(kinds.endpoints(_GROUP), f"ep-{number}", _NS, spec=spec)


def _node(server: ApiServer, ready: str, *taints: str) -> None:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T00:00:00Z"}
    spec = {"taints": [{"key": one, "effect": "NoExecute"} for one in taints]}
    server.put(NODES, "n1", spec=spec, status={"conditions": [condition]})


def _bits(server: ApiServer, number: int) -> str:
    raw = server.find(_NETS, f"net-{number}", _NS) or {}
    return str(raw["spec"]["Options"]["alloc"])


def _started(endpoints: int) -> tuple[float, list[str], float]:
    """Seconds of a start, what the process says of itself then, and MiB."""
    pages = ("tests.bench.danm_pages", str(endpoints), str(NODES_AT_START))
    with _running(*pages) as api:
        port = _line(api)
        begun = time.perf_counter()
        with _running("tests.bench.danm_controller", port) as controller:
            said = _line(controller).split()
            seconds = time.perf_counter() - begun
            memory = psutil.Process(controller.pid).memory_info().rss / 2**20
    return seconds, said, memory


@contextlib.contextmanager
def _running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", *arguments]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            yield process
        finally:
            process.kill()


def _line(process: subprocess.Popen[str]) -> str:
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    return process.stdout.readline().strip()
