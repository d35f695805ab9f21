"""The webhook server: HTTPS on its own port, strict about what it reads, on every replica."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from prometheus_client import CollectorRegistry

from moorage_kube.webhook.admission import BadReview, answer, parse
from moorage_kube.webhook.certificates import Certificates
from moorage_kube.webhook.connections import Connection, Limits, Listener, Stage
from moorage_kube.webhook.metrics import WebhookMetrics, webhook_metrics
from moorage_kube.webhook.webhook import Webhook

logger = logging.getLogger(__name__)

DEFAULT_PORT: Final = 9443
REFUSED: Final = "refused"
PATIENCE_SECONDS: Final = 10.0
"""How long the API server waits where a webhook configuration does not say."""
_JSON: Final = {"Content-Type": "application/json"}
_PATIENCE = re.compile(r"(?:^|&)timeout=(\d{1,3})s(?:&|$)")
_LENGTH = re.compile(r"\d{1,18}")


CLOSE_SECONDS: Final = 2.0
"""How long connections may take to close before they are cut."""


class CannotListen(Exception):
    """The address of the webhook server is unavailable; one line names it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 takes a free one."""

    host: str = "0.0.0.0"  # noqa: S104 - the API server calls the pod's address
    port: int = DEFAULT_PORT


@dataclass(frozen=True, slots=True)
class Leaving:
    """How a server that is told to stop ends.

    Attributes:
        notice_seconds: still takes requests, each answered with ``Connection: close``: the API
            server learns from the EndpointSlice, a moment later, that this replica is gone.
        finish_seconds: after that, the most that requests in hand may take.
    """

    notice_seconds: float = 3.0
    finish_seconds: float = 10.0


class _Refused(Exception):
    """A request that is none; ``status`` and one line of text are the answer."""

    def __init__(self, status: HTTPStatus, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.title(): value for name, value in headers.items()}


@dataclass(slots=True)
class _State:
    """What changes while a server runs."""

    port: int = 0
    leaving: bool = False
    listening: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookServer:
    """Serves webhooks; every replica runs one, whether it leads or not.

    ``metrics``: of this server, see :func:`metrics_of`.
    """

    def __init__(
        self,
        webhooks: Iterable[Webhook],
        certificates: Certificates,
        metrics: WebhookMetrics | None = None,
        address: Address = Address(),
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._webhooks: Mapping[str, Webhook] = {webhook.path: webhook for webhook in webhooks}
        self._certificates = certificates
        self._metrics = metrics or webhook_metrics("unnamed", CollectorRegistry())
        self._address = address
        self._limits = limits
        self._state = _State()
        self._large = asyncio.Semaphore(limits.large_bodies)
        self.leaving = Leaving()

    @property
    def port(self) -> int:
        """The real port, also where 0 was asked for; 0 before it listens."""
        return self._state.port

    def ready(self) -> str | None:
        """``None`` while requests are answered, else why not, in a few words."""
        if self._state.leaving:
            return "stopping"
        problem = self._certificates.ready()
        if problem is None and not self._state.listening.is_set():
            return "not listening yet"
        return problem

    async def listening(self) -> None:
        """Wait until requests are answered."""
        await self._state.listening.wait()

    async def run(self) -> None:
        """Serve until cancelled, then finish the requests in hand.

        Raises :class:`CannotListen`. It listens as soon as there is a certificate.
        """
        server = web.Server(self._respond, request_factory=self._request, handler_cancellation=True)
        listener = Listener(server, self._context, self._limits, self._dropped)
        self._watch(listener)
        tasks = [asyncio.create_task(self._certificates.run(), name="keeping the certificate")]
        try:
            await self._certificate(tasks[0])
            self._bind(listener)
            accepting = asyncio.create_task(listener.accept(), name="accepting")
            tasks += [accepting, asyncio.create_task(listener.sweep(), name="sweeping")]
            try:
                await _first_end(tasks)
            finally:
                await self._leave(listener, accepting)
        finally:
            await _cancel(*tasks)

    def _watch(self, listener: Listener) -> None:
        self._metrics.connections.set_function(lambda: listener.open_connections)
        self._metrics.expiry.set_function(self._expiry)

    def _expiry(self) -> float:
        serving = self._certificates.serving
        return serving.expires.timestamp() if serving else 0.0

    async def _certificate(self, keeping: asyncio.Task[None]) -> None:
        """Wait for the first certificate."""
        while self._certificates.serving is None:
            if keeping.done():
                await keeping
                raise RuntimeError("no certificate is kept any more")
            await asyncio.sleep(0.02)

    def _bind(self, listener: Listener) -> None:
        host, port = self._address.host, self._address.port
        try:
            self._state.port = listener.bind(host, port)
        except OSError as error:
            raise CannotListen(f"cannot listen on {host}:{port} ({error.strerror})") from error
        self._state.listening.set()
        logger.info("webhooks listen on %s:%d", host, self._state.port)

    async def _leave(self, listener: Listener, accepting: asyncio.Task[None]) -> None:
        self._state.leaving = True
        loop = asyncio.get_running_loop()
        try:
            await _until(accepting.done, loop.time() + self.leaving.notice_seconds)
            await _cancel(accepting)
            end = loop.time() + self.leaving.finish_seconds
            await _until(lambda: not listener.busy, end)
            listener.close_all()
            await _until(lambda: not listener.open_connections, loop.time() + CLOSE_SECONDS)
        finally:
            listener.drop_all()
            self._state.listening.clear()

    def _context(self) -> ssl.SSLContext:
        serving = self._certificates.serving
        if serving is None:
            raise RuntimeError("it listens before it has a certificate")
        return serving.context

    def _dropped(self, reason: str) -> None:
        self._metrics.dropped.labels(reason).inc()

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=self._limits.body_bytes,
        )

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        if not isinstance(connection, Connection):
            raise TypeError("a request of another server")
        visit, begun, webhook = connection.visit, time.perf_counter(), ""
        try:
            target, _, query = request.raw_path.partition("?")
            served = self._webhook(request.method, target)
            webhook = served.path
            async with self._turn(self._size(request)):
                body = await _body(request)
                visit.turn(Stage.ANSWERING)
                question = parse(body)
                decision, outcome = await served.answer(question, _patience(query))
            response = web.Response(body=answer(question.uid, decision), headers=_JSON)
            operation = question.operation
            visit.served = True
        except (BadReview, _Refused) as error:
            response, operation, outcome = _refusal(error), "", REFUSED
        finally:
            visit.turn(Stage.IDLE)
        self._metrics.answered(webhook, operation, outcome, time.perf_counter() - begun)
        if self._state.leaving:
            response.force_close()
        return response

    def _webhook(self, method: str, path: str) -> Webhook:
        webhook = self._webhooks.get(path)
        if webhook is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "no webhook has this path")
        if method != "POST":
            raise _Refused(HTTPStatus.METHOD_NOT_ALLOWED, "only POST", allow="POST")
        return webhook

    def _size(self, request: web.BaseRequest) -> int:
        """The length of a body that may be read."""
        headers = request.headers
        kind = headers.get("Content-Type", "")
        if kind != "application/json" and kind.partition(";")[0].strip() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "only application/json")
        if "Content-Encoding" in headers:
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "no Content-Encoding")
        length = headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(length):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "the Content-Length is missing")
        if int(length) > self._limits.body_bytes:
            most = f"a body has at most {self._limits.body_bytes} bytes"
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
        return int(length)

    def _turn(self, size: int) -> contextlib.AbstractAsyncContextManager[None]:
        """Large bodies are taken in a few at a time: memory is bounded, too."""
        return self._large if size > self._limits.large_body_bytes else _NO_TURN


_NO_TURN: Final = contextlib.nullcontext()


async def _body(request: web.BaseRequest) -> bytes:
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise _Refused(HTTPStatus.BAD_REQUEST, "the body ends early") from error


def _refusal(error: BadReview | _Refused) -> web.Response:
    status = error.status if isinstance(error, _Refused) else HTTPStatus.BAD_REQUEST
    headers = error.headers if isinstance(error, _Refused) else {}
    response = web.Response(status=status, text=f"{error}\n", headers=headers)
    # A body that was not read would be taken for the next request.
    response.force_close()
    return response


@lru_cache(maxsize=64)
def _patience(query: str) -> float:
    """Seconds for an answer, from ``timeout=10s`` in the query: a fifth is left for the way."""
    asked = _PATIENCE.search(query)
    return 0.8 * (float(asked[1]) if asked else PATIENCE_SECONDS)


async def _first_end(tasks: list[asyncio.Task[None]]) -> None:
    """Wait until one of the tasks ends, which none should, and raise what it ended with."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
        raise RuntimeError(f"{task.get_name()} ended")


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _until(condition: Callable[[], bool], end: float) -> None:
    """Wait until the condition holds, or the loop's clock says ``end``."""
    loop = asyncio.get_running_loop()
    while not condition() and loop.time() < end:  # noqa: ASYNC110 - connections have no event
        await asyncio.sleep(0.02)
