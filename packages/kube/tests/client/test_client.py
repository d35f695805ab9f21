"""The client asks for exactly what is meant, and says what went wrong in terms of what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import aiohttp
import pytest

from moorage_kube.client import client as client_module
from moorage_kube.client.client import Client, ListQuery, Target, WatchEvent
from moorage_kube.client.errors import (
    AlreadyExists,
    Forbidden,
    Gone,
    NotFound,
    Throttled,
    Unavailable,
)
from moorage_kube.client.kinds import LEASES, NODES, PODS
from moorage_testing.apiserver import TOKEN, ApiServer, serve_with_client
from moorage_testing.waiting import until

Pair = tuple[ApiServer, Client]


@pytest.fixture(name="pair")
async def server_and_client() -> AsyncIterator[Pair]:
    async with serve_with_client() as pair:
        yield pair


async def watched(client: Client, version: int, count: int) -> list[WatchEvent]:
    """The first events of a watch from this version; fewer if it ends before."""
    reported = []
    async with aclosing(client.watch(NODES, ListQuery(), str(version))) as events:
        async for event in events:
            reported.append(event)
            if len(reported) == count:
                break
    return reported


async def test_an_object_is_read_with_our_name_and_token(pair: Pair) -> None:
    server, client = pair
    node = server.put(NODES, "n1", spec={"podCIDR": "10.0.0.0/24"})
    assert await client.get(NODES, "n1") == node
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("GET", "/api/v1/nodes/n1")
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["User-Agent"] == "moorage"


async def test_the_preferred_version_of_a_group_comes_first(pair: Pair) -> None:
    server, client = pair
    server.groups["ipam.cluster.x-k8s.io"] = ("v1beta2", "v1beta1")
    assert await client.served_versions("ipam.cluster.x-k8s.io") == ("v1beta2", "v1beta1")
    assert server.asked[0].path == "/apis/ipam.cluster.x-k8s.io"


async def test_a_group_that_is_not_served_has_no_versions(pair: Pair) -> None:
    _, client = pair
    assert await client.served_versions("danm.io") == ()


async def test_a_group_that_cannot_be_asked_for_is_not_taken_for_absent(pair: Pair) -> None:
    server, client = pair
    server.fail("GET", status=503)
    with pytest.raises(Unavailable):
        await client.served_versions("danm.io")


async def test_a_name_cannot_lead_to_another_path(pair: Pair) -> None:
    server, client = pair
    with pytest.raises(NotFound):
        await client.get(PODS, "../../../nodes/n1", "team")
    assert server.asked[0].path == "/api/v1/namespaces/team/pods/..%2F..%2F..%2Fnodes%2Fn1"


async def test_a_list_comes_in_pages_that_show_one_moment(pair: Pair) -> None:
    server, client = pair
    for number in range(5):
        server.put(NODES, f"n{number}")
    pages = []
    async for page in client.pages(NODES, ListQuery(limit=2)):
        pages.append(page)
        server.put(NODES, "late")
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
        server.put(NODES, name)
    pages = client.pages(NODES, ListQuery(limit=1))
    await anext(pages)
    server.put(NODES, "later")
    server.forget_history()
    with pytest.raises(Gone):
        await anext(pages)


async def test_what_is_wanted_is_selected_by_the_server(pair: Pair) -> None:
    server, client = pair
    query = ListQuery("a in (b,c),d=+e%2F", "spec.nodeName!=", "team", metadata_only=True, limit=7)
    assert await client.list_all(PODS, query) == []
    asked = server.asked[0]
    assert asked.path == "/api/v1/namespaces/team/pods"
    assert dict(asked.query) == {
        "labelSelector": "a in (b,c),d=+e%2F",
        "fieldSelector": "spec.nodeName!=",
        "limit": "7",
    }
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert asked.headers["Accept"] == accept


async def test_writes_carry_what_they_are_for(pair: Pair) -> None:
    server, client = pair
    lease = {"metadata": {"name": "l", "namespace": "team"}, "spec": {"holderIdentity": "a"}}
    made = await client.create(LEASES, lease, "team")
    for verb in ("POST", "PUT", "PATCH", "DELETE"):  # what is sent is checked, not what it does
        server.fail(verb, status=200, times=9)
    await client.replace(LEASES, made | {"spec": {"holderIdentity": "b"}})
    await client.replace(LEASES, made, subresource="status")
    await client.patch(LEASES, Target("l", "team"), {"spec": None})
    await client.patch(LEASES, Target("l", "team", "status"), [{"op": "remove", "path": "/x"}])
    await client.patch(LEASES, Target("l", "team"), {}, "application/apply-patch+yaml")
    eviction = {"metadata": {"name": "p", "namespace": "team"}}
    await client.create_under(PODS, Target("p", "team", "eviction"), eviction)
    await client.delete(LEASES, "l", "team", uid="uid-l", resource_version="7")
    one = "/apis/coordination.k8s.io/v1/namespaces/team/leases/l"
    kinds = [(a.method, a.path, a.headers["Content-Type"].split("/")[1]) for a in server.asked]
    assert kinds == [
        ("POST", one.removesuffix("/l"), "json"),
        ("PUT", one, "json"),
        ("PUT", f"{one}/status", "json"),
        ("PATCH", one, "merge-patch+json"),
        ("PATCH", f"{one}/status", "json-patch+json"),
        ("PATCH", one, "apply-patch+yaml"),
        ("POST", "/api/v1/namespaces/team/pods/p/eviction", "json"),
        ("DELETE", one, "json"),
    ]
    assert server.asked[0].body == lease
    assert server.asked[3].body == {"spec": None}
    assert server.asked[6].body == eviction
    assert server.asked[7].body == {"preconditions": {"uid": "uid-l", "resourceVersion": "7"}}


async def test_an_error_names_its_class_object_and_number(pair: Pair) -> None:
    server, client = pair
    body = {"metadata": {"name": "l", "namespace": "team"}}
    await client.create(LEASES, body)
    with pytest.raises(AlreadyExists) as taken:
        await client.create(LEASES, body)
    assert str(taken.value) == (
        'POST leases/team: leases.coordination.k8s.io "l" already exists (409 AlreadyExists)'
    )
    server.fail("GET", status=403, body={"reason": "Forbidden", "message": "not you"})
    with pytest.raises(Forbidden) as refused:
        await client.get(PODS, "p", "team")
    assert str(refused.value) == "GET pods/team/p: not you (403 Forbidden)"


async def test_a_throttled_call_is_not_repeated_but_raised(pair: Pair) -> None:
    server, client = pair
    server.fail("GET", status=429, headers={"Retry-After": "7"}, body={"reason": "Throttled"})
    with pytest.raises(Throttled) as refusal:
        await client.get(NODES, "n1")
    assert refusal.value.retry_after == 7.0
    assert len(server.asked) == 1


async def test_a_watch_reports_what_happens_after_the_version(pair: Pair) -> None:
    server, client = pair
    server.put(NODES, "before")
    watching = asyncio.create_task(watched(client, server.version, 4))
    await until(lambda: server.watches, "the watch")
    server.put(NODES, "n1")
    server.put(NODES, "n1", spec={})
    server.bookmark()
    server.remove(NODES, "n1")
    reported = [(e.type, e.object["metadata"].get("name")) for e in await watching]
    assert reported == [("ADDED", "n1"), ("MODIFIED", "n1"), ("BOOKMARK", None), ("DELETED", "n1")]
    asked = server.requests("WATCH")[0].query
    assert (asked["allowWatchBookmarks"], asked["resourceVersion"]) == ("true", "101")
    assert 270 <= int(asked["timeoutSeconds"]) <= 330


async def test_a_watch_takes_the_largest_object_there_can_be(pair: Pair) -> None:
    server, client = pair
    watching = asyncio.create_task(watched(client, server.version, 2))
    await until(lambda: server.watches, "the watch")
    server.put(NODES, "big", data="x" * 3_000_000)
    server.put(NODES, "small")
    assert [len(event.object.get("data", "")) for event in await watching] == [3_000_000, 0]


async def test_a_watch_ends_quietly_when_the_server_ends_it(pair: Pair) -> None:
    server, client = pair
    watching = asyncio.create_task(watched(client, server.version, 99))
    await until(lambda: server.watches, "the watch")
    server.put(NODES, "n1")
    await server.end_watches()
    assert len(await watching) == 1


async def test_a_watch_that_breaks_off_is_an_error_not_an_end(pair: Pair) -> None:
    server, client = pair
    watching = asyncio.create_task(watched(client, server.version, 99))
    await until(lambda: server.watches, "the watch")
    await server.end_watches("break")
    with pytest.raises(Unavailable):
        await watching


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
    server.put(NODES, "n1")
    server.forget_history()
    with pytest.raises(Gone) as gone:
        await watched(client, 1, 1)
    assert str(gone.value) == "GET nodes: too old resource version: 1 (101) (410 Expired)"
