"""Whatever strangers send to the port, they get one short answer each and hold nothing up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Gauge

from moorage_domain.kinds import Kind
from moorage_kube.client.errors import NotFound
from moorage_kube.election.lease import LeaseElection, LeaseSettings
from moorage_kube.telemetry.http_server import HttpServer, Limits, Request, Response, listen, text
from moorage_kube.telemetry.metrics import ProbedRegistry
from moorage_kube.telemetry.probes import Health, keep_beating, serve

DEADLINE = 60.0
PATIENT = Limits(request_seconds=DEADLINE, total_seconds=DEADLINE, accept_pause_seconds=0.01)
LARGE = b"x" * (4 * 1024 * 1024)
"""More than the buffers of two sockets hold."""


async def respond(request: Request) -> Response:
    if request.path == "/bug":
        raise ValueError("secret")
    if request.path == "/large":
        return Response(HTTPStatus.OK, LARGE)
    return text(HTTPStatus.OK, request.path)


@asynccontextmanager
async def serving(limits: Limits = PATIENT) -> AsyncIterator[HttpServer]:
    server = HttpServer(listen("127.0.0.1", 0), respond, limits)
    try:
        yield server
    finally:
        await server.close()


class Client:
    """One connection that sends what a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> Client:
        self.writer.write(data)
        await self.writer.drain()
        return self

    async def answer(self) -> bytes:
        """All that comes until the server closes."""
        got = b""
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionResetError):
                while piece := await self.reader.read(65536):
                    got += piece
        return got

    async def status(self) -> int:
        return int((await self.answer()).split(b" ")[1])


@asynccontextmanager
async def connected(server: HttpServer) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()


async def asked(server: HttpServer, data: bytes) -> bytes:
    async with connected(server) as client:
        return await (await client.send(data)).answer()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)


async def test_one_request_gets_one_answer_and_the_connection_is_closed() -> None:
    async with serving() as server:
        answer = await asked(server, b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"HTTP/1.1 200 OK",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Length: 3",
        b"Connection: close",
    ]
    assert body == b"/a\n"


async def test_of_many_requests_on_one_connection_the_first_is_answered() -> None:
    async with serving() as server:
        answer = await asked(server, b"GET /a HTTP/1.1\r\n\r\n" * 100)
    assert answer.count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"GET /bug HTTP/1.0\r\n\r\n", 500),
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
    ],
)
async def test_what_cannot_be_answered_is_refused(data: bytes, status: int) -> None:
    async with serving() as server, connected(server) as client:
        assert await (await client.send(data)).status() == status


async def test_a_bug_shows_in_the_log_and_not_in_the_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as server:
        assert b"secret" not in await asked(server, b"GET /bug HTTP/1.1\r\n\r\n")
    assert "secret" in caplog.text


async def test_head_is_answered_without_a_body() -> None:
    async with serving() as server:
        answer = await asked(server, b"HEAD /a HTTP/1.1\r\n\r\n")
    assert b"Content-Length: 3" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.1\r\nHos"])
async def test_half_a_request_ends_at_its_deadline(data: bytes) -> None:
    async with serving(replace(PATIENT, request_seconds=0.05)) as server:
        assert await asked(server, data) == b""


async def test_a_client_that_takes_nothing_is_cut_off_at_the_deadline() -> None:
    async with serving(replace(PATIENT, total_seconds=0.2)) as server:
        with socket.create_connection(("127.0.0.1", server.port), DEADLINE) as client:
            client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            await until(lambda: bool(server._open))
            await until(lambda: not server._open)
            taken = 0
            with contextlib.suppress(ConnectionResetError):
                while piece := client.recv(65536):
                    taken += len(piece)
    assert taken < len(LARGE)


async def test_large_answers_arrive_whole_however_many_want_one() -> None:
    async with serving() as server:
        asking = (asked(server, b"GET /large HTTP/1.1\r\n\r\n") for _ in range(10))
        for answer in await asyncio.gather(*asking):
            assert answer.endswith(b"\r\n\r\n" + LARGE)


