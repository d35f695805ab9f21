"""An HTTP server for small answers to anybody, which nothing that a stranger sends can hold up.

One request a connection, few connections accepted each time the event loop comes round, a few
large answers sent at once, and a deadline for everything. A server for browsers reads on while it
answers, waits for slow clients and accepts in bursts; next to a Lease it may do none of these.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

logger = logging.getLogger(__name__)

# Behind a long one a probe would be answered, but too late.
_BACKLOG = 128
_ACCEPTED_IN_A_ROW = 8
_CHUNK = 64 * 1024
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_WARNING_SECONDS = 60.0
_METHODS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client, and all of them together, may use.

    Attributes:
        connections: open at once; one more, and the oldest to which nothing is sent is closed.
        large_answers: those over 64 KiB that are sent at once; others wait for their turn.
        request_bytes: length of the request line and headers; a body is never read.
        request_seconds: until the headers must be there.
        total_seconds: until the client must have taken the answer.
        accept_pause_seconds: after the process ran out of file descriptors.
    """

    connections: int = 64
    large_answers: int = 4
    request_bytes: int = 8192
    request_seconds: float = 5.0
    total_seconds: float = 15.0
    accept_pause_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked; ``headers`` by their names in lower case, ``path`` without a query."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Respond = Callable[[Request], Awaitable[Response]]


def text(status: HTTPStatus, *lines: str) -> Response:
    """A response in plain text, one line each."""
    return Response(status, "".join(f"{line}\n" for line in lines).encode())


class HttpServer:
    """Answers on a listening socket until closed."""

    def __init__(self, listening: socket.socket, respond: Respond, limits: Limits) -> None:
        self._listening = listening
        self._respond = respond
        self._limits = limits
        # In the order in which they came.
        self._open: dict[asyncio.Task[None], None] = {}
        self._sending: set[asyncio.Task[None] | None] = set()
        self._turns = asyncio.Semaphore(limits.large_answers)
        self._warned_at: float | None = None
        self._accepting = asyncio.create_task(self._accept(), name="accept")

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._listening.getsockname()[1])

    async def close(self) -> None:
        """Stop listening, and cut off whoever is still connected."""
        tasks = [self._accepting, *self._open]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # Accepting never waits while many connect: everybody else has a turn now and then.
            await asyncio.sleep(0)
            for _ in range(_ACCEPTED_IN_A_ROW):
                try:
                    connection, _ = await loop.sock_accept(self._listening)
                except OSError as error:
                    await self._after(error)
                else:
                    self._begin(connection)

    async def _after(self, error: OSError) -> None:
        """Wait for what is used up to come back; a client that left in the meantime is nothing."""
        if error.errno not in _EXHAUSTED:
            return
        now = time.monotonic()
        if self._warned_at is None or now - self._warned_at > _WARNING_SECONDS:
            self._warned_at = now
            logger.warning("no connection can be accepted now: %s", error.strerror)
        await asyncio.sleep(self._limits.accept_pause_seconds)

    def _begin(self, connection: socket.socket) -> None:
        if len(self._open) >= self._limits.connections:
            self._cut_off_one()
        connection.settimeout(0)
        task = asyncio.create_task(self._serve(connection), name="connection")
        self._open[task] = None
        task.add_done_callback(lambda _: self._open.pop(task, None))
        # A task that is cancelled before it began closes nothing.
        task.add_done_callback(lambda _: connection.close())

    def _cut_off_one(self) -> None:
        """Make room: a probe that comes now must not wait for those that never ask."""
        oldest = next((task for task in self._open if task not in self._sending), None)
        oldest = oldest or next(iter(self._open))
        del self._open[oldest]
        oldest.cancel()

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(self._limits.request_bytes, loop)
        protocol = _Protocol(reader, loop=loop)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            # Deadlines, broken connections and half a request: there is nobody to answer.
            with contextlib.suppress(TimeoutError, OSError, asyncio.IncompleteReadError):
                async with asyncio.timeout(self._limits.total_seconds):
                    await self._converse(reader, writer)
        finally:
            if not protocol.lost:
                transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method = "GET"
        try:
            async with asyncio.timeout(self._limits.request_seconds):
                request = _parsed(await reader.readuntil(b"\r\n\r\n"))
        except asyncio.LimitOverrunError:
            response = text(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers are too long")
        except ValueError as error:
            response = text(HTTPStatus.BAD_REQUEST, str(error))
        else:
            method = request.method
            response = await self._answered(request)
        await self._send(writer, response, with_body=method != "HEAD")

    async def _answered(self, request: Request) -> Response:
        if request.method not in _METHODS:
            return text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered")
        try:
            return await self._respond(request)
        except Exception:
            logger.exception("no answer to %s %s", request.method, request.path)
            return text(HTTPStatus.INTERNAL_SERVER_ERROR, "no answer because of an internal error")

    async def _send(
        self, writer: asyncio.StreamWriter, response: Response, *, with_body: bool
    ) -> None:
        writer.write(_head(response))
        body = memoryview(response.body if with_body else b"")
        if len(body) <= _CHUNK:
            writer.write(body)
        else:
            async with self._turns:
                self._sending.add(task := asyncio.current_task())
                try:
                    await _write(writer, body)
                finally:
                    self._sending.discard(task)
        writer.close()
        await writer.wait_closed()


class _Protocol(asyncio.StreamReaderProtocol):
    """Knows whether its connection is gone: a transport that has ended cannot be aborted."""

    lost = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        super().connection_lost(exc)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises ``OSError``."""
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listening.settimeout(0)
    return listening


def _parsed(head: bytes) -> Request:
    """The request. Raises ``ValueError`` where it is none."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    match first.split(" "):
        case [method, target, version] if target and version.startswith("HTTP/1."):
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            return Request(method, target.partition("?")[0], headers)
        case _:
            raise ValueError("this is no HTTP/1 request")


def _head(response: Response) -> bytes:
    return (
        f"HTTP/1.1 {response.status.value} {response.status.phrase}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")


async def _write(writer: asyncio.StreamWriter, body: memoryview) -> None:
    """In pieces: what a slow client has not taken yet is copied once for each of them."""
    for start in range(0, len(body), _CHUNK):
        writer.write(body[start : start + _CHUNK])
        await writer.drain()
