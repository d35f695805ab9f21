"""What the node's ports answer is known, and a change of it is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from moorage_node_agent.proxy import ProxyHealth
from moorage_testing.waiting import until


class Port:
    """A port of a node whose answer can be changed."""

    def __init__(self) -> None:
        self.status = 200
        self.number = 0
        self.paths: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        return web.Response(status=self.status)

    async def serve(self, host: str = "127.0.0.1") -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        self.number = runner.addresses[0][1]
        return runner


@contextmanager
def running(health: ProxyHealth, changes: list[bool]) -> Iterator[None]:
    task = asyncio.create_task(health.run(lambda: changes.append(True)))
    try:
        yield
    finally:
        task.cancel()


async def test_the_proxy_is_unhealthy_until_it_says_otherwise_and_again_when_it_does_not() -> None:
    port = Port()
    runner = await port.serve()
    health, changes = ProxyHealth(port.number, tuple), list[bool]()
    assert health.healthy is False
    with running(health, changes):
        await until(lambda: health.healthy, "it to be healthy")
        assert changes == [True]
        port.status = 503
        await until(lambda: not health.healthy, "it to be unhealthy")
        await runner.cleanup()
        port.status = 200
    assert set(port.paths) == {"/healthz"}


async def test_health_check_ports_are_asked_while_they_are_wanted() -> None:
    one, wanted = Port(), list[int]()
    runner = await one.serve()
    health = ProxyHealth(0, lambda: wanted)
    with running(health, []):
        wanted.append(one.number)
        await until(lambda: health.healthy_ports == {one.number}, "its answer")
        one.status = 503
        await until(lambda: health.healthy_ports == frozenset(), "its endpoint to go")
        one.status = 200
        await until(lambda: health.healthy_ports, "its endpoint to be back")
        wanted.clear()
        await until(lambda: not health.healthy_ports, "nobody to ask")
    assert health.healthy is None
    await runner.cleanup()


async def test_a_port_that_is_not_on_loopback_is_found_on_an_address_of_the_node() -> None:
    one, own = Port(), ["127.0.0.2", "127.0.0.3"]
    runner = await one.serve("127.0.0.3")
    health = ProxyHealth(0, lambda: [one.number], lambda: own)
    with running(health, []):
        await until(lambda: health.healthy_ports == {one.number}, "its answer")
        one.status = 503
        await until(lambda: not health.healthy_ports, "its endpoint to go")
        # It has moved, as a proxy that was started again with other addresses.
        await runner.cleanup()
        one.status = 200
        number = one.number
        again = await one.serve("127.0.0.2")
        site = web.TCPSite(again, "127.0.0.2", number)
        await site.start()
        one.number = number
        await until(lambda: health.healthy_ports == {number}, "its answer elsewhere")
    await again.cleanup()
