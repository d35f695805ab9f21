"""Kopf's session shows our credentials to the API server alone, and replaces refused ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tls_server import tls_server

from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.pem import PemFile
from moorage_kube.client.errors import Unavailable
from moorage_kube.manager.login import log_in
from moorage_testing.cluster.identity import Authority

Answer = Callable[[web.Request], Awaitable[web.Response]]


@dataclass
class Purse:
    """Credentials, and which of them were refused."""

    credentials: Credentials = field(default_factory=lambda: Credentials(token="good"))  # noqa: S106  # no real one
    refused: list[Credentials] = field(default_factory=list)
    failure: Exception | None = None

    async def current(self) -> Credentials:
        if self.failure is not None:
            raise self.failure
        return self.credentials

    def reject(self, credentials: Credentials) -> None:
        self.refused.append(credentials)


@dataclass
class Server:
    """A server that takes one token."""

    url: str = ""
    asked: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        good = request.headers.get("Authorization") == "Bearer good"
        return web.Response(status=200 if good else 401, body=await request.read())


@asynccontextmanager
async def serve(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server that answers so."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as running:
        yield str(running.make_url("")).rstrip("/")


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    here = Server()
    async with serve(here.answer) as here.url:
        yield here


@asynccontextmanager
async def session_of(connection: Connection) -> AsyncIterator[aiohttp.ClientSession]:
    login = await log_in(connection, "moorage-example/1")
    assert login.server == connection.server
    yield login.aiohttp_session
    await login.aiohttp_session.close()
    assert login.aiohttp_session.closed


async def ask(session: aiohttp.ClientSession, url: str, json: object = None) -> tuple[int, bytes]:
    """A request as kopf makes it."""
    response = await session.request(
        method="patch" if json else "get",
        url=f"{url}/api?watch=true",
        json=json,
        headers={"X-Mark": "kopf"},
        timeout=aiohttp.ClientTimeout(total=10),
    )
    return response.status, await response.read()


async def test_requests_carry_the_credentials_and_our_name(server: Server) -> None:
    purse = Purse()
    async with session_of(Connection(server.url, purse)) as session:
        assert session.headers.get("User-Agent") == "moorage-example/1"
        assert await ask(session, server.url, {"a": 1}) == (200, b'{"a":1}')
    (asked,) = server.asked
    assert (asked.method, asked.path_qs) == ("PATCH", "/api?watch=true")
    wanted = {
        "User-Agent": "moorage-example/1",
        "Content-Type": "application/json",
        "X-Mark": "kopf",
    }
    assert wanted.items() <= asked.headers.items()
    assert purse.refused == []


async def test_refused_credentials_are_given_back(server: Server) -> None:
    purse = Purse(Credentials(token="old"))  # noqa: S106 - no secret
    async with session_of(Connection(server.url, purse)) as session:
        assert (await ask(session, server.url))[0] == 401
    assert purse.refused == [purse.credentials]


async def test_a_renewed_token_is_used_by_the_session_that_is_there(server: Server) -> None:
    purse = Purse(Credentials(token="old"))  # noqa: S106 - no secret
    async with session_of(Connection(server.url, purse)) as session:
        purse.credentials = Credentials(token="good")  # noqa: S106 - no secret
        assert (await ask(session, server.url))[0] == 200


async def test_missing_credentials_are_an_error_that_kopf_tries_again(server: Server) -> None:
    purse = Purse()
    async with session_of(Connection(server.url, purse)) as session:
        purse.failure = Unavailable(0, "NoCredentials", "gone", "token file")
        with pytest.raises(aiohttp.ClientConnectionError, match="token file: gone"):
            await ask(session, server.url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_so_that_the_token_stays_here(
    server: Server, status: int
) -> None:
    async def send_away(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": f"{server.url}/api"})

    async with (
        serve(send_away) as url,
        session_of(Connection(url, Purse())) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectionError, match=f"answered with {status}"):
            await ask(session, url)
    assert server.asked == []


@pytest.mark.parametrize("suffix", [".elsewhere.example", "0", "@elsewhere.example"])
async def test_what_is_not_below_the_url_of_the_api_server_is_not_asked_for(
    server: Server, suffix: str
) -> None:
    async with session_of(Connection(server.url, Purse())) as session:
        with pytest.raises(aiohttp.ClientConnectionError, match="is not at"):
            await ask(session, f"{server.url}{suffix}")
    assert server.asked == []


@pytest.mark.parametrize("wait", ["inf", "86400", "soon"])
async def test_kopf_does_not_wait_for_as_long_as_a_server_asks(wait: str) -> None:
    async def throttle(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": wait})

    async with serve(throttle) as url, session_of(Connection(url, Purse())) as session:
        with pytest.raises(aiohttp.ClientConnectionError, match="answered with 429"):
            await ask(session, url)


async def test_the_error_of_a_server_out_of_reach_shows_no_objects_of_the_ssl_module() -> None:
    url = "https://127.0.0.1:1"
    async with session_of(Connection(url, Purse())) as session:
        with pytest.raises(aiohttp.ClientConnectionError) as refusal:
            await ask(session, url)
    assert "127.0.0.1:1" in str(refusal.value)
    assert "SSLContext" not in repr(refusal.value)  # kopf logs its repr


async def test_a_new_authority_is_taken_by_the_session_that_is_there(
    authority: Authority, tmp_path: Path
) -> None:
    ca = authority.write(tmp_path / "ca.crt")
    async with tls_server(authority) as server:
        connection = replace(server.api.connection(), ca=PemFile(ca))
        async with session_of(connection) as session:
            assert (await ask(session, server.api.url))[0] == 404
            renewed = Authority.make()
            server.use(renewed)
            with pytest.raises(aiohttp.ClientConnectionError, match="certificate"):
                await ask(session, server.api.url)
            renewed.write(ca)
            assert (await ask(session, server.api.url))[0] == 404
