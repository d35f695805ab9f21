"""What a webhook server can do: latency at a steady rate, and the most one process answers (WH)."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson
import psutil

from moorage_kube.webhook.authority import Bundle, Lifetimes, renewed

from .report import step
from .rows import NO_SEED, Row
from .webhook_server import PATH

RATE = 1000.0
CONNECTIONS = 8
SECONDS = 5.0
WARM_UP_SECONDS = 1.0
LATENCY_TARGET_MS = 5.0
REQUEST_TARGET_MS = 0.2  # 5,000 requests in a second
_POD = {
    "metadata": {"name": "p", "namespace": "shop", "labels": {"owner": "jane"}},
    "spec": {
        "containers": [
            {
                "name": f"c{number}",
                "image": "registry/image:1",
                "env": [{"name": f"E{each}", "value": "v" * 20} for each in range(10)],
            }
            for number in range(3)
        ]
    },
}
_BODY = orjson.dumps(
    {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "p",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
            "object": _POD,
            "dryRun": False,
        },
    }
)
_REQUEST = (
    f"POST {PATH}?timeout=10s HTTP/1.1\r\nHost: hooks.moorage.svc:443\r\n"
    "User-Agent: kube-apiserver-admission\r\nAccept: application/json, */*\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
).encode() + _BODY


@dataclass(frozen=True, slots=True)
class Load:
    """What one kind of load saw; latencies in seconds, sorted."""

    latencies: Sequence[float]
    seconds: float
    cpu_seconds: float

    def percentile(self, part: float) -> float:
        """In milliseconds."""
        place = math.ceil(part * len(self.latencies)) - 1
        return self.latencies[place] * 1000

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    @property
    def cpu_ms(self) -> float:
        """CPU of the server for one request, in milliseconds."""
        return self.cpu_seconds / len(self.latencies) * 1000


def webhook_rows() -> list[Row]:
    """WH: over TLS on loopback, on kept connections as the API server has them."""
    with step("webhooks"):
        steady, closed = asyncio.run(_measure())
    setup = f"{CONNECTIONS} kept TLS connections, {len(_BODY):,} bytes each, {SECONDS:g} s"
    return [
        Row(
            "WHa", f"webhook p99 at {RATE:,.0f} requests/s", LATENCY_TARGET_MS,
            steady.percentile(0.99), "ms", NO_SEED,
            f"{setup}; counted from when a request was due. Seen {steady.per_second:,.0f}/s, median"
            f" {steady.percentile(0.5):.2f} ms, longest {steady.percentile(1.0):.1f} ms.",
        ),
        Row(
            "WHb", "time of one webhook request, closed loop, one process", REQUEST_TARGET_MS,
            1000 / closed.per_second, "ms", NO_SEED,
            f"{setup}; {closed.per_second:,.0f} requests/s. CPU of the server: {closed.cpu_ms:.3f}"
            f" ms each, which alone would be {1000 / closed.cpu_ms:,.0f}/s.",
        ),
    ]  # fmt: skip


async def _measure() -> tuple[Load, Load]:
    now = dt.datetime.now(dt.UTC)
    bundle = renewed(None, ("localhost",), now, trusted_since=now, lifetimes=Lifetimes())
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), bundle) as process:
        callers = await _connections(process, bundle)
        await _closed(callers, WARM_UP_SECONDS)
        closed = await _timed(process, _closed(callers, SECONDS))
        steady = await _timed(process, _steady(callers, SECONDS))
        for caller in callers:
            caller.close()
    return steady, closed


@contextlib.contextmanager
def _server(folder: Path, bundle: Bundle) -> Iterator[subprocess.Popen[str]]:
    """A server with this certificate in a process of its own."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(bundle.chain)
    key.write_bytes(bundle.key)
    argv = [sys.executable, "-m", "tests.bench.webhook_server", str(certificate), str(key)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            yield process
        finally:
            process.terminate()


class _Caller(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[None] | None = None
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        refused = not self._read.startswith(b"HTTP/1.1 200")
        if self._answered is None or not (refused or self._read.endswith(b"}}")):
            return
        if refused or b'"allowed":true' not in self._read:
            self._answered.set_exception(AssertionError(f"not expected: {self._read!r}"))
        else:
            self._answered.set_result(None)
        self._read = b""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or AssertionError("the connection was closed"))

    async def ask(self) -> None:
        """Send a request and wait for its answer."""
        if self._transport is None:
            raise RuntimeError("not connected")
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(_REQUEST)
        await self._answered

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


async def _connections(process: subprocess.Popen[str], bundle: Bundle) -> list[_Caller]:
    """Wait until the server listens, then connect."""
    if process.stdout is None:
        raise RuntimeError("the server has no output to read its port from")
    port = int(await asyncio.to_thread(process.stdout.readline))
    context = ssl.create_default_context(cadata=bundle.ca_bundle.decode())
    loop = asyncio.get_running_loop()
    made = []
    for _ in range(CONNECTIONS):
        _, caller = await loop.create_connection(
            _Caller, "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        made.append(caller)
    return made


async def _closed(callers: Sequence[_Caller], seconds: float) -> list[float]:
    """Each connection asks again as soon as it has its answer; the latencies."""
    end = time.perf_counter() + seconds

    async def keep_asking(caller: _Caller) -> list[float]:
        seen = []
        while (begun := time.perf_counter()) < end:
            await caller.ask()
            seen.append(time.perf_counter() - begun)
        return seen

    each = await asyncio.gather(*map(keep_asking, callers))
    return [latency for seen in each for latency in seen]


async def _steady(callers: Sequence[_Caller], seconds: float) -> list[float]:
    """Requests that are due at a fixed rate, whether earlier ones were answered or not."""
    begin, total = time.perf_counter(), round(RATE * seconds)
    numbers = iter(range(total))

    async def keep_pace(caller: _Caller) -> list[float]:
        seen = []
        for number in numbers:
            due = begin + number / RATE
            if time.perf_counter() > begin + 3 * seconds:
                break  # hopelessly behind, and the latencies say so
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            await caller.ask()
            # From when it was due: a request that had to wait for a connection is late, too.
            seen.append(time.perf_counter() - due)
        return seen

    each = await asyncio.gather(*map(keep_pace, callers))
    return [latency for seen in each for latency in seen]


async def _timed(process: subprocess.Popen[str], load: Awaitable[list[float]]) -> Load:
    """The load, how long it took, and what it cost the server."""
    server = psutil.Process(process.pid)
    before, begun = server.cpu_times(), time.perf_counter()
    latencies = await load
    seconds, after = time.perf_counter() - begun, server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Load(sorted(latencies), seconds, cpu)
