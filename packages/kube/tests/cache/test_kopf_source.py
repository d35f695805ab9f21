"""An informer fed by kopf is true to the API server, also where kopf is silent or late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from virtual_time import simulate

from moorage_domain.kinds import Kind
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.kopf_source import FRESH_LIST_SECONDS, SETTLE_SECONDS, KopfSource
from moorage_kube.cache.store import Store
from moorage_kube.client.client import EVERYTHING, ListQuery, Page, WatchEvent
from moorage_kube.client.errors import KubeError, NotFound, Unavailable

WIDGETS = Kind("example.dev", "v1", "widgets", "Widget", namespaced=False)
MISSING = NotFound(404, "NotFound", "the server could not find it", "list widgets")


def widget(name: str, version: int, uid: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    }


@dataclass
class Lists:
    """The API server's lists of one kind; an answer can be held up on its way."""

    items: list[dict[str, Any]] = field(default_factory=list)
    failure: KubeError | None = None
    count: int = 0
    seconds: float = 0.0
    version: int = 100

    async def pages(self, kind: Kind, query: ListQuery) -> AsyncGenerator[Page, None]:
        assert kind == WIDGETS
        if query.limit == 1:
            yield Page([], str(self.version))
            return
        answer = list(self.items)
        self.count += 1
        await asyncio.sleep(self.seconds)
        if self.failure is not None:
            raise self.failure
        yield Page(answer, str(self.version))

    async def watch(
        self, kind: Kind, query: ListQuery, version: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """A watch of the informer's own, on which nothing happens."""
        assert (kind, query, version) == (WIDGETS, EVERYTHING, str(self.version))
        await asyncio.Event().wait()
        yield WatchEvent("BOOKMARK", {})


class Scene:
    """An informer on kopf; its lists and what kopf reports are up to the test."""

    def __init__(self, *items: dict[str, Any]) -> None:
        self.lists = Lists(list(items))
        self.source = KopfSource()
        store: Store[str] = Store(lambda raw: str(raw["metadata"]["uid"]))
        client: Any = self.lists
        self.informer = Informer(client, WIDGETS, store, source=self.source)

    @property
    def held(self) -> list[str]:
        return sorted(self.informer.store.keys())

    def push(self, event_type: str | None, *raws: dict[str, Any]) -> None:
        for raw in raws:
            self.source.push(event_type, raw)


def during(scene: Scene, story: Coroutine[Any, Any, None]) -> None:
    """Run the story beside the informer, in simulated time."""

    async def both() -> None:
        task = asyncio.create_task(scene.informer.run())
        await asyncio.sleep(0.01)
        await story
        assert not task.done()
        task.cancel()
        await asyncio.wait([task], timeout=10)
        assert task.cancelled()

    simulate(both)


def test_it_is_listed_once_the_server_answered_even_with_nothing() -> None:
    scene = Scene()

    async def story() -> None:
        await scene.informer.listed.wait()
        assert scene.informer.store.synced

    during(scene, story())


def test_where_kopf_is_silent_it_is_listed_once_until_a_fresh_list_is_due() -> None:
    scene = Scene()

    async def story() -> None:
        await asyncio.sleep(2.0)
        assert scene.lists.count == 1
        await asyncio.sleep(FRESH_LIST_SECONDS - 5.0)
        assert scene.lists.count == 1
        await asyncio.sleep(10.0)
        assert scene.lists.count == 2

    during(scene, story())


def test_changes_alone_bring_no_list() -> None:
    scene = Scene()

    async def story() -> None:
        for version in range(101, 120):
            scene.push("MODIFIED", widget("a", version))
            await asyncio.sleep(1.0)
        assert (scene.held, scene.lists.count) == (["a"], 1)

    during(scene, story())


def test_a_list_of_kopfs_is_followed_by_one_of_ours_that_finds_what_vanished() -> None:
    scene = Scene(widget("a", 1), widget("b", 2))

    async def story() -> None:
        assert scene.held == ["a", "b"]
        scene.lists.items = [widget("a", 1)]
        scene.push(None, widget("a", 1))
        await asyncio.sleep(SETTLE_SECONDS / 2)
        assert scene.lists.count == 1  # there may be more to come
        scene.push(None, widget("c", 3))
        scene.lists.items.append(widget("c", 3))
        await asyncio.sleep(SETTLE_SECONDS * 1.1)
        assert (scene.held, scene.lists.count) == (["a", "c"], 2)
        await asyncio.sleep(10.0)
        assert scene.lists.count == 2

    during(scene, story())


def test_objects_that_change_without_end_do_not_put_a_list_off_for_ever() -> None:
    scene = Scene(widget("a", 1), widget("b", 2))

    async def story() -> None:
        scene.lists.items = [widget("a", 1)]
        scene.push(None, widget("a", 1))
        for version in range(101, 101 + int(FRESH_LIST_SECONDS * 10) + 20):
            scene.push("MODIFIED", widget("a", version))
            await asyncio.sleep(0.1)
        assert scene.held == ["a"]

    during(scene, story())


def test_what_kopf_reports_during_a_list_comes_after_its_answer() -> None:
    scene = Scene()

    async def story() -> None:
        scene.lists.items, scene.lists.seconds = [widget("gone", 1)], 5.0
        listing = asyncio.create_task(scene.informer.relist())
        await asyncio.sleep(1.0)
        scene.push("DELETED", widget("gone", 101))
        scene.push("ADDED", widget("new", 102))
        await listing
        await asyncio.sleep(0.1)
        assert scene.held == ["new"]

    during(scene, story())


def test_a_failed_list_loses_nothing_that_kopf_reported_meanwhile() -> None:
    scene = Scene()

    async def story() -> None:
        scene.lists.failure = Unavailable(503, "", "", "list widgets")
        with pytest.raises(Unavailable):
            await scene.informer.relist()
        scene.push("ADDED", widget("a", 101))
        scene.lists.failure = None
        await asyncio.sleep(2.0)
        assert scene.held == ["a"]

    during(scene, story())


def test_a_fresh_list_is_made_though_kopf_reports_in_the_same_moment() -> None:
    scene = Scene(widget("a", 1))

    async def story() -> None:
        for version in range(101, 140):
            listing = asyncio.create_task(scene.informer.relist())
            for _ in range(version % 4):
                await asyncio.sleep(0)
            scene.push("MODIFIED", widget("b", version))
            async with asyncio.timeout(1.0):
                await listing

    during(scene, story())


def test_it_ends_though_kopf_reports_in_the_same_moment() -> None:
    async def story() -> None:
        for steps in range(5):
            scene = Scene()
            task = asyncio.create_task(scene.informer.run())
            await asyncio.sleep(1.0)
            scene.push("ADDED", widget("a", 101))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=10.0)
            assert task.cancelled()

    simulate(story)


