"""Kopf's session shows our credentials, and has them replaced when they are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.manager.login import log_in


@dataclass
class Purse:
    """Credentials, and which of them were refused."""

    credentials: Credentials = field(default_factory=lambda: Credentials(token="good"))  # noqa: S106  # no real one
    refused: list[Credentials] = field(default_factory=list)

    async def current(self) -> Credentials:
        return self.credentials

    def reject(self, credentials: Credentials) -> None:
        self.refused.append(credentials)


@dataclass
class Server:
    """A server that takes one token."""

    url: str
    agents: list[str] = field(default_factory=list)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    here = Server("")

    async def answer(request: web.Request) -> web.Response:
        here.agents.append(request.headers["User-Agent"])
        good = request.headers.get("Authorization") == "Bearer good"
        return web.Response(status=200 if good else 401)

    app = web.Application()
    app.router.add_get("/api", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield here
    await runner.cleanup()


async def ask(connection: Connection) -> int:
    login = await log_in(connection, "moorage-harbour/1")
    async with (
        asyncio.timeout(10),
        login.aiohttp_session as session,
        session.get(f"{login.server}/api") as response,
    ):
        return response.status


async def test_requests_carry_the_credentials_and_our_name(server: Server) -> None:
    purse = Purse()
    assert await ask(Connection(server.url, purse)) == 200
    assert server.agents == ["moorage-harbour/1"]
    assert purse.refused == []


async def test_refused_credentials_are_given_back(server: Server) -> None:
    purse = Purse(Credentials(token="old"))  # noqa: S106 - no secret
    assert await ask(Connection(server.url, purse)) == 401
    assert purse.refused == [purse.credentials]
