"""An informer keeps its store true through lost watches, old versions and refusals."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from moorage_kube.cache import informer as informer_module
from moorage_kube.cache.informer import TURN_OBJECTS, Informer
from moorage_kube.cache.store import Change, Store
from moorage_kube.client.backoff import Backoff
from moorage_kube.client.client import Client, ListQuery
from moorage_kube.client.errors import (
    Forbidden,
    Gone,
    KubeError,
    NotFound,
    Throttled,
    Unavailable,
)
from moorage_kube.client.kinds import NODES
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer, client_in_memory, serve_with_client
from moorage_testing.waiting import until


def zone(raw: dict[str, Any]) -> str:
    return str(raw.get("zone", "-"))


@dataclass
class Scene:
    """A server, and an informer that follows it."""

    server: ApiServer
    client: Client
    store: Store[str] = field(default_factory=lambda: Store(zone))
    changes: list[Change[str]] = field(default_factory=list)
    query: ListQuery = ListQuery()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        self.store.subscribe(self.changes.append)
        self.informer = Informer(self.client, NODES, self.store, self.query)

    @property
    def held(self) -> dict[str, str]:
        return dict(self.store.items())

    async def watching(self, times: int = 1) -> None:
        """Wait until the so-manieth watch is under way."""
        await until(lambda: len(self.server.requests("WATCH")) >= times, "a watch to be asked for")
        await until(lambda: self.server.watches == 1, "the watch")

    async def holds(self, **zones: str) -> None:
        await until(lambda: self.held == zones, f"the store to hold {zones}")


@pytest.fixture(name="scene")
async def _scene() -> AsyncIterator[Scene]:
    async with serve_with_client() as (server, client):
        yield Scene(server, client)


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[None]:
    task = asyncio.create_task(scene.informer.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_store_follows_a_list_and_all_that_happens_after_it(scene: Scene) -> None:
    server = scene.server
    server.put(NODES, "a", zone="north")
    server.put(NODES, "b", zone="north")
    async with running(scene):
        await scene.watching()
        assert scene.store.synced
        server.put(NODES, "c", zone="south")
        server.put(NODES, "a", zone="east")
        server.remove(NODES, "b")
        await scene.holds(a="east", c="south")
    assert len(server.requests("GET")) == 1


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
        assert len(server.requests("GET")) == 3


async def test_everybody_else_has_a_turn_while_a_long_page_is_taken_in(scene: Scene) -> None:
    for number in range(100):
        scene.server.put(NODES, f"n{number}")
    lengths: list[int] = []

    async def look() -> None:
        while True:
            lengths.append(len(scene.store))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    async with running(scene):
        await scene.watching()
    looking.cancel()
    steps = [later - before for before, later in itertools.pairwise(lengths)]
    assert sum(steps) == 100
    assert max(steps) == TURN_OBJECTS
    assert len(scene.server.requests("GET")) == 1


async def test_a_watch_that_ends_or_breaks_goes_on_where_it_was(scene: Scene) -> None:
    server = scene.server
    async with running(scene):
        await scene.watching()
        server.put(NODES, "a", zone="north")
        await scene.holds(a="north")
        await server.end_watches("break")
        server.put(NODES, "b", zone="south")
        await scene.watching(2)
        await scene.holds(a="north", b="south")
    assert len(server.requests("GET")) == 1
    assert server.requests("WATCH")[1].query["resourceVersion"] == "101"


async def test_a_bookmark_moves_the_place_to_go_on_from(scene: Scene) -> None:
    server = scene.server
    async with running(scene):
        await scene.watching()
        server.bookmark()
        version = str(server.version)
        before = scene.informer.last_contact
        await until(lambda: scene.informer.last_contact != before, "the bookmark")
        await server.end_watches("break")
        await scene.watching(2)
    assert server.requests("WATCH")[1].query["resourceVersion"] == version
    assert scene.changes == []


async def test_after_too_long_a_gap_a_list_finds_the_difference(scene: Scene) -> None:
    server = scene.server
    for name in ("stays", "moves", "goes"):
        server.put(NODES, name, zone="north")
    async with running(scene):
        await scene.watching()
        scene.changes.clear()
        # The watch is gone before it happens, and so is the history when the next watch begins.
        await server.end_watches("break")
        del server.objects["/api/v1/nodes/goes"]
        server.put(NODES, "moves", zone="south")
        server.put(NODES, "comes", zone="north")
        server.forget_history()
        await scene.holds(stays="north", moves="south", comes="north")
        assert scene.store.synced
    assert [change.key for change in scene.changes] == ["comes", "moves", "goes"]
    assert len(server.requests("GET")) == 2


async def test_an_outage_leaves_the_store_as_it_was(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "moorage_kube")
    server = scene.server
    server.put(NODES, "a", zone="north")
    async with running(scene):
        await scene.watching()
        server.fail("WATCH", drop="before", times=4)  # each watch is tried twice
        await server.end_watches("break")
        await scene.watching(6)
        assert scene.held == {"a": "north"}
        assert scene.store.synced
        server.put(NODES, "b")
        await until(lambda: "b" in scene.store, "the new object")
    logged = [r.getMessage() for r in caplog.records if r.name.startswith("moorage_kube")]
    assert len(logged) == 2
    assert logged[0].startswith("nodes may be out of date: GET nodes: ")
    assert logged[1] == "nodes are up to date again"


async def test_a_missing_right_is_logged_in_one_plain_line_and_tried_again(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer_module, "_BACKOFF", Backoff(0.01, 0.01))
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
    assert len(server.requests("GET")) == 1


async def test_a_fresh_list_finds_what_the_watch_did_not_report(scene: Scene) -> None:
    server = scene.server
    server.put(NODES, "a", zone="north")
    async with running(scene):
        await scene.watching()
        server.objects.clear()  # without a word
        await scene.informer.relist()
        assert scene.held == {}
        await scene.watching(2)
        server.put(NODES, "b", zone="south")
        await scene.holds(b="south")


async def test_a_fresh_list_does_not_wait_for_the_end_of_a_pause(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(informer_module, "_BACKOFF", Backoff(1000.0, 1000.0))
    scene.server.fail("GET", status=500)
    async with running(scene):
        await until(lambda: scene.server.requests("GET"), "the first list")
        async with asyncio.timeout(5):
            await scene.informer.relist()
        assert scene.store.synced


async def test_a_fresh_list_is_one_that_was_asked_for_afterwards(scene: Scene) -> None:
    server = scene.server
    server.fail("GET", hang=True)
    async with running(scene):
        await until(lambda: server.requests("GET"), "the first list")
        async with asyncio.timeout(5):
            await asyncio.gather(scene.informer.relist(), scene.informer.relist())
    assert scene.store.synced


async def test_a_second_wish_for_a_fresh_list_does_not_lose_the_first(scene: Scene) -> None:
    server = scene.server
    server.fail("GET", hang=True, times=2)
    async with running(scene), asyncio.timeout(10):
        await until(lambda: len(server.requests("GET")) == 1, "the list at the start")
        first = asyncio.create_task(scene.informer.relist())
        await until(lambda: len(server.requests("GET")) == 2, "the first fresh list")
        await scene.informer.relist()
        await first


async def test_whoever_wants_a_fresh_list_gets_an_error_where_there_is_none(scene: Scene) -> None:
    async with running(scene):
        await scene.watching()
        scene.server.fail("GET", status=403, body={"reason": "Forbidden"})
        with pytest.raises(Forbidden):
            await scene.informer.relist()
        await scene.watching(2)


async def test_who_no_longer_waits_for_a_fresh_list_is_in_nobodys_way(scene: Scene) -> None:
    async with running(scene):
        await scene.watching()
        scene.server.fail("GET", hang=True)
        first = asyncio.create_task(scene.informer.relist())
        await until(lambda: len(scene.server.requests("GET")) == 2, "the list that hangs")
        first.cancel()
        await scene.informer.relist()
        await scene.watching(2)
        assert first.cancelled()


async def test_a_server_set_back_to_a_backup_is_believed_at_the_next_list(scene: Scene) -> None:
    server = scene.server
    server.put(NODES, "a", zone="south")
    server.put(NODES, "b", zone="south")
    async with running(scene):
        await scene.watching()
        server.version = 50
        server.objects.clear()
        server.put(NODES, "a", zone="north")
        await scene.informer.relist()
        assert scene.held == {"a": "north"}


async def test_what_the_cut_raises_ends_the_informer_and_names_the_object() -> None:
    async with serve_with_client() as (server, client):
        server.put(NODES, "odd")
        store: Store[str] = Store(lambda raw: str(raw["zone"]))
        with pytest.raises(KeyError) as bug:
            await Informer(client, NODES, store).run()
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
        (1000, Gone(410, "", "", ""), 0.0, 0.0),
        (0, NotFound(404, "", "", ""), 0.375, 0.5),
        (1000, NotFound(404, "", "", ""), 5.0, 5.0),
        (1000, Throttled(429, "", "", "", retry_after=7.0), 22.5, 30.0),
    ],
)
async def test_pauses_grow_to_half_a_minute_and_mind_what_the_server_asks(
    scene: Scene, failures_before: int, error: KubeError, least: float, most: float
) -> None:
    scene.informer._failures = failures_before
    assert least <= scene.informer._pause(error) <= most


async def test_a_list_that_is_too_old_time_and_again_is_asked_for_ever_less_often(
    scene: Scene,
) -> None:
    gone = Gone(410, "", "", "")
    assert scene.informer._pause(gone) == 0.0
    assert 0.75 <= scene.informer._pause(gone) <= 1.0
    assert 1.5 <= scene.informer._pause(gone) <= 2.0


async def test_warnings_of_one_kind_are_logged_once_a_minute(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(informer_module, "time", SimpleNamespace(monotonic=lambda: now))
    for seconds in (0, 30, 59, 61, 90):
        now = 1000.0 + seconds
        scene.informer._pause(Unavailable(503, "", "", ""))
    assert len(caplog.records) == 2


def set_back(server: ApiServer, version: int) -> None:
    """A backup of etcd is restored: nothing from after this version ever was."""
    server.version = version
    server.world.history.clear()


@asynccontextmanager
async def comparing_often(monkeypatch: pytest.MonkeyPatch, scene: Scene) -> AsyncIterator[None]:
    monkeypatch.setattr(informer_module, "COMPARE_SECONDS", 0.05)
    async with running(scene):
        yield


async def test_a_restored_backup_is_noticed_though_the_watch_stays_silent(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = scene.server
    server.put(NODES, "a", zone="south")
    server.put(NODES, "b", zone="south")
    async with comparing_often(monkeypatch, scene):
        await scene.watching()
        set_back(server, 50)
        server.objects.clear()
        server.put(NODES, "a", zone="north")
        await scene.holds(a="north")
        await scene.watching(2)
        server.put(NODES, "c", zone="east")
        await scene.holds(a="north", c="east")
    (logged,) = caplog.messages
    assert logged == (
        "nodes are listed again: the API server is at version 51 and was at 102 before;"
        " was a backup of etcd restored?"
    )


async def test_a_restored_backup_counts_though_it_is_newer_than_what_is_held(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = scene.server
    server.put(NODES, "a", zone="south")  # at 101
    async with comparing_often(monkeypatch, scene):
        await scene.watching()
        server.bookmark()
        server.bookmark()  # at 121
        await until(lambda: scene.store.shown_version == 121, "the bookmark")
        set_back(server, 90)
        server.put(NODES, "a", zone="north")
        server.version = 110
        await scene.holds(a="north")


async def test_a_comparison_that_finds_nothing_lists_nothing_and_costs_one_object(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = scene.server
    for name in "abc":
        server.put(NODES, name)
    async with comparing_often(monkeypatch, scene):
        await scene.watching()
        await until(lambda: len(server.requests("GET")) > 4, "comparisons")
    whole, *compared = server.requests("GET")
    assert whole.query["limit"] == "500"
    assert {asked.query["limit"] for asked in compared} == {"1"}
    assert all("PartialObjectMetadataList" in asked.headers["Accept"] for asked in compared)
    assert len(server.requests("WATCH")) == 1
    assert caplog.messages == []


async def test_events_that_overtake_the_answer_to_a_comparison_are_no_step_back(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = asyncio.Queue[str]()
    asked = asyncio.Event()

    async def newest() -> str:
        asked.set()
        return await answers.get()

    monkeypatch.setattr(scene.informer, "_newest_version", newest)
    server = scene.server
    async with comparing_often(monkeypatch, scene):
        await scene.watching()
        await asked.wait()
        server.put(NODES, "a", zone="north")
        await scene.holds(a="north")
        asked.clear()
        answers.put_nowait("100")
        await asked.wait()  # the next comparison: the first one is over
        assert len(server.requests("GET")) == 1
    assert caplog.messages == []


async def test_a_comparison_that_fails_does_no_harm(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = scene.server
    async with comparing_often(monkeypatch, scene):
        await scene.watching()
        server.fail("GET", status=503, times=3)
        await until(lambda: len(server.requests("GET")) > 5, "comparisons")
        assert len(server.requests("WATCH")) == 1


async def test_a_wish_for_a_fresh_list_that_meets_the_end_of_a_round_is_met_by_the_next(
    scene: Scene,
) -> None:
    server = scene.server
    async with running(scene):
        await scene.watching()
        # As relist() does it, where the round ends before it can be interrupted.
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        scene.informer._waiting.append(waiter)
        await server.end_watches()
        async with asyncio.timeout(5):
            await waiter
    assert len(server.requests("GET")) == 2


@pytest.mark.parametrize("optional", [True, False])
def test_an_optional_kind_that_is_not_served_has_no_objects_until_it_is(*, optional: bool) -> None:
    async def main() -> None:
        server = ApiServer()
        async with client_in_memory(server) as client:
            server.put(NODES, "n1")
            missing = {"reason": "NotFound", "message": "the server could not find it"}
            server.fail("GET", status=404, body=missing, times=100)
            informer = Informer(client, NODES, store := Store(zone))
            informer.optional = optional
            running = asyncio.create_task(informer.run())
            await asyncio.sleep(100.0)
            assert (informer.listed.is_set(), store.synced) == (optional, optional)
            assert bool(informer.failure) is not optional
            server.faults.clear()
            await asyncio.sleep(100.0)
            assert dict(store.items()) == {"n1": "-"}
            running.cancel()

    virtual_time.run(main())
