"""Probes: one small HTTP server that says whether the process lives, is ready, and how it fares."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from moorage_kube.election.lease import boot_seconds
from moorage_kube.telemetry.exposition import Exposition
from moorage_kube.telemetry.http_server import (
    HttpServer,
    Limits,
    Request,
    Response,
    listen,
    text,
)
from moorage_kube.telemetry.metrics import ProbedRegistry

logger = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""``None``: all is well; else what is wrong, in a few words."""

HEARTBEAT_LIMIT = 30.0
"""Seconds the event loop may be away before ``/healthz`` says so."""


class ProbesFailed(Exception):
    """The server cannot listen; one line that names the address and the setting to change."""


class Health:
    """What the probes ask: a heartbeat, tasks that must not die, checks for readiness."""

    def __init__(self, clock: Callable[[], float] = boot_seconds) -> None:
        self._clock = clock
        self._last_beat = clock()
        self._dead: dict[str, str] = {}
        self._checks: dict[str, Check] = {}

    def beat(self) -> None:
        """The event loop came round."""
        self._last_beat = self._clock()

    def died(self, task: str, why: str) -> None:
        """A task the process cannot live without is gone."""
        self._dead[task] = why

    def require(self, name: str, check: Check) -> None:
        """The process is ready only while ``check`` returns ``None``."""
        self._checks[name] = check

    def unhealthy(self) -> tuple[str, ...]:
        """Why the process should be restarted; empty while it lives."""
        away = self._clock() - self._last_beat
        late = (f"event loop: away for {away:.0f} s",) if away > HEARTBEAT_LIMIT else ()
        return late + tuple(f"{task}: {why}" for task, why in self._dead.items())

    def missing(self) -> tuple[str, ...]:
        """What is not ready yet, by name; empty when all is."""
        answers = ((name, check()) for name, check in self._checks.items())
        return tuple(f"{name}: {answer}" for name, answer in answers if answer is not None)


@dataclass(frozen=True, slots=True)
class Probes:
    """The running server. ``port`` is the real one, also where 0 was asked for."""

    port: int
    server: HttpServer
    metrics: Exposition

    async def close(self) -> None:
        """Stop listening."""
        await self.server.close()
        await self.metrics.close()


async def serve(
    port: int,
    health: Health,
    registry: ProbedRegistry,
    host: str = "0.0.0.0",  # noqa: S104 - kubelet and Prometheus call the pod's address
    limits: Limits = Limits(),  # noqa: B008 - a frozen value
) -> Probes:
    """Answer ``/healthz``, ``/readyz`` and ``/metrics`` until closed. Port 0 takes a free one.

    A stuck event loop answers nothing at all, which fails a probe just as well as a 503.
    Raises :class:`ProbesFailed` where the address is unavailable.
    """
    registry.healthy = lambda: not health.unhealthy()
    registry.ready = lambda: not health.missing()
    metrics = Exposition(registry)

    async def respond(request: Request) -> Response:
        match request.path:
            case "/healthz":
                return _probed(health.unhealthy())
            case "/readyz":
                return _probed(health.missing())
            case "/metrics":
                body, content_type = await metrics.text(request.headers.get("accept", ""))
                return Response(HTTPStatus.OK, body, content_type)
            case _:
                return text(HTTPStatus.NOT_FOUND, "see /healthz, /readyz and /metrics")

    try:
        listening = listen(host, port)
    except OSError as error:
        raise ProbesFailed(
            f"cannot listen on {host}:{port} ({error.strerror or error}); "
            "choose another --metrics-port"
        ) from error
    server = HttpServer(listening, respond, limits)
    logger.info("listening on %s:%d", host, server.port, extra={"port": server.port})
    return Probes(server.port, server, metrics)


async def keep_beating(health: Health) -> None:
    """Renew the heartbeat for ever."""
    while True:
        health.beat()
        await asyncio.sleep(1.0)


def _probed(lines: tuple[str, ...]) -> Response:
    return text(HTTPStatus.SERVICE_UNAVAILABLE, *lines) if lines else text(HTTPStatus.OK, "ok")
