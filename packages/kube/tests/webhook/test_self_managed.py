"""Replicas that share one Secret agree, renew in time, and keep the caBundle right."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from webhook_lab import BEGIN

from moorage_kube.client.client import Client
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials
from moorage_kube.webhook.authority import Lifetimes
from moorage_kube.webhook.self_managed import Place, SelfManagedCertificates
from moorage_testing.waiting import until

DAY = dt.timedelta(days=1)
PLACE = Place("moorage", "hooks", "hooks-tls", validating=("checks",), mutating=("changes",))


class SecretServer:
    """An API server with one Secret and two webhook configurations, strict about versions."""

    def __init__(self) -> None:
        self.secret: dict[str, Any] | None = None
        self.version = 1
        self.writes = 0
        self.configurations = {
            "checks": [_webhook("a", "hooks"), _webhook("b", "elsewhere"), {"name": "c"}],
            "changes": [_webhook("d", "hooks")],
        }
        self.down = False
        self.url = ""

    def bundle(self, name: str, number: int) -> str:
        found: str = self.configurations[name][number]["clientConfig"].get("caBundle", "")
        return found

    def stored(self, key: str) -> bytes:
        assert self.secret is not None
        return base64.b64decode(self.secret["data"][key])

    async def answer(self, request: web.Request) -> web.Response:
        if self.down:
            return _status(500, "InternalError")
        # Others come in between, as they do in a cluster.
        await asyncio.sleep(0)
        body = await request.json() if request.can_read_body else None
        if "/secrets" in request.path:
            return self._secret(request.method, body)
        name = request.path.rpartition("/")[2]
        if name not in self.configurations:
            return _status(404, "NotFound")
        if request.method == "PATCH" and not self._patch(self.configurations[name], body or []):
            return _status(422, "Invalid")
        return web.json_response(
            {"metadata": {"name": name}, "webhooks": self.configurations[name]}
        )

    def _secret(self, method: str, body: Any) -> web.Response:
        if method == "GET":
            return web.json_response(self.secret) if self.secret else _status(404, "NotFound")
        if method == "POST" and self.secret is not None:
            return _status(409, "AlreadyExists")
        if method == "PUT" and body["metadata"]["resourceVersion"] != str(self.version):
            return _status(409, "Conflict")
        self.version += 1
        self.writes += 1
        self.secret = body | {"metadata": body["metadata"] | {"resourceVersion": str(self.version)}}
        return web.json_response(self.secret)

    def _patch(self, webhooks: list[dict[str, Any]], operations: list[dict[str, Any]]) -> bool:
        for operation in operations:
            number, _, field = operation["path"].removeprefix("/webhooks/").partition("/")
            webhook = webhooks[int(number)]
            if operation["op"] == "test":
                if webhook[field] != operation["value"]:
                    return False
                continue
            assert (operation["op"], field) == ("add", "clientConfig/caBundle")
            webhook["clientConfig"]["caBundle"] = operation["value"]
        return True


def _webhook(name: str, service: str) -> dict[str, Any]:
    return {
        "name": name,
        "clientConfig": {"service": {"name": service, "namespace": "moorage", "path": "/x"}},
    }


def _status(code: int, reason: str) -> web.Response:
    body = {"kind": "Status", "code": code, "reason": reason, "message": reason}
    return web.json_response(body, status=code)


class Clock:
    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> dt.datetime:
        return self.now


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[SecretServer, Client]]:
    server = SecretServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    running = TestServer(app)
    await running.start_server(shutdown_timeout=0)
    url = str(running.make_url("")).rstrip("/")
    connection = Connection(url, FixedCredentials(Credentials(token="t")), "the test")  # noqa: S106 - of this server only
    try:
        async with Client(connection) as client:
            yield server, client
    finally:
        await running.close()


def replica(client: Client, clock: Clock) -> SelfManagedCertificates:
    return SelfManagedCertificates(client, PLACE, now=clock, refresh_seconds=0.01)


async def test_the_first_refresh_makes_the_secret_and_trusts_it_where_it_is_ours() -> None:
    async with serving() as (server, client):
        source = replica(client, Clock())
        await source.refresh()
        assert source.ready() is None
        assert server.secret is not None
        assert server.secret["type"] == "kubernetes.io/tls"
        assert server.bundle("checks", 0) == server.bundle("changes", 0)
        assert base64.b64decode(server.bundle("checks", 0)) == server.stored("ca.crt")
        assert server.bundle("checks", 1) == ""


async def test_replicas_that_race_serve_the_winner_s_certificate() -> None:
    async with serving() as (server, client):
        sources = [replica(client, Clock()) for _ in range(8)]
        await asyncio.gather(*(source.refresh() for source in sources))
        assert server.writes == 1
        ends = {source.serving.expires for source in sources if source.serving}
        assert len(ends) == 1
        assert all(source.ready() is None for source in sources)


async def test_at_rest_nothing_is_written() -> None:
    async with serving() as (server, client):
        clock = Clock()
        source = replica(client, clock)
        await source.refresh()
        before = source.serving
        clock.now += DAY
        await source.refresh()
        assert server.writes == 1
        assert source.serving is before


async def test_over_two_years_two_replicas_never_lose_trust() -> None:
    """Each refreshes every fifteen days; what is served is signed by what was trusted before."""
    lifetimes = Lifetimes()
    async with serving() as (server, client):
        clock = Clock()
        sources = [replica(client, clock) for _ in range(2)]
        for source in sources:
            await source.refresh()
        authorities = {server.stored("ca.crt")}
        for _ in range(60):
            trusted = base64.b64decode(server.bundle("checks", 0))
            clock.now += 15 * DAY
            for source in sources:
                await source.refresh()
                assert source.ready() is None
            certificate = _all(server.stored("tls.crt"))[0]
            assert any(_signed_by(certificate, each) for each in _all(trusted))
            assert certificate.not_valid_after_utc - clock.now >= lifetimes.serving / 3 - 15 * DAY
            authorities.add(server.stored("ca.crt"))
        # One alone, both, the new one alone: and so on.
        assert len(authorities) > 4


async def test_a_caBundle_that_is_changed_is_put_right_and_waited_for_again() -> None:  # noqa: N802 - the field's name
    async with serving() as (server, client):
        source = replica(client, Clock())
        await source.refresh()
        right = server.bundle("changes", 0)
        server.configurations["changes"][0]["clientConfig"]["caBundle"] = "eA=="
        await source.refresh()
        assert server.bundle("changes", 0) == right


async def test_a_configuration_that_is_missing_stops_nothing() -> None:
    async with serving() as (server, client):
        del server.configurations["changes"]
        source = replica(client, Clock())
        await source.refresh()
        assert source.ready() is None
        assert server.bundle("checks", 0) != ""


@pytest.mark.parametrize("broken", ["tls.key", "ca.key", "ca.crt", "tls.crt"])
async def test_a_secret_that_somebody_broke_is_written_afresh(broken: str) -> None:
    async with serving() as (server, client):
        source = replica(client, Clock())
        await source.refresh()
        assert server.secret is not None
        server.secret["data"][broken] = base64.b64encode(b"nonsense").decode()
        await source.refresh()
        assert server.stored(broken) != b"nonsense"
        assert base64.b64decode(server.bundle("checks", 0)) == server.stored("ca.crt")
        assert source.ready() is None


async def test_without_the_api_server_it_serves_on_until_the_certificate_ends(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (server, client):
        clock = Clock()
        source = replica(client, clock)
        server.down = True
        running = asyncio.create_task(source.run())
        await until(lambda: "InternalError" in caplog.text, "the warning")
        assert "InternalError" in str(source.ready())
        server.down = False
        await until(lambda: source.ready() is None, "the certificate")
        server.down = True
        clock.now += 59 * DAY
        assert source.ready() is None
        clock.now += 2 * DAY
        assert str(source.ready()).startswith("the certificate ended at ")
        server.down = False
        await until(lambda: source.ready() is None, "a new certificate")
        running.cancel()
        assert "PRIVATE KEY" not in caplog.text


def _all(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, InvalidSignature):
        return False
    return True
