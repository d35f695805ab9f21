"""What a webhook server can do: latency at a steady rate, and the most one process answers (WH)."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import selectors
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    client_cpu_seconds: float

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

    @property
    def client_cpu_ms(self) -> float:
        """The same of who asks, which has the other CPU."""
        return self.client_cpu_seconds / len(self.latencies) * 1000


def webhook_rows() -> list[Row]:
    """WH: over TLS on loopback, on kept connections as the API server has them."""
    with step("webhooks"):
        steady, closed = _measure()
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
            f" ms each, which alone would be {1000 / closed.cpu_ms:,.0f}/s; of who asks:"
            f" {closed.client_cpu_ms:.3f} ms.",
        ),
    ]  # fmt: skip


def _measure() -> tuple[Load, Load]:
    now = dt.datetime.now(dt.UTC)
    bundle = renewed(None, ("localhost",), now, trusted_since=now, lifetimes=Lifetimes())
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder), bundle) as process:
        callers = _connected(process, bundle)
        callers.closed_loop(WARM_UP_SECONDS)
        closed = _timed(process, callers.closed_loop)
        steady = _timed(process, callers.steady)
        callers.close()
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


class _Caller:
    """One kept connection, with at most one request on its way."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self.connection = connection
        self.due = 0.0
        self._read = b""

    def ask(self, due: float) -> None:
        """Send the request that was due at this moment."""
        self.due = due
        if self.connection.send(_REQUEST) != len(_REQUEST):
            raise AssertionError("the server does not read")

    def answered(self) -> bool:
        """Read what there is; whether that was all of an answer."""
        try:
            data = self.connection.recv(65536)
        except ssl.SSLWantReadError:
            return False
        self._read += data
        refused = not data or not self._read.startswith(b"HTTP/1.1 200")
        if not (refused or self._read.endswith(b"}}")):
            return False
        if refused or b'"allowed":true' not in self._read:
            raise AssertionError(f"not expected: {self._read!r}")
        self._read = b""
        return True


class _Callers:
    """Several connections, driven without asyncio: it would cost more than what is measured."""

    def __init__(self, port: int, context: ssl.SSLContext) -> None:
        self._selector = selectors.DefaultSelector()
        self._idle: list[_Caller] = []
        for _ in range(CONNECTIONS):
            plain = socket.create_connection(("127.0.0.1", port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = context.wrap_socket(plain, server_hostname="localhost")
            connection.setblocking(False)  # noqa: FBT003 - the name of the method says it
            caller = _Caller(connection)
            self._selector.register(connection, selectors.EVENT_READ, caller)
            self._idle.append(caller)

    def closed_loop(self, seconds: float) -> list[float]:
        """Each connection asks again as soon as it has its answer; the latencies."""
        end, seen = time.perf_counter() + seconds, []
        while time.perf_counter() < end or len(self._idle) < CONNECTIONS:
            while self._idle and (now := time.perf_counter()) < end:
                self._idle.pop().ask(now)
            seen += self._answers(None)
        return seen

    def steady(self, seconds: float) -> list[float]:
        """Requests that are due at a fixed rate, whether earlier ones were answered or not."""
        begin, total, asked = time.perf_counter(), round(RATE * seconds), 0
        seen: list[float] = []
        # Hopelessly behind it gives up, and the latencies say so.
        while len(seen) < total and time.perf_counter() < begin + 3 * seconds:
            while asked < total and self._idle:
                due = begin + asked / RATE
                if due > time.perf_counter():
                    break
                # From when it was due: a request that had to wait for a connection is late, too.
                self._idle.pop().ask(due)
                asked += 1
            next_due = begin + asked / RATE if self._idle and asked < total else None
            wait = None if next_due is None else max(0.0, next_due - time.perf_counter())
            seen += self._answers(wait)
        return seen

    def _answers(self, wait: float | None) -> list[float]:
        """The latencies of what is answered within so many seconds, or when anything is."""
        seen = []
        for key, _ in self._selector.select(wait):
            caller: _Caller = key.data
            if caller.answered():
                seen.append(time.perf_counter() - caller.due)
                self._idle.append(caller)
        return seen

    def close(self) -> None:
        """End all connections."""
        for key in list(self._selector.get_map().values()):
            key.data.connection.close()
        self._selector.close()


def _connected(process: subprocess.Popen[str], bundle: Bundle) -> _Callers:
    """Wait until the server listens, then connect."""
    if process.stdout is None:
        raise RuntimeError("the server has no output to read its port from")
    context = ssl.create_default_context(cadata=bundle.ca_bundle.decode())
    return _Callers(int(process.stdout.readline()), context)


def _timed(process: subprocess.Popen[str], load: Callable[[float], list[float]]) -> Load:
    """The load, how long it took, and what it cost either side."""
    server = psutil.Process(process.pid)
    before, begun, own = server.cpu_times(), time.perf_counter(), time.process_time()
    latencies = load(SECONDS)
    seconds, after = time.perf_counter() - begun, server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Load(sorted(latencies), seconds, cpu, time.process_time() - own)
