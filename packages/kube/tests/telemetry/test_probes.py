"""The probes say what is wrong, by name, and show the metrics."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import threading
from collections.abc import Iterator

import aiohttp
import pytest
from prometheus_client import Gauge

from moorage_kube.telemetry.metrics import ProbedRegistry
from moorage_kube.telemetry.probes import HEARTBEAT_LIMIT, Health, Probes, ProbesFailed, serve

DEADLINE = 30.0


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def ask(probes: Probes, path: str, accept: str = "*/*") -> tuple[int, str, str]:
    """Status, body and content type of one request."""
    url = f"http://127.0.0.1:{probes.port}{path}"
    async with (
        aiohttp.ClientSession() as session,
        session.get(url, headers={"Accept": accept}) as response,
    ):
        return response.status, await response.text(), response.headers["Content-Type"]


async def test_a_process_that_is_well_answers_ok_on_a_free_port() -> None:
    probes = await serve(0, Health(), ProbedRegistry(), "127.0.0.1")
    try:
        assert probes.port > 0
        assert (await ask(probes, "/healthz"))[:2] == (200, "ok\n")
        assert (await ask(probes, "/readyz"))[:2] == (200, "ok\n")
    finally:
        await probes.close()


async def test_ready_lists_everything_that_is_missing() -> None:
    health = Health()
    health.require("cache of nodes", lambda: "not listed yet")
    health.require("cache of pods", lambda: None)
    health.require("leadership", lambda: "its loop does not come round")
    probes = await serve(0, health, ProbedRegistry(), "127.0.0.1")
    try:
        assert (await ask(probes, "/readyz"))[:2] == (
            503,
            "cache of nodes: not listed yet\nleadership: its loop does not come round\n",
        )
        assert (await ask(probes, "/healthz"))[0] == 200
    finally:
        await probes.close()


async def test_a_dead_task_fails_liveness_and_says_which() -> None:
    health = Health()
    health.died("workers", "KeyError: 'x'")
    probes = await serve(0, health, ProbedRegistry(), "127.0.0.1")
    try:
        assert (await ask(probes, "/healthz"))[:2] == (503, "workers: KeyError: 'x'\n")
    finally:
        await probes.close()


def test_a_loop_that_was_away_too_long_fails_liveness_until_it_beats_again() -> None:
    clock = Clock()
    health = Health(clock)
    clock.now += HEARTBEAT_LIMIT
    assert health.unhealthy() == ()
    clock.now += 1
    assert health.unhealthy() == ("event loop: away for 31 s",)
    health.beat()
    assert health.unhealthy() == ()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
async def test_metrics_come_in_the_form_that_is_accepted(accept: str, content_type: str) -> None:
    registry = ProbedRegistry()
    Gauge("addresses", "Addresses.", registry=registry).set(3)
    probes = await serve(0, Health(), registry, "127.0.0.1")
    try:
        status, body, actual = await ask(probes, "/metrics", accept)
    finally:
        await probes.close()
    assert (status, actual.split(";")[0]) == (200, content_type)
    assert "addresses 3.0" in body


class Served:
    """Probes on an event loop of their own, which can be blocked."""

    def __init__(self, health: Health) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        serving = serve(0, health, ProbedRegistry(), "127.0.0.1")
        self.probes = asyncio.run_coroutine_threadsafe(serving, self.loop).result(DEADLINE)

    def status(self, path: str, seconds: float) -> int | None:
        """The status of a probe as kubelet sees it; ``None`` = no answer within its timeout."""
        connection = http.client.HTTPConnection("127.0.0.1", self.probes.port, timeout=seconds)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except TimeoutError:
                return None

    @contextlib.contextmanager
    def blocked(self) -> Iterator[None]:
        """Nothing else runs on the loop meanwhile."""
        there, go_on = threading.Event(), threading.Event()

        def block() -> None:
            there.set()
            go_on.wait(DEADLINE)

        self.loop.call_soon_threadsafe(block)
        assert there.wait(DEADLINE)
        try:
            yield
        finally:
            go_on.set()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.probes.close(), self.loop).result(DEADLINE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def test_a_stuck_loop_fails_liveness_until_it_goes_on() -> None:
    served = Served(Health())
    try:
        assert served.status("/healthz", DEADLINE) == 200
        with served.blocked():
            assert served.status("/healthz", 1.0) is None
        assert served.status("/healthz", DEADLINE) == 200
    finally:
        served.close()


async def test_the_registry_knows_what_the_probes_would_answer() -> None:
    registry, health = ProbedRegistry(), Health()
    assert (registry.healthy(), registry.ready()) == (False, False)
    missing: list[str] = ["not listed yet"]
    health.require("cache of nodes", lambda: next(iter(missing), None))
    probes = await serve(0, health, registry, "127.0.0.1")
    try:
        assert (registry.healthy(), registry.ready()) == (True, False)
        missing.clear()
        assert (registry.healthy(), registry.ready()) == (True, True)
        health.died("workers", "KeyError: 'x'")
        assert (registry.healthy(), registry.ready()) == (False, True)
    finally:
        await probes.close()


async def test_a_taken_port_is_named_with_the_way_out() -> None:
    probes = await serve(0, Health(), ProbedRegistry(), "127.0.0.1")
    try:
        with pytest.raises(
            ProbesFailed, match=rf"127\.0\.0\.1:{probes.port} .*another --metrics-port"
        ):
            await serve(probes.port, Health(), ProbedRegistry(), "127.0.0.1")
    finally:
        await probes.close()