def test_a_kind_that_is_not_installed_is_logged_once_a_minute_and_found_within_five_seconds(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(widget("a", 1))
    scene.lists.failure = MISSING

    async def story() -> None:
        await asyncio.sleep(40.0)
        assert not scene.informer.store.synced
        scene.lists.failure = None
        await asyncio.sleep(5.0)
        assert scene.held == ["a"]

    with caplog.at_level(logging.WARNING):
        during(scene, story())
    (message,) = caplog.messages
    assert message.startswith(f"widgets.example.dev is not installed: {MISSING}; install")


def test_the_late_end_of_a_predecessor_does_not_take_its_successor_away() -> None:
    scene = Scene()

    async def story() -> None:
        scene.push("ADDED", widget("a", 101, "first"), widget("a", 103, "second"))
        scene.push("MODIFIED", widget("a", 101, "first"))
        scene.push("DELETED", widget("a", 102, "first"))
        await asyncio.sleep(0.1)
        assert scene.informer.store.get("a") == "second"
        scene.push("DELETED", widget("a", 104, "second"))
        await asyncio.sleep(0.1)
        assert scene.informer.store.get("a") is None

    during(scene, story())


def test_a_restored_backup_is_noticed_though_kopf_stays_silent(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(widget("a", 90, "lost"), widget("b", 91))

    async def story() -> None:
        scene.lists.version, scene.lists.items = 60, [widget("a", 55, "restored")]
        await asyncio.sleep(80.0)
        assert scene.held == ["a"]
        assert scene.informer.store.get("a") == "restored"

    during(scene, story())
    (message,) = caplog.messages
    assert "the API server is at version 60 and was at 100 before" in message
