"""HTTP/1.1 on one connection: reads a request, has it answered, writes the answer at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Protocol

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage

from moorage_kube.webhook.connections import Limits, Stage, Visit

logger = logging.getLogger(__name__)

LINGER_SECONDS: Final = 1.0
"""How long a connection stays that is to be closed while more is sent than was read.

That is thrown away meanwhile: closed at once, the other end could miss the answer.
"""
_MOST_HEADERS: Final = 64
_BUFFER_BYTES: Final = 64 * 1024


class Refused(Exception):
    """A request that gets no decision; ``status`` and one line of text are the answer."""

    def __init__(self, status: HTTPStatus, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.title(): value for name, value in headers.items()}


class Service(Protocol):
    """Who answers requests. ``begun``: ``time.perf_counter`` at the head of the request."""

    limits: Limits
    large: asyncio.Semaphore
    stopping: bool

    def refusal(self, certificate: Mapping[str, Any] | None) -> str | None:
        """Why whoever showed this certificate in the handshake may not ask; ``None``: it may."""
        ...

    def body_size(self, head: RawRequestMessage) -> int | None:
        """The length of the body, if it may be read; ``None``: it is in chunks.

        Raises :class:`Refused`.
        """
        ...

    def respond(
        self, head: RawRequestMessage, body: bytes, begun: float
    ) -> bytes | Coroutine[Any, Any, bytes]:
        """The JSON of the answer, or who will give it; raises :class:`Refused`, as that may."""
        ...

    def refused(self, head: RawRequestMessage, begun: float) -> None:
        """A request was refused."""
        ...


class Connection(BaseProtocol):
    """One request after the other on one connection.

    An answer that needs nothing awaited costs neither a task nor a timer. Whoever sends more
    before it has its answer is asked, by ``Connection: close``, to send that again: the API server
    never does, and nobody else is to have more than one turn at a time.
    """

    __slots__ = (
        "_begun", "_closing", "_forget", "_head", "_http", "_payload", "_refusal", "_service",
        "_task", "_visit",
    )  # fmt: skip

    def __init__(self, service: Service, visit: Visit, forget: Callable[[Visit], None]) -> None:
        loop = asyncio.get_running_loop()
        self._http = HttpRequestParser(
            self,
            loop,
            _BUFFER_BYTES,
            max_headers=_MOST_HEADERS,
            auto_decompress=False,
            # No more is parsed before it is answered, however much comes at once.
            max_msg_queue_size=1,
        )
        super().__init__(loop, self._http)
        self._service = service
        self._visit = visit
        self._forget = forget
        self._head: RawRequestMessage | None = None
        self._payload: StreamReader | None = None
        self._task: asyncio.Task[None] | None = None
        self._refusal: str | None = None
        self._begun = 0.0
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._visit.transport = self.transport
        self._refusal = self._service.refusal(transport.get_extra_info("peercert"))
        self._visit.turn(Stage.IDLE)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget(self._visit)
        super().connection_lost(exc)
        self._parser = None
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        # Whoever does not read its answers gets no more of them.
        super().pause_writing()
        self._pause_transport_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._resume_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - as aiohttp calls it
        # Called for each body: only one that was too much at a time needs anything done.
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def data_received(self, data: bytes) -> None:
        visit = self._visit
        if self._closing or visit.stage is Stage.ANSWERING:
            self._closing = True
            return
        if visit.stage is Stage.IDLE:
            visit.turn(Stage.READING)
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        try:
            messages, _, _ = self._http.feed_data(data)
        except HttpProcessingError:
            self._refuse(Refused(HTTPStatus.BAD_REQUEST, "not a request of HTTP/1.1"))
            return
        if messages:
            self._begin(*messages[0])
        elif self._head is not None:
            self._answer_if_whole()

    def _begin(self, head: RawRequestMessage, payload: StreamReader) -> None:
        self._head, self._payload, self._begun = head, payload, time.perf_counter()
        if self._refusal is not None:
            self._refuse(Refused(HTTPStatus.FORBIDDEN, self._refusal))
            return
        try:
            size = self._service.body_size(head)
        except Refused as error:
            self._refuse(error)
            return
        if size is None or size > self._service.limits.large_body_bytes:
            self._await(self._answer_large(head, payload))
        else:
            self._answer_if_whole()

    def _answer_if_whole(self) -> None:
        head, payload = self._head, self._payload
        if head is None or payload is None or self._task is not None or not payload.is_eof():
            return
        try:
            answer = self._respond(head, payload.read_nowait())
        except Exception as error:  # noqa: BLE001 - a bug must not look like a lost connection
            self._failed(error)
            return
        if isinstance(answer, bytes):
            self._send(answer)
        else:
            self._await(answer)

    def _respond(self, head: RawRequestMessage, body: bytes) -> bytes | Coroutine[Any, Any, bytes]:
        self._visit.turn(Stage.ANSWERING)
        return self._service.respond(head, body, self._begun)

    async def _answer_large(self, head: RawRequestMessage, payload: StreamReader) -> bytes:
        """Bodies that are large, or may be, are taken in a few at a time: memory is bounded."""
        async with self._service.large:
            body = await _whole(payload, self._service.limits.body_bytes)
            answer = self._respond(head, body)
            return answer if isinstance(answer, bytes) else await answer

    def _await(self, answer: Coroutine[Any, Any, bytes]) -> None:
        self._task = self._loop.create_task(self._send_later(answer))

    async def _send_later(self, answer: Coroutine[Any, Any, bytes]) -> None:
        try:
            body = await answer
        except Exception as error:  # noqa: BLE001 - a bug must not look like a lost connection
            self._failed(error)
        else:
            self._send(body)

    def _send(self, body: bytes) -> None:
        head = self._head
        if self.transport is None or head is None:
            return
        self._visit.served = True
        more = self._closing or self._sent_more()
        close = more or self._service.stopping or head.should_close or head.upgrade
        self.transport.write(_success(body, close=close))
        if close:
            self._close(unread=more)
        else:
            self._head = self._payload = self._task = None
            self._visit.turn(Stage.IDLE)

    def _sent_more(self) -> bool:
        """Whether the next request, or what is none, came before this one's answer."""
        self._http.message_consumed()
        try:
            messages, _, _ = self._http.feed_data(b"")
        except HttpProcessingError:
            return True
        return bool(messages)

    def _failed(self, error: Exception) -> None:
        if isinstance(error, Refused):
            self._refuse(error)
            return
        logger.error("a request could not be answered", exc_info=error)
        self._refuse(Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed, see its log"))

    def _refuse(self, error: Refused) -> None:
        if self._head is not None:
            self._service.refused(self._head, self._begun)
        if self.transport is not None:
            self.transport.write(_refusal(error))
            self._close(unread=self._payload is not None and not self._payload.is_eof())

    def _close(self, *, unread: bool) -> None:
        """End it when what was written is sent."""
        self._closing = True
        self._visit.turn(Stage.IDLE)
        if self.transport is None:
            return
        if unread:
            self._loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()


def too_large(most: int) -> Refused:
    """Why a body of more than so many bytes gets no decision."""
    return Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {most} bytes")


async def _whole(payload: StreamReader, most: int) -> bytes:
    """A body to its end; raises :class:`Refused` once more than ``most`` bytes of it came."""
    parts, size = [], 0
    while part := await payload.readany():
        parts.append(part)
        size += len(part)
        if size > most:
            raise too_large(most)
    return b"".join(parts)


def _success(body: bytes, *, close: bool) -> bytes:
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %b\r\nContent-Length: %d\r\n"
        b"%b\r\n%b"
        % (_date(int(time.time())), len(body), b"Connection: close\r\n" if close else b"", body)
    )


def _refusal(error: Refused) -> bytes:
    """What was not read of a body would be taken for the next request: it ends the connection."""
    text = f"{error}\n".encode()
    headers = error.headers | {
        "Content-Type": "text/plain; charset=utf-8",
        "Date": _date(int(time.time())).decode(),
        "Content-Length": str(len(text)),
        "Connection": "close",
    }
    lines = [f"HTTP/1.1 {error.status.value} {error.status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + text


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """A Unix time as HTTP writes it; it is the same for all answers of a second."""
    return formatdate(second, usegmt=True).encode()
