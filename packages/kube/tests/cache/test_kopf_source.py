"""A feed's store is true to the API server, also where kopf tells nothing or tells it late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from moorage_domain.kinds import Kind
from moorage_kube.cache.kopf_source import Feed
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery, Page
from moorage_kube.client.errors import KubeError, NotFound

BUOYS = Kind("example.dev", "v1", "buoys", "Buoy", namespaced=False)


def boat(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    }


@dataclass
class Lists:
    """The API server's lists of one kind; an answer can be held up on its way."""

    items: list[dict[str, Any]] = field(default_factory=list)
    failure: KubeError | None = None
    count: int = 0
    under_way: asyncio.Event = field(default_factory=asyncio.Event)
    arrival: asyncio.Event | None = None

    async def pages(self, kind: Kind, query: ListQuery) -> AsyncIterator[Page]:
        assert (kind, query) == (BUOYS, ListQuery())
        if self.failure is not None:
            raise self.failure
        answer = list(self.items)
        self.count += 1
        self.under_way.set()
        if self.arrival is not None:
            await self.arrival.wait()
        yield Page(answer, "100")


def feed_of(lists: Lists) -> Feed[str]:
    return Feed(lists, BUOYS, Store(lambda raw: str(raw["metadata"]["uid"])))


@asynccontextmanager
async def running(feed: Feed[str]) -> AsyncIterator[None]:
    task = asyncio.create_task(feed.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the lists of this test tell nobody
            await asyncio.sleep(0.001)


async def test_it_is_listed_once_the_server_answered_even_with_nothing() -> None:
    feed = feed_of(Lists())
    async with running(feed), asyncio.timeout(10):
        await feed.listed.wait()
        assert feed.store.synced


async def test_a_list_of_kopfs_is_followed_by_one_of_ours_that_finds_what_vanished() -> None:
    lists = Lists([boat("a", 1), boat("b", 2)])
    feed = feed_of(lists)
    async with running(feed):
        await until(lambda: len(feed.store) == 2)
        lists.items = [boat("a", 1)]
        feed.tell(None, boat("a", 1))
        await until(lambda: list(feed.store.keys()) == ["a"])
    assert lists.count == 2


async def test_a_kind_that_is_not_installed_is_said_so(caplog: pytest.LogCaptureFixture) -> None:
    missing = NotFound(404, "NotFound", "the server could not find it", "list buoys")
    feed = feed_of(Lists(failure=missing))
    with caplog.at_level(logging.WARNING):
        async with running(feed):
            await until(lambda: "is not installed" in caplog.text)
    assert "buoys.example.dev is not installed" in caplog.text
    assert not feed.store.synced


async def test_what_kopf_tells_during_a_list_comes_after_its_answer() -> None:
    lists = Lists([boat("gone", 1)], arrival=asyncio.Event())
    feed = feed_of(lists)
    listing = asyncio.create_task(feed.relist())
    await lists.under_way.wait()
    feed.tell("DELETED", boat("gone", 5))
    feed.tell("ADDED", boat("new", 6))
    assert lists.arrival is not None
    lists.arrival.set()
    await listing
    assert list(feed.store.keys()) == ["new"]


async def test_a_failed_list_loses_nothing_that_kopf_told_meanwhile() -> None:
    failure = NotFound(404, "NotFound", "gone", "list buoys")
    feed = feed_of(Lists(failure=failure))
    with pytest.raises(NotFound):
        await feed.relist()
    feed.tell("ADDED", boat("a", 1))
    assert list(feed.store.keys()) == ["a"]


async def test_the_late_end_of_a_predecessor_does_not_take_its_successor_away() -> None:
    feed = feed_of(Lists())
    feed.tell("ADDED", boat("a", 1, "first"))
    feed.tell("ADDED", boat("a", 3, "second"))
    feed.tell("MODIFIED", boat("a", 1, "first"))
    feed.tell("DELETED", boat("a", 2, "first"))
    assert feed.store.get("a") == "second"
    feed.tell("DELETED", boat("a", 4, "second"))
    assert feed.store.get("a") is None
