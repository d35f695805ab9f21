"""A reflector keeps its store true through lost watches, old versions and refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from moorage_kube.cache import informer as reflector_module
from moorage_kube.cache.informer import Reflector
from moorage_kube.cache.store import Change, Store
from moorage_kube.client.client import Client, ListQuery
from moorage_kube.client.errors import Forbidden, Gone, KubeError, Throttled, Unavailable
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import ApiServer, serve_with_client
from moorage_testing.waiting import until


def berth(raw: dict[str, Any]) -> str:
    return str(raw.get("berth", "-"))


@dataclass
class Scene:
    """A server, and a reflector that follows it."""

    server: ApiServer
    client: Client
    store: Store[str] = field(default_factory=lambda: Store(berth))
    changes: list[Change[str]] = field(default_factory=list)
    query: ListQuery = ListQuery()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        self.store.subscribe(self.changes.append)
        self.reflector = Reflector(self.client, NODES, self.store, self.query)

    @property
    def held(self) -> dict[str, str]:
        return dict(self.store.items())

    async def watching(self, times: int = 1) -> None:
        """Wait until the so-manieth watch is under way."""
        await until(lambda: len(self.server.seen("WATCH")) >= times, "a watch to be asked for")
        await until(lambda: self.server.watches == 1, "the watch")

    async def holds(self, **berths: str) -> None:
        await until(lambda: self.held == berths, f"the store to hold {berths}")


@pytest.fixture(name="scene")
async def _scene() -> AsyncIterator[Scene]:
    async with serve_with_client() as (server, client):
        yield Scene(server, client)


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[None]:
    task = asyncio.create_task(scene.reflector.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_store_follows_a_list_and_all_that_happens_after_it(scene: Scene) -> None:
    server = scene.server
    server.put(NODES, "a", berth="north")
    server.put(NODES, "b", berth="north")
    async with running(scene):
        await scene.watching()
        assert scene.store.synced
        server.put(NODES, "c", berth="south")
        server.put(NODES, "a", berth="east")
        server.remove(NODES, "b")
        await scene.holds(a="east", c="south")
    assert len(server.seen("GET")) == 1


async def test_a_list_in_pages_is_synced_with_its_last_page() -> None:
    async with serve_with_client() as (server, client):
        for name in "abcde":
            server.put(NODES, name)
        synced_at_change: list[bool] = []
        scene = Scene(server, client, query=ListQuery(limit=2))
        scene.store.subscribe(lambda _: synced_at_change.append(scene.store.synced))
        async with running(scene):
            await scene.watching()
        assert synced_at_change == [False] * 5
        assert scene.store.synced
        assert len(server.seen("GET")) == 3


async def test_a_watch_that_ends_or_breaks_goes_on_where_it_was(scene: Scene) -> None:
    server = scene.server
    async with running(scene):
        await scene.watching()
        server.put(NODES, "a", berth="north")
        await scene.holds(a="north")
        await server.end_watches("break")
        server.put(NODES, "b", berth="south")
        await scene.watching(2)
        await scene.holds(a="north", b="south")
    assert len(server.seen("GET")) == 1
    assert server.seen("WATCH")[1].query["resourceVersion"] == "101"


async def test_a_bookmark_moves_the_place_to_go_on_from(scene: Scene) -> None:
    server = scene.server
    async with running(scene):
        await scene.watching()
        server.bookmark()
        version = str(server.version)
        before = scene.reflector.last_contact
        await until(lambda: scene.reflector.last_contact != before, "the bookmark")
        await server.end_watches("break")
        await scene.watching(2)
    assert server.seen("WATCH")[1].query["resourceVersion"] == version
    assert scene.changes == []


async def test_after_too_long_a_gap_a_list_tells_the_difference(scene: Scene) -> None:
    server = scene.server
    for name in ("stays", "moves", "goes"):
        server.put(NODES, name, berth="north")
    async with running(scene):
        await scene.watching()
        scene.changes.clear()
        # The watch is gone before it happens, and so is the history when it is begun anew.
        await server.end_watches("break")
        del server.objects["/api/v1/nodes/goes"]
        server.put(NODES, "moves", berth="south")
        server.put(NODES, "comes", berth="north")
        server.forget_history()
        await scene.holds(stays="north", moves="south", comes="north")
        assert scene.store.synced
    assert [change.key for change in scene.changes] == ["comes", "moves", "goes"]
    assert len(server.seen("GET")) == 2


async def test_an_outage_leaves_the_store_as_it_was(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "moorage_kube")
    server = scene.server
    server.put(NODES, "a", berth="north")
    async with running(scene):
        await scene.watching()
        server.fail("WATCH", drop="before", times=4)  # each watch is tried twice
        await server.end_watches("break")
        await scene.watching(6)
        assert scene.held == {"a": "north"}
        assert scene.store.synced
        server.put(NODES, "b")
        await until(lambda: "b" in scene.store, "the new object")
    told = [r.getMessage() for r in caplog.records if r.name.startswith("moorage_kube")]
    assert len(told) == 2
    assert told[0].startswith("nodes may be out of date: GET nodes: ")
    assert told[1] == "nodes are up to date again"


async def test_a_missing_right_is_told_in_one_plain_line_and_tried_again(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector_module, "FIRST_RETRY_SECONDS", 0.01)
    server = scene.server
    no = {"reason": "Forbidden", "message": "nodes is forbidden"}
    server.fail("GET", status=403, body=no, times=3)
    async with running(scene):
        await until(lambda: len(server.asked) == 3, "three tries")
        assert not scene.store.synced
        await scene.watching()
        assert scene.store.synced
    assert [(r.getMessage(), r.exc_info) for r in caplog.records] == [
        ("nodes may be out of date: GET nodes: nodes is forbidden (403 Forbidden)", None)
    ]


async def test_a_watch_that_ends_at_once_is_not_asked_for_without_a_pause(scene: Scene) -> None:
    server = scene.server
    server.fail("WATCH", status=200, body=b"", times=3)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with running(scene):
        await scene.watching(4)
    # Half a second, one, and two, each less a quarter at most.
    assert loop.time() - began > 0.75 * 3.5
    assert len(server.seen("GET")) == 1


async def test_a_fresh_list_finds_what_the_watch_did_not_tell(scene: Scene) -> None:
    server = scene.server
    server.put(NODES, "a", berth="north")
    async with running(scene):
        await scene.watching()
        server.objects.clear()  # without a word
        await scene.reflector.relist()
        assert scene.held == {}
        await scene.watching(2)
        server.put(NODES, "b", berth="south")
        await scene.holds(b="south")


async def test_a_fresh_list_does_not_wait_for_the_end_of_a_pause(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflector_module, "FIRST_RETRY_SECONDS", 1000.0)
    monkeypatch.setattr(reflector_module, "LAST_RETRY_SECONDS", 1000.0)
    scene.server.fail("GET", status=500)
    async with running(scene):
        await until(lambda: scene.server.seen("GET"), "the first list")
        async with asyncio.timeout(5):
            await scene.reflector.relist()
        assert scene.store.synced


async def test_a_fresh_list_is_one_that_was_asked_for_afterwards(scene: Scene) -> None:
    server = scene.server
    server.fail("GET", hang=True)
    async with running(scene):
        await until(lambda: server.seen("GET"), "the first list")
        async with asyncio.timeout(5):
            await asyncio.gather(scene.reflector.relist(), scene.reflector.relist())
    assert scene.store.synced


async def test_a_second_wish_for_a_fresh_list_does_not_lose_the_first(scene: Scene) -> None:
    server = scene.server
    server.fail("GET", hang=True, times=2)
    async with running(scene), asyncio.timeout(10):
        await until(lambda: len(server.seen("GET")) == 1, "the list at the start")
        first = asyncio.create_task(scene.reflector.relist())
        await until(lambda: len(server.seen("GET")) == 2, "the first fresh list")
        await scene.reflector.relist()
        await first


async def test_who_wants_a_fresh_list_is_told_that_there_is_none(scene: Scene) -> None:
    async with running(scene):
        await scene.watching()
        scene.server.fail("GET", status=403, body={"reason": "Forbidden"})
        with pytest.raises(Forbidden):
            await scene.reflector.relist()
        await scene.watching(2)


async def test_who_no_longer_waits_for_a_fresh_list_is_in_nobodys_way(scene: Scene) -> None:
    async with running(scene):
        await scene.watching()
        scene.server.fail("GET", hang=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await scene.reflector.relist()
        await scene.reflector.relist()
        await scene.watching(2)


async def test_a_server_set_back_to_a_backup_is_believed_at_the_next_list(scene: Scene) -> None:
    server = scene.server
    server.put(NODES, "a", berth="south")
    server.put(NODES, "b", berth="south")
    async with running(scene):
        await scene.watching()
        server.version = 50
        server.objects.clear()
        server.put(NODES, "a", berth="north")
        await scene.reflector.relist()
        assert scene.held == {"a": "north"}


async def test_what_the_cut_raises_ends_the_reflector_and_names_the_object() -> None:
    async with serve_with_client() as (server, client):
        server.put(NODES, "odd")
        store: Store[str] = Store(lambda raw: str(raw["berth"]))
        with pytest.raises(KeyError) as bug:
            await Reflector(client, NODES, store).run()
        assert bug.value.__notes__ == ["while taking in odd"]


@pytest.mark.parametrize(
    ("failures_before", "error", "least", "most"),
    [
        (0, Unavailable(503, "", "", ""), 0.375, 0.5),
        (3, Unavailable(503, "", "", ""), 3.0, 4.0),
        (1000, Unavailable(503, "", "", ""), 22.5, 30.0),
        (0, Throttled(429, "", "", "", retry_after=7.0), 7.0, 7.0),
        (0, Throttled(429, "", "", ""), 0.375, 0.5),
        (0, Gone(410, "", "", ""), 0.0, 0.0),
        (1, Gone(410, "", "", ""), 0.75, 1.0),
    ],
)
async def test_pauses_grow_to_half_a_minute_and_mind_what_the_server_asks(
    scene: Scene, failures_before: int, error: KubeError, least: float, most: float
) -> None:
    scene.reflector._failures = failures_before
    assert least <= scene.reflector._pause(error) <= most


async def test_complaints_of_one_kind_come_once_a_minute(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(reflector_module, "time", SimpleNamespace(monotonic=lambda: now))
    for seconds in (0, 30, 59, 61, 90):
        now = 1000.0 + seconds
        scene.reflector._pause(Unavailable(503, "", "", ""))
    assert len(caplog.records) == 2
