"""Probes: one small HTTP server that says whether the process lives, is ready, and how it fares."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from moorage_kube.election.lease import boot_seconds
from moorage_kube.telemetry.metrics import ProbedRegistry

logger = logging.getLogger(__name__)

Check = Callable[[], str | None]
"""``None`` when all is well, else what is not, in a few words."""

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
        """The process is ready only while ``check`` has nothing to say."""
        self._checks[name] = check

    def ailments(self) -> tuple[str, ...]:
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
    runner: web.AppRunner

    async def close(self) -> None:
        """Stop listening."""
        await self.runner.cleanup()


async def serve(
    port: int,
    health: Health,
    registry: ProbedRegistry,
    host: str = "0.0.0.0",  # noqa: S104 - kubelet and Prometheus call the pod's address
) -> Probes:
    """Answer ``/healthz``, ``/readyz`` and ``/metrics`` until closed. Port 0 takes a free one.

    A stuck event loop answers nothing at all, which fails a probe just as well as a 503.
    Raises :class:`ProbesFailed` where the address is not to be had.
    """
    registry.healthy = lambda: not health.ailments()
    registry.ready = lambda: not health.missing()

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/healthz", _probe(health.ailments))
    app.router.add_get("/readyz", _probe(health.missing))
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise ProbesFailed(
            f"cannot listen on {host}:{port} ({error.strerror or error}); "
            "choose another --metrics-port"
        ) from error
    real = int(runner.addresses[0][1])
    logger.info("listening on %s:%d", host, real, extra={"port": real})
    return Probes(real, runner)


async def keep_beating(health: Health) -> None:
    """Feed the heartbeat for ever."""
    while True:
        health.beat()
        await asyncio.sleep(1.0)


def _probe(
    complaints: Callable[[], tuple[str, ...]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        lines = complaints()
        return web.Response(status=503 if lines else 200, text="\n".join(lines or ("ok",)) + "\n")

    return answer
