"""The double without sockets: what stands in a client where its connections would be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import aiohttp
import orjson

from moorage_kube.client.client import Client
from moorage_kube.client.errors import Unavailable, from_response
from moorage_kube.client.transport import Call, Request, Transport
from moorage_testing.apiserver.messages import Answer, Asked, Dropped
from moorage_testing.apiserver.server import ApiServer

_NOT_GOOD = 300
LATENCY_SECONDS = 0.002
"""What every request takes: without it, a hot loop would stop the clock."""


class _Content:
    """The body of an answer, as far as a client reads it."""

    def __init__(self, answer: Answer, silence_seconds: float | None) -> None:
        self._answer = answer
        self._silence = silence_seconds

    async def iter_any(self) -> AsyncIterator[bytes]:
        """What comes, as it comes."""
        if self._answer.lines is None:
            yield self._answer.body
            return
        lines = cast("AsyncGenerator[bytes, None]", self._answer.lines)
        async with aclosing(lines):
            while True:
                try:
                    async with asyncio.timeout(self._silence):
                        line = await anext(lines, None)
                except TimeoutError as error:
                    raise aiohttp.SocketTimeoutError from error
                if line is None:
                    return
                yield line


class _Response:
    """An answer as :class:`Transport` hands it on."""

    def __init__(self, answer: Answer, silence_seconds: float | None) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.content = _Content(answer, silence_seconds)
        self._body = answer.body

    async def read(self) -> bytes:
        """The whole body."""
        return self._body


class MemoryTransport(Transport):
    """Asks a double in this process; all that waits, waits in the event loop's own time.

    Attributes:
        dead: the process behind it is: no request leaves it any more, none is ever answered.
    """

    def __init__(
        self,
        server: ApiServer,
        on_call: Callable[[Call], None] | None = None,
        latency_seconds: float = LATENCY_SECONDS,
    ) -> None:
        super().__init__(server.connection(), "moorage", on_call)
        self.server = server
        self.dead = False
        self._called = on_call
        self._latency = latency_seconds

    async def open(self) -> None:
        """Nothing is to be opened."""

    async def close(self) -> None:
        """Nothing is to be closed."""

    @asynccontextmanager
    async def answer(self, request: Request) -> AsyncIterator[Any]:
        """A good answer to a request; anything else is raised as what it means to the caller."""
        # As aiohttp has it: a watch has no end, but its head may not take longer than a line.
        seconds = request.timeout.total or request.timeout.sock_read
        try:
            async with asyncio.timeout(seconds):
                answer = await self._sent(request)
        except Dropped as error:
            self._note(request, 0)
            raise Unavailable(0, "ConnectionLost", "connection lost", str(request)) from error
        except TimeoutError as error:
            self._note(request, 0)
            message = f"no answer within {seconds:g} s"
            raise Unavailable(0, "Timeout", message, str(request)) from error
        self._note(request, answer.status)
        if answer.status >= _NOT_GOOD:
            wait = answer.headers.get("Retry-After")
            raise from_response(answer.status, answer.body, str(request), wait)
        try:
            yield _Response(answer, request.timeout.sock_read)
        except Dropped as error:
            raise Unavailable(0, "ConnectionLost", "connection lost", str(request)) from error

    async def _sent(self, request: Request) -> Answer:
        await self._alive()
        await asyncio.sleep(self._latency)
        headers = dict(request.headers)
        if request.body is not None:
            headers.setdefault("Content-Type", "application/json")
        # As over a wire: neither side can change what the other one holds.
        body = None if request.body is None else orjson.loads(orjson.dumps(request.body))
        asked = Asked(request.method, request.path, dict(request.parameters), headers, body)
        try:
            answer = await self.server.answer(asked)
        except Dropped:
            await self._alive()
            raise
        await self._alive()
        return answer

    async def _alive(self) -> None:
        if self.dead:
            await asyncio.Event().wait()

    def _note(self, request: Request, status: int) -> None:
        if self._called is not None:
            self._called(request.call(status))


@asynccontextmanager
async def client_in_memory(
    server: ApiServer, on_call: Callable[[Call], None] | None = None
) -> AsyncIterator[Client]:
    """A client of the double without sockets, for the length of an ``async with``."""
    transport = MemoryTransport(server, on_call)
    async with Client(server.connection(), transport=transport) as client:
        yield client
