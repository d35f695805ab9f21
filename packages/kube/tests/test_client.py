"""The client asks for exactly what is meant, and says what went wrong in terms of what to do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from api_server import TOKEN, ApiServer, serve, serve_with_client, until

from moorage_kube import client as client_module
from moorage_kube.client import Call, Client, ListQuery, Target, WatchEvent
from moorage_kube.connection import Credentials
from moorage_kube.connection.credentials import FixedCredentials
from moorage_kube.errors import (
    AlreadyExists,
    Forbidden,
    Gone,
    KubeError,
    NotFound,
    Throttled,
    Unauthorized,
    Unavailable,
)
from moorage_kube.kinds import CONFIGMAPS, LEASES, NODES, PODS
from moorage_testing.cluster.identity import Authority

Pair = tuple[ApiServer, Client]


@pytest.fixture(name="pair")
async def server_and_client() -> AsyncIterator[Pair]:
    async with serve_with_client() as pair:
        yield pair


async def watched(client: Client, version: int, count: int) -> list[WatchEvent]:
    """The first events of a watch from this version; fewer if it ends before."""
    told = []
    async with aclosing(client.watch(NODES, ListQuery(), str(version))) as events:
        async for event in events:
            told.append(event)
            if len(told) == count:
                break
    return told


async def test_an_object_is_read_with_our_name_and_token(pair: Pair) -> None:
    server, client = pair
    node = await server.put("n1", spec={"podCIDR": "10.0.0.0/24"})
    assert await client.get(NODES, "n1") == node
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("GET", "/api/v1/nodes/n1")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["User-Agent"] == "moorage"


async def test_a_name_cannot_lead_to_another_path(pair: Pair) -> None:
    server, client = pair
    with pytest.raises(NotFound):
        await client.get(PODS, "../../../nodes/n1", "port")
    assert server.asked[0].path == "/api/v1/namespaces/port/pods/..%2F..%2F..%2Fnodes%2Fn1"


async def test_a_list_comes_in_pages_that_show_one_moment(pair: Pair) -> None:
    server, client = pair
    for number in range(5):
        await server.put(f"n{number}")
    pages = []
    async for page in client.pages(NODES, ListQuery(limit=2)):
        pages.append(page)
        await server.put("late")
    assert [[raw["metadata"]["name"] for raw in page.items] for page in pages] == [
        ["n0", "n1"],
        ["n2", "n3"],
        ["n4"],
    ]
    assert {page.resource_version for page in pages} == {"105"}


async def test_an_empty_list_has_one_empty_page(pair: Pair) -> None:
    _, client = pair
    assert [page.items async for page in client.pages(NODES, ListQuery())] == [[]]


async def test_a_list_that_takes_too_long_is_gone(pair: Pair) -> None:
    server, client = pair
    for name in ("a", "b", "c"):
        await server.put(name)
    pages = client.pages(NODES, ListQuery(limit=1))
    await anext(pages)
    await server.put("later")
    server.forget_history()
    with pytest.raises(Gone):
        await anext(pages)


async def test_what_is_wanted_is_selected_by_the_server(pair: Pair) -> None:
    server, client = pair
    query = ListQuery("a in (b,c)", "spec.nodeName!=", "port", metadata_only=True, limit=7)
    assert await client.list_all(PODS, query) == []
    asked = server.asked[0]
    assert asked.path == "/api/v1/namespaces/port/pods"
    assert dict(asked.query) == {
        "labelSelector": "a in (b,c)",
        "fieldSelector": "spec.nodeName!=",
        "limit": "7",
    }
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert asked.headers["Accept"] == accept


async def test_writes_carry_what_they_are_for(pair: Pair) -> None:
    server, client = pair
    lease = {"metadata": {"name": "l", "namespace": "port"}, "spec": {"holderIdentity": "a"}}
    made = await client.create(LEASES, lease, "port")
    await client.replace(LEASES, made | {"spec": {"holderIdentity": "b"}})
    await client.replace(LEASES, made, subresource="status")
    await client.patch(LEASES, Target("l", "port"), {"spec": None})
    await client.patch(LEASES, Target("l", "port", "status"), [{"op": "remove", "path": "/x"}])
    await client.patch(LEASES, Target("l", "port"), {}, "application/apply-patch+yaml")
    await client.delete(LEASES, "l", "port", uid="uid-l")
    one = "/apis/coordination.k8s.io/v1/namespaces/port/leases/l"
    kinds = [(a.method, a.path, a.headers["Content-Type"].split("/")[1]) for a in server.asked]
    assert kinds == [
        ("POST", one.removesuffix("/l"), "json"),
        ("PUT", one, "json"),
        ("PUT", f"{one}/status", "json"),
        ("PATCH", one, "merge-patch+json"),
        ("PATCH", f"{one}/status", "json-patch+json"),
        ("PATCH", one, "apply-patch+yaml"),
        ("DELETE", one, "json"),
    ]
    assert server.asked[0].body == lease
    assert server.asked[3].body == {"spec": None}
    assert server.asked[6].body == {"preconditions": {"uid": "uid-l"}}


async def test_a_refusal_is_told_by_its_class_object_and_number(pair: Pair) -> None:
    server, client = pair
    body = {"metadata": {"name": "l", "namespace": "port"}}
    await client.create(LEASES, body)
    with pytest.raises(AlreadyExists) as taken:
        await client.create(LEASES, body)
    assert str(taken.value) == "POST leases/port: l already exists (409 AlreadyExists)"
    server.fail("GET", status=403, body={"reason": "Forbidden", "message": "not you"})
    with pytest.raises(Forbidden) as refused:
        await client.get(PODS, "p", "port")
    assert str(refused.value) == "GET pods/port/p: not you (403 Forbidden)"


async def test_a_throttled_call_is_not_repeated_but_told(pair: Pair) -> None:
    server, client = pair
    server.fail("GET", status=429, headers={"Retry-After": "7"}, body={"reason": "Throttled"})
    with pytest.raises(Throttled) as refusal:
        await client.get(NODES, "n1")
    assert refusal.value.retry_after == 7.0
    assert len(server.asked) == 1


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
    await server.put("n1")
    server.fail("GET", drop=True)
    assert (await client.get(NODES, "n1"))["metadata"]["name"] == "n1"
    server.fail("GET", drop=True, times=2)
    with pytest.raises(Unavailable):
        await client.get(NODES, "n1")


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_is_never_sent_twice(pair: Pair, verb: str) -> None:
    server, client = pair
    raw = await server.put("l", "port")
    await client.get(LEASES, "l", "port")  # so that the connection is a kept one
    server.fail(verb, drop=True)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "POST": lambda: client.create(LEASES, raw),
        "PUT": lambda: client.replace(LEASES, raw),
        "PATCH": lambda: client.patch(LEASES, Target("l", "port"), {}),
        "DELETE": lambda: client.delete(LEASES, "l", "port"),
    }
    with pytest.raises(Unavailable) as lost:
        await calls[verb]()
    assert (lost.value.status, lost.value.reason) == (0, "ConnectionLost")
    assert len(server.seen(verb)) == 1


async def test_nobody_there_is_told_with_the_address(pair: Pair) -> None:
    server, _ = pair
    nowhere = server.connection(server="http://127.0.0.1:1")
    async with Client(nowhere) as client:
        with pytest.raises(Unavailable, match=r"GET nodes/n1: .*127\.0\.0\.1:1"):
            await client.get(NODES, "n1")


async def test_a_call_without_an_answer_ends_at_its_deadline(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, client = pair
    assert client_module.CALL_SECONDS == 10.0
    monkeypatch.setattr(client_module, "_CALL_TIMEOUT", aiohttp.ClientTimeout(total=0.2))
    server.fail("PUT", hang=True)
    with pytest.raises(Unavailable) as late:
        await client.replace(NODES, {"metadata": {"name": "n1"}})
    assert str(late.value) == "PUT nodes/n1: no answer within 0.2 s (Timeout)"
    assert len(server.asked) == 1


async def test_a_watch_tells_what_happens_after_the_version(pair: Pair) -> None:
    server, client = pair
    await server.put("before")
    telling = asyncio.create_task(watched(client, server.version, 4))
    await until(lambda: server.watches, "the watch")
    await server.put("n1")
    await server.put("n1", spec={})
    await server.bookmark()
    await server.remove("n1")
    told = [(e.type, e.object["metadata"].get("name")) for e in await telling]
    assert told == [("ADDED", "n1"), ("MODIFIED", "n1"), ("BOOKMARK", None), ("DELETED", "n1")]
    asked = server.seen("WATCH")[0].query
    assert (asked["allowWatchBookmarks"], asked["resourceVersion"]) == ("true", "101")
    assert 270 <= int(asked["timeoutSeconds"]) <= 330


async def test_a_watch_takes_the_largest_object_there_can_be(pair: Pair) -> None:
    server, client = pair
    telling = asyncio.create_task(watched(client, server.version, 2))
    await until(lambda: server.watches, "the watch")
    await server.put("big", data="x" * 3_000_000)
    await server.put("small")
    assert [len(event.object.get("data", "")) for event in await telling] == [3_000_000, 0]


async def test_a_watch_ends_quietly_when_the_server_ends_it(pair: Pair) -> None:
    server, client = pair
    telling = asyncio.create_task(watched(client, server.version, 99))
    await until(lambda: server.watches, "the watch")
    await server.put("n1")
    await server.end_watches()
    assert len(await telling) == 1


async def test_a_watch_that_breaks_off_is_an_error_not_an_end(pair: Pair) -> None:
    server, client = pair
    telling = asyncio.create_task(watched(client, server.version, 99))
    await until(lambda: server.watches, "the watch")
    await server.end_watches("break")
    with pytest.raises(Unavailable):
        await telling


async def test_a_silent_watch_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    server, client = pair
    assert client_module._WATCH_TIMEOUT.sock_read == client_module.SILENCE_SECONDS
    silence = aiohttp.ClientTimeout(sock_read=0.2)
    monkeypatch.setattr(client_module, "_WATCH_TIMEOUT", silence)
    async with asyncio.timeout(5):
        assert await watched(client, server.version, 1) == []
    await server.end_watches()


async def test_a_watch_from_too_long_ago_is_gone(pair: Pair) -> None:
    server, client = pair
    await server.put("n1")
    server.forget_history()
    with pytest.raises(Gone) as gone:
        await watched(client, 1, 1)
    assert str(gone.value) == "GET nodes: too old resource version (410 Expired)"


async def test_every_call_is_told_in_the_words_of_rbac() -> None:
    calls: list[Call] = []
    async with serve(ApiServer()) as server:
        await server.put("m", "port")
        async with Client(server.connection(), on_call=calls.append) as client:
            await client.get(CONFIGMAPS, "m", "port")
            await client.list_all(NODES)
            with pytest.raises(NotFound):
                await client.patch(NODES, Target("n1", subresource="status"), {})
            server.fail("POST", drop=True)
            with pytest.raises(Unavailable):
                await client.create(LEASES, {"metadata": {"name": "l"}}, "port")
    assert calls == [
        Call("get", "", "configmaps", None, "m", "port", 200),
        Call("list", "", "nodes", status=200),
        Call("patch", "", "nodes", "status", "n1", None, 404),
        Call("create", "coordination.k8s.io", "leases", namespace="port", status=0),
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
    await server.put("n1")
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
    server.fail("GET", drop=True, times=2)
    with pytest.raises(Unavailable) as lost:
        await client.get(NODES, "n1")
    told = [broken.value, lost.value, lost.value.__cause__, server.connection()]
    assert TOKEN not in "".join(f"{each} {each!r}" for each in told)


@pytest.fixture(scope="module", name="authority")
def certificate_authority() -> Authority:
    return Authority.make()


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
    pem = authority.client_pem("sailor", ()).decode()
    source = FixedCredentials(Credentials(certificate=pem, key=pem))
    tls.verify_mode = ssl.CERT_REQUIRED
    async with serve(ApiServer(), tls) as server:
        await server.put("n1")
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
        {"server_name": "harbour.example"},
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
        await server.put("n1")
        connection = server.connection(ca=ca_text(authority, tmp_path))
        async with Client(replace(connection, **way)) as client:
            assert await client.get(NODES, "n1")