async def test_a_small_answer_does_not_wait_for_those_who_take_no_large_one() -> None:
    async with serving(replace(PATIENT, large_answers=1)) as server:
        with (
            socket.create_connection(("127.0.0.1", server.port), DEADLINE) as first,
            socket.create_connection(("127.0.0.1", server.port), DEADLINE) as second,
        ):
            for one in (first, second):
                one.sendall(b"GET /large HTTP/1.1\r\n\r\n")
            await until(lambda: len(server._open) == 2)
            assert b"200 OK" in await asked(server, b"GET /a HTTP/1.1\r\n\r\n")


async def test_a_newcomer_takes_the_place_of_the_oldest_that_asks_nothing() -> None:
    async with (
        serving(replace(PATIENT, connections=2)) as server,
        connected(server) as first,
        connected(server) as second,
    ):
        await until(lambda: len(server._open) == 2)
        assert b"200 OK" in await asked(server, b"GET /a HTTP/1.1\r\n\r\n")
        assert await first.answer() == b""
        assert b"200 OK" in await (await second.send(b"GET /b HTTP/1.1\r\n\r\n")).answer()


async def test_it_goes_on_when_file_descriptors_are_there_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        loop = asyncio.get_running_loop()
        accept, failures = loop.sock_accept, [errno.EMFILE] * 20

        async def fail(listening: socket.socket) -> tuple[socket.socket, object]:
            if failures:
                raise OSError(failures.pop(), "Too many open files")
            return await accept(listening)

        monkeypatch.setattr(loop, "sock_accept", fail)
        for _ in range(2):
            assert b"200 OK" in await asked(server, b"GET /a HTTP/1.1\r\n\r\n")
        assert failures == []
    assert caplog.messages == ["no connection can be accepted now: Too many open files"]


class LeaseServer:
    """The API server's Lease of one candidate; counts the renewals."""

    def __init__(self) -> None:
        self.renewals = 0

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]:
        del kind, namespace
        raise NotFound(404, "NotFound", "no such lease", f"GET leases/{name}")

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        del kind, namespace
        return body

    async def replace(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        del kind
        self.renewals += 1
        return body


async def nothing() -> None:
    """What a leader does at its start and at its end."""


async def until_healthy(server: HttpServer) -> None:
    """Ask as the kubelet does: among thousands one probe may not get through, one of a few does."""
    answer = b""
    while b"200 OK" not in answer:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                answer = await asked(server, b"GET /healthz HTTP/1.1\r\n\r\n")


async def test_the_lease_is_renewed_and_probes_are_answered_while_strangers_flood_the_port() -> (
    None
):
    registry = ProbedRegistry()
    bound = Gauge("bound", "Bound.", ["ip"], registry=registry)
    for number in range(10_000):
        bound.labels(f"2001:db8::{number:x}").set(1)
    health = Health()
    probes = await serve(0, health, registry, "127.0.0.1")
    beating = asyncio.create_task(keep_beating(health))
    leases = LeaseServer()
    election = LeaseElection(leases, LeaseSettings("x", "y", "me", retry=0.1))
    leading = asyncio.create_task(election.run(nothing, nothing))
    flood = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("flood.py")),
        str(probes.port),
        stdout=asyncio.subprocess.PIPE,
    )
    assert flood.stdout is not None
    try:
        async with asyncio.timeout(2 * DEADLINE):
            before = leases.renewals
            while int(await flood.stdout.readline()) < 4000:
                assert election.is_leader
            await until(lambda: leases.renewals >= before + 10)
            await until_healthy(probes.server)
        assert not leading.done()
        assert flood.returncode is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            flood.kill()
        await flood.communicate()
        for task in (leading, beating):
            task.cancel()
        await asyncio.gather(leading, beating, return_exceptions=True)
        await probes.close()
