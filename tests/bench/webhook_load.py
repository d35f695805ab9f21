"""Callers of a webhook server in a process of its own: at a rate, or as fast as it answers."""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from moorage_kube.webhook.authority import Bundle

RATE = 1000.0
CONNECTIONS = 8


def request_of(path: str, body: bytes) -> bytes:
    """A question as the API server sends it."""
    return (
        f"POST {path}?timeout=10s HTTP/1.1\r\nHost: hooks.moorage.svc:443\r\n"
        "User-Agent: kube-apiserver-admission\r\nAccept: application/json, */*\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


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


@contextlib.contextmanager
def serving(
    folder: Path, bundle: Bundle, module: str, *more: str
) -> Iterator[subprocess.Popen[str]]:
    """A server with this certificate in a process of its own, which prints its port."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(bundle.chain)
    key.write_bytes(bundle.key)
    argv = [sys.executable, "-m", module, str(certificate), str(key), *more]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        try:
            yield process
        finally:
            process.terminate()


class Caller:
    """One kept connection, with at most one request on its way."""

    def __init__(self, connection: ssl.SSLSocket, request: bytes) -> None:
        self.connection = connection
        self._request = request
        self.due = 0.0
        self._read = b""

    def ask(self, due: float) -> None:
        """Send the request that was due at this moment."""
        self.due = due
        if self.connection.send(self._request) != len(self._request):
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


class Callers:
    """Several connections, driven without asyncio: it would cost more than what is measured."""

    def __init__(self, port: int, context: ssl.SSLContext, request: bytes) -> None:
        self._selector = selectors.DefaultSelector()
        self._idle: list[Caller] = []
        for _ in range(CONNECTIONS):
            plain = socket.create_connection(("127.0.0.1", port))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = context.wrap_socket(plain, server_hostname="localhost")
            connection.setblocking(False)  # noqa: FBT003 - the name of the method says it
            caller = Caller(connection, request)
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
            caller: Caller = key.data
            if caller.answered():
                seen.append(time.perf_counter() - caller.due)
                self._idle.append(caller)
        return seen

    def close(self) -> None:
        """End all connections."""
        for key in list(self._selector.get_map().values()):
            key.data.connection.close()
        self._selector.close()


def connected(process: subprocess.Popen[str], bundle: Bundle, request: bytes) -> Callers:
    """Wait until the server listens, then connect."""
    if process.stdout is None:
        raise RuntimeError("the server has no output to read its port from")
    context = ssl.create_default_context(cadata=bundle.ca_bundle.decode())
    return Callers(int(process.stdout.readline()), context, request)


def timed(
    process: subprocess.Popen[str], load: Callable[[float], list[float]], seconds: float
) -> Load:
    """The load, how long it took, and what it cost either side."""
    server = psutil.Process(process.pid)
    before, begun, own = server.cpu_times(), time.perf_counter(), time.process_time()
    latencies = load(seconds)
    taken, after = time.perf_counter() - begun, server.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Load(sorted(latencies), taken, cpu, time.process_time() - own)
