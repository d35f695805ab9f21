"""The webhook server: HTTPS on its own port, strict about what it reads, on every replica."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry

from moorage_kube.webhook.answering import Answering
from moorage_kube.webhook.callers import Callers
from moorage_kube.webhook.certificates import Certificates
from moorage_kube.webhook.connections import Limits, Listener, Visit
from moorage_kube.webhook.http1 import Connection
from moorage_kube.webhook.metrics import WebhookMetrics, webhook_metrics
from moorage_kube.webhook.webhook import Webhook

logger = logging.getLogger(__name__)

DEFAULT_PORT: Final = 9443
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
    """How a server stops.

    Attributes:
        notice_seconds: for so long it still takes requests, each answered with ``Connection:
            close``: the API server learns from the EndpointSlice, a moment later, that this
            replica is gone.
        finish_seconds: after that, the most that requests in hand may take.
    """

    notice_seconds: float = 3.0
    finish_seconds: float = 10.0


@dataclass(slots=True)
class _State:
    """What changes while a server runs."""

    port: int = 0
    listening: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookServer:
    """Serves webhooks; every replica runs one, whether it leads or not.

    Attributes:
        webhooks: by path.
        leaving: how it stops.
        callers: who may call; ``None``: whoever can reach it. Set it before it runs.
    """

    def __init__(
        self,
        webhooks: Iterable[Webhook],
        certificates: Certificates,
        metrics: WebhookMetrics | None = None,
        address: Address = Address(),
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        """``metrics``: of this server, see :func:`metrics_of`."""
        self.webhooks = {webhook.path: webhook for webhook in webhooks}
        self._certificates = certificates
        self._metrics = metrics or webhook_metrics("unnamed", CollectorRegistry())
        self._answering = Answering(self.webhooks.values(), self._metrics, limits)
        self._address = address
        self._limits = limits
        self._state = _State()
        self.leaving = Leaving()
        self.callers: Callers | None = None

    @property
    def port(self) -> int:
        """The real port, also where 0 was asked for; 0 before it listens."""
        return self._state.port

    def ready(self) -> str | None:
        """``None`` while requests are answered, else why not, in a few words."""
        if self._answering.stopping:
            return "stopping"
        problem = self._certificates.ready()
        if problem is None and self.callers is not None:
            problem = self.callers.ready()
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
        listener = Listener(self._connection, self._context, self._limits, self._dropped)
        self._watch(listener)
        self._answering.callers = self.callers
        tasks = [asyncio.create_task(self._certificates.run(), name="keeping the certificate")]
        if self.callers is not None:
            keeping = asyncio.create_task(self.callers.run(), name="keeping the authorities")
            tasks.append(keeping)
        try:
            await self._certificate(*tasks)
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
        self._metrics.problem.set_function(lambda: float(bool(self._certificates.problem())))

    def _expiry(self) -> float:
        serving = self._certificates.serving
        return serving.expires.timestamp() if serving else 0.0

    async def _certificate(self, *keeping: asyncio.Task[None]) -> None:
        """Wait for the first certificate, and the first authorities of callers."""
        while not self._can_shake_hands():
            for task in keeping:
                if task.done():
                    await task
                    raise RuntimeError("no certificate is kept any more")
            await asyncio.sleep(0.02)

    def _can_shake_hands(self) -> bool:
        known = self.callers is None or self.callers.ready() is None
        return known and self._certificates.serving is not None

    def _bind(self, listener: Listener) -> None:
        host, port = self._address.host, self._address.port
        try:
            self._state.port = listener.bind(host, port)
        except OSError as error:
            raise CannotListen(f"cannot listen on {host}:{port} ({error.strerror})") from error
        self._state.listening.set()
        logger.info("webhooks listen on %s:%d", host, self._state.port)

    async def _leave(self, listener: Listener, accepting: asyncio.Task[None]) -> None:
        self._answering.stopping = True
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

    def _connection(self, visit: Visit, forget: Callable[[Visit], None]) -> Connection:
        return Connection(self._answering, visit, forget)

    def _context(self) -> ssl.SSLContext:
        serving = self._certificates.serving
        if serving is None:
            raise RuntimeError("it listens before it has a certificate")
        return serving.context if self.callers is None else self.callers.context(serving)

    def _dropped(self, reason: str) -> None:
        self._metrics.dropped.labels(reason).inc()


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
