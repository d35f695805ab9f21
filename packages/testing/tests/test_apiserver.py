"""The double of the API server: what a test can do to it, and how it has its bad days."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest

from moorage_kube.client.client import SILENCE_SECONDS, Client, ListQuery, Target
from moorage_kube.client.errors import Gone, KubeError, NotFound, Throttled, Unavailable
from moorage_kube.client.kinds import CONFIGMAPS, NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS
from moorage_testing.apiserver import ApiServer, Refusal, client_in_memory
from moorage_testing.virtual_time import run

Trial = Callable[[ApiServer, Client], Coroutine[Any, Any, None]]


def trial(of: Trial) -> Callable[[], None]:
    """A test with a server and a client without sockets, in virtual time."""

    async def main() -> None:
        server = ApiServer()
        async with client_in_memory(server) as client:
            await of(server, client)

    def test() -> None:
        run(main())

    test.__name__, test.__doc__ = of.__name__, of.__doc__
    return test


@trial
async def test_without_sockets_a_client_sees_the_same_objects(
    server: ApiServer, client: Client
) -> None:
    node = server.put(NODES, "n1", spec={"unschedulable": True})
    assert await client.get(NODES, "n1") == node
    await client.patch(NODES, Target("n1"), {"metadata": {"labels": {"a": "b"}}})
    assert [raw["metadata"]["name"] for raw in await client.list_all(NODES, ListQuery("a=b"))] == [
        "n1"
    ]
    with pytest.raises(NotFound):
        await client.get(NODES, "n2")


async def watched(client: Client, version: int, count: int) -> list[str]:
    """The types of the first events of a watch."""
    reported: list[str] = []
    async with aclosing(client.watch(NODES, ListQuery(), str(version))) as events:
        async for event in events:
            reported.append(event.type)
            if len(reported) == count:
                break
    return reported


@trial
async def test_a_watch_without_sockets_follows_and_is_sent_bookmarks(
    server: ApiServer, client: Client
) -> None:
    following = asyncio.create_task(watched(client, server.version, 3))
    server.put(NODES, "n1")
    server.remove(NODES, "n1")
    assert await following == ["ADDED", "DELETED", "BOOKMARK"]


@trial
async def test_a_change_at_the_very_moment_of_a_bookmark_is_sent(
    server: ApiServer, client: Client
) -> None:
    following = asyncio.create_task(watched(client, server.version, 1))
    loop: Any = asyncio.get_running_loop()
    await asyncio.sleep(1.0)
    # Its next bookmark is the only thing that waits for so long.
    due = min(timer.when() for timer in loop._scheduled if timer.when() > loop.time() + 30.0)
    loop.call_at(due, server.put, NODES, "n1")
    assert await following == ["ADDED"]


@trial
async def test_a_watch_from_a_forgotten_version_is_gone(server: ApiServer, client: Client) -> None:
    server.put(NODES, "n1")
    server.forget_history()
    with pytest.raises(Gone):
        await watched(client, 1, 1)


@trial
async def test_a_watch_under_way_does_not_pass_over_what_was_forgotten(
    server: ApiServer, client: Client
) -> None:
    following = asyncio.create_task(watched(client, server.version, 1))
    await asyncio.sleep(1.0)
    # All in one moment, before the watch comes to send any of it.
    server.put(NODES, "n1")
    server.forget_history()
    server.put(NODES, "n2")
    with pytest.raises(Gone):
        await following


@pytest.mark.parametrize(("drop", "done"), [("before", False), ("after", True)])
def test_an_answer_is_lost_before_or_after_the_work(drop: str, *, done: bool) -> None:
    async def lost(server: ApiServer, client: Client) -> None:
        server.fail("POST", drop=drop)
        with pytest.raises(Unavailable):
            await client.create(NODES, {"metadata": {"name": "n1"}})
        assert (server.find(NODES, "n1") is not None) is done

    trial(lost)()


@trial
async def test_a_hanging_call_ends_at_its_deadline_in_virtual_time(
    server: ApiServer, client: Client
) -> None:
    server.fail("GET", hang=True)
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(Unavailable, match="no answer within 10 s"):
        await client.get(NODES, "n1")
    assert loop.time() - began == pytest.approx(10.0)


@trial
async def test_a_watch_whose_head_never_comes_ends_after_the_longest_silence(
    server: ApiServer, client: Client
) -> None:
    begun = asyncio.get_running_loop().time()
    server.fail("WATCH", hang=True)
    with pytest.raises(Unavailable):
        await watched(client, server.version, 1)
    assert asyncio.get_running_loop().time() - begun == pytest.approx(SILENCE_SECONDS, abs=1.0)


@trial
async def test_an_eviction_is_refused_by_its_hook(server: ApiServer, client: Client) -> None:
    def refuse(pod: dict[str, Any]) -> None:
        raise Refusal(429, "TooManyRequests", f"{pod['metadata']['name']} must stay")

    server.put(PODS, "p", "team")
    server.may_evict = refuse
    one = Target("p", "team", "eviction")
    with pytest.raises(Throttled, match="p must stay"):
        await client.create_under(PODS, one, {"metadata": {"name": "p"}})
    server.may_evict = lambda _: None
    await client.create_under(PODS, one, {"metadata": {"name": "p"}})
    assert server.find(PODS, "p", "team") is None


@trial
async def test_what_an_object_owned_goes_with_it(server: ApiServer, client: Client) -> None:
    owner = server.create(CONFIGMAPS, {"metadata": {"name": "owner", "namespace": "team"}})
    reference = {"kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    for name, references in (("owned", [reference]), ("free", [])):
        meta = {"name": name, "namespace": "team", "ownerReferences": references}
        server.create(SERVICE_ACCOUNTS, {"metadata": meta})
    await client.delete(CONFIGMAPS, "owner", "team")
    assert [raw["metadata"]["name"] for raw in server.all_of(SERVICE_ACCOUNTS)] == ["free"]


@trial
async def test_a_selector_that_cannot_be_read_is_refused(server: ApiServer, client: Client) -> None:
    server.put(NAMESPACES, "team")
    for query in (ListQuery("a in b"), ListQuery(field_selector="metadata.name")):
        with pytest.raises(KubeError, match="400"):
            await client.list_all(NAMESPACES, query)


@trial
async def test_objects_are_created_by_the_clock_of_virtual_time(
    server: ApiServer, client: Client
) -> None:
    first = await client.create(NODES, {"metadata": {"name": "n1"}})
    await asyncio.sleep(3600.0)
    second = await client.create(NODES, {"metadata": {"name": "n2"}})
    assert first["metadata"]["creationTimestamp"] == "2027-01-15T08:00:00Z"
    assert second["metadata"]["creationTimestamp"] == "2027-01-15T09:00:00Z"
    assert len(server.all_of(NODES)) == 2
