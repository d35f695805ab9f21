"""Requests go to the server that is meant, once, and errors show no secrets."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from moorage_kube.client import transport
from moorage_kube.client.client import Call, Client, Target
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials
from moorage_kube.client.errors import (
    KubeError,
    NotFound,
    Unauthorized,
    Unavailable,
)
from moorage_kube.client.kinds import CONFIGMAPS, LEASES, NODES
from moorage_testing.apiserver import TOKEN, ApiServer, serve, serve_with_client
from moorage_testing.cluster.identity import Authority

Pair = tuple[ApiServer, Client]


@pytest.fixture(name="pair")
async def server_and_client() -> AsyncIterator[Pair]:
    async with serve_with_client() as pair:
        yield pair


async def test_an_answer_that_is_not_from_an_api_server_is_an_error(pair: Pair) -> None:
    server, client = pair
    for body in (b"<html>Welcome</html>", b"[]"):
        server.fail("GET", status=200, body=body)
        with pytest.raises(Unavailable):
            await client.get(NODES, "n1")


async def test_a_redirect_is_not_followed_with_our_token(pair: Pair) -> None:
    server, client = pair
    server.fail("GET", status=302, headers={"Location": f"{server.url}/api/v1/nodes/other"})
    with pytest.raises(KubeError, match="302"):
        await client.get(NODES, "n1")
    assert len(server.asked) == 1


async def test_a_read_is_repeated_once_where_the_connection_was_dropped(pair: Pair) -> None:
    server, client = pair
    server.put(NODES, "n1")
    server.fail("GET", drop="before")
    assert (await client.get(NODES, "n1"))["metadata"]["name"] == "n1"
    server.fail("GET", drop="before", times=2)
    with pytest.raises(Unavailable):
        await client.get(NODES, "n1")


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_never_sent_twice(pair: Pair, verb: str) -> None:
    server, client = pair
    raw = server.put(LEASES, "l", "team")
    await client.get(LEASES, "l", "team")  # so that the connection is a kept one
    server.fail(verb, drop="before")
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "POST": lambda: client.create(LEASES, raw),
        "PUT": lambda: client.replace(LEASES, raw),
        "PATCH": lambda: client.patch(LEASES, Target("l", "team"), {}),
        "DELETE": lambda: client.delete(LEASES, "l", "team"),
    }
    with pytest.raises(Unavailable) as lost:
        await calls[verb]()
    assert (lost.value.status, lost.value.reason) == (0, "ConnectionLost")
    assert len(server.requests(verb)) == 1


async def test_a_refused_connection_is_reported_with_the_address(pair: Pair) -> None:
    server, _ = pair
    nowhere = server.connection(server="http://127.0.0.1:1")
    async with Client(nowhere) as client:
        with pytest.raises(Unavailable, match=r"GET nodes/n1: .*127\.0\.0\.1:1"):
            await client.get(NODES, "n1")


async def test_a_call_without_an_answer_ends_at_its_deadline(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    assert transport.CALL_SECONDS == 10.0
    monkeypatch.setattr(transport, "_CALL_TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    server.fail("PUT", hang=True)
    with pytest.raises(Unavailable) as late:
        await client.replace(NODES, {"metadata": {"name": "n1"}})
    assert str(late.value) == "PUT nodes/n1: no answer within 0.2 s (Timeout)"
    assert len(server.asked) == 1


async def test_every_call_is_reported_in_the_words_of_rbac() -> None:
    calls: list[Call] = []
    async with serve(ApiServer()) as server:
        server.put(CONFIGMAPS, "m", "team")
        async with Client(server.connection(), on_call=calls.append) as client:
            await client.get(CONFIGMAPS, "m", "team")
            await client.list_all(NODES)
            with pytest.raises(NotFound):
                await client.patch(NODES, Target("n1", subresource="status"), {})
            server.fail("POST", drop="before")
            with pytest.raises(Unavailable):
                await client.create(LEASES, {"metadata": {"name": "l"}}, "team")
    assert calls == [
        Call("get", "", "configmaps", None, "m", "team", 200),
        Call("list", "", "nodes", status=200),
        Call("patch", "", "nodes", "status", "n1", None, 404),
        Call("create", "coordination.k8s.io", "leases", namespace="team", status=0),
    ]


class Renewed:
    """Credentials whose next ones are good."""

    def __init__(self) -> None:
        self.tokens = ["stale", "fresh"]
        self.known = Credentials(token=self.tokens.pop(0))

    async def current(self) -> Credentials:
        return self.known

    def reject(self, credentials: Credentials) -> None:
        assert credentials is self.known
        self.known = Credentials(token=self.tokens.pop(0))


async def test_credentials_that_were_not_taken_are_replaced(pair: Pair) -> None:
    server, _ = pair
    server.put(NODES, "n1")
    server.fail("GET", status=401, body={"reason": "Unauthorized"})
    async with Client(server.connection(source=Renewed())) as client:
        with pytest.raises(Unauthorized):
            await client.get(NODES, "n1")
        await client.get(NODES, "n1")
    sent = [asked.headers["Authorization"] for asked in server.asked]
    assert sent == ["Bearer stale", "Bearer fresh"]


async def test_no_secret_is_in_any_error(pair: Pair) -> None:
    server, client = pair
    server.fail("GET", status=500, body=b"{}")
    with pytest.raises(Unavailable) as broken:
        await client.get(NODES, "n1")
    server.fail("GET", drop="before", times=2)
    with pytest.raises(Unavailable) as lost:
        await client.get(NODES, "n1")
    shown = [broken.value, lost.value, lost.value.__cause__, server.connection()]
    assert TOKEN not in "".join(f"{each} {each!r}" for each in shown)


@pytest.fixture(name="tls")
def server_tls(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    """A server for `localhost` that wants a client certificate of the same authority."""
    pem = tmp_path / "server.pem"
    pem.write_bytes(authority.server_pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.load_verify_locations(authority.write(tmp_path / "ca.pem"))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def ca_text(authority: Authority, folder: Path) -> str:
    return authority.write(folder / "ca-for-client.pem").read_text()


async def test_the_server_is_verified_and_so_are_we(
    authority: Authority, tls: ssl.SSLContext, tmp_path: Path
) -> None:
    pem = authority.client_pem("alice", ()).decode()
    source = FixedCredentials(Credentials(certificate=pem, key=pem))
    tls.verify_mode = ssl.CERT_REQUIRED
    async with serve(ApiServer(), tls) as server:
        server.put(NODES, "n1")
        ca = ca_text(authority, tmp_path)
        connection = server.connection(ca=ca, source=source)
        async with Client(connection) as client:
            assert await client.get(NODES, "n1")
            assert await client.get(NODES, "n1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ca": None},
        {"ca": "other"},
        {"server_name": "api.example"},
    ],
)
async def test_a_server_that_is_not_the_one_meant_is_not_talked_to(
    authority: Authority, tls: ssl.SSLContext, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    if wrong.get("ca"):
        wrong = {"ca": ca_text(Authority.make(), tmp_path)}
    async with serve(ApiServer(), tls) as server:
        connection = server.connection(ca=ca_text(authority, tmp_path))
        async with Client(replace(connection, **wrong)) as client:
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await client.get(NODES, "n1")
        assert server.asked == []


@pytest.mark.parametrize("way", [{"server_name": "localhost"}, {"ca": None, "insecure": True}])
async def test_a_server_is_taken_by_another_name_or_unseen_where_it_is_said_so(
    authority: Authority, tls: ssl.SSLContext, tmp_path: Path, way: dict[str, Any]
) -> None:
    async with serve(ApiServer(), tls) as server:
        server.put(NODES, "n1")
        connection = server.connection(ca=ca_text(authority, tmp_path))
        async with Client(replace(connection, **way)) as client:
            assert await client.get(NODES, "n1")


async def test_a_proxy_is_asked_for_the_server_that_is_meant(pair: Pair) -> None:
    server, _ = pair
    connection = server.connection(server="http://api.example", proxy=server.url)
    async with Client(connection) as client:
        with pytest.raises(NotFound):
            await client.get(NODES, "n1")
    assert server.asked[0].headers["Host"] == "api.example"


async def test_a_plug_ins_broken_certificate_is_an_error_of_the_call() -> None:
    source = FixedCredentials(Credentials(certificate="none", key="none"))
    connection = Connection("https://127.0.0.1:1", source, "the test")
    async with Client(connection) as client:
        with pytest.raises(Unavailable, match="not a pair in PEM form"):
            await client.get(NODES, "n1")
