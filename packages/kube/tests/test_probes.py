"""The probes say what is wrong, by name, and show the metrics."""

from __future__ import annotations

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Gauge

from moorage_kube.probes import HEARTBEAT_LIMIT, Health, Probes, ProbesFailed, serve


class Clock:
    """A clock that stands still until it is told to go on."""

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
    probes = await serve(0, Health(), CollectorRegistry(), "127.0.0.1")
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
    probes = await serve(0, health, CollectorRegistry(), "127.0.0.1")
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
    probes = await serve(0, health, CollectorRegistry(), "127.0.0.1")
    try:
        assert (await ask(probes, "/healthz"))[:2] == (503, "workers: KeyError: 'x'\n")
    finally:
        await probes.close()


def test_a_loop_that_was_away_too_long_fails_liveness_until_it_beats_again() -> None:
    clock = Clock()
    health = Health(clock)
    clock.now += HEARTBEAT_LIMIT
    assert health.ailments() == ()
    clock.now += 1
    assert health.ailments() == ("event loop: away for 31 s",)
    health.beat()
    assert health.ailments() == ()


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "text/plain"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
async def test_metrics_come_in_the_form_that_is_accepted(accept: str, content_type: str) -> None:
    registry = CollectorRegistry()
    Gauge("boats", "Boats.", registry=registry).set(3)
    probes = await serve(0, Health(), registry, "127.0.0.1")
    try:
        status, body, actual = await ask(probes, "/metrics", accept)
    finally:
        await probes.close()
    assert (status, actual.split(";")[0]) == (200, content_type)
    assert "boats 3.0" in body


async def test_a_taken_port_is_named_with_the_way_out() -> None:
    probes = await serve(0, Health(), CollectorRegistry(), "127.0.0.1")
    try:
        with pytest.raises(
            ProbesFailed, match=rf"127\.0\.0\.1:{probes.port} .*another --metrics-port"
        ):
            await serve(probes.port, Health(), CollectorRegistry(), "127.0.0.1")
    finally:
        await probes.close()
