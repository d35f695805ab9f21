"""Whoever watches, an informer's store is true: the same stories for our own watch and for kopf."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from moorage_kube.cache import informer as informer_module
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.kopf_source import KopfSource
from moorage_kube.cache.store import Store
from moorage_kube.client.client import EVERYTHING, Client
from moorage_kube.client.errors import KubeError
from moorage_kube.client.kinds import NODES
from moorage_testing.apiserver import ApiServer, serve_with_client
from moorage_testing.waiting import until


async def like_kopf(client: Client, source: KopfSource) -> None:
    """List, watch, and list again after every trouble, as kopf does it."""
    while True:
        version = ""
        try:
            async for page in client.pages(NODES, EVERYTHING):
                version = page.resource_version
                for raw in page.items:
                    source.push(None, raw)
            async for event in client.watch(NODES, EVERYTHING, version):
                if event.type != "BOOKMARK":
                    source.push(event.type, event.object)
        except KubeError:
            await asyncio.sleep(0.05)


def zone(raw: dict[str, str]) -> str:
    return raw["zone"]


class Scene:
    def __init__(self, server: ApiServer, client: Client, kind: str) -> None:
        self.server = server
        self.client = client
        self.source = KopfSource() if kind == "kopf" else None
        self.store: Store[str] = Store(zone)
        self.informer = Informer(client, NODES, self.store, source=self.source)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.informer.run())]
        if self.source is not None:
            tasks.append(asyncio.create_task(like_kopf(self.client, self.source)))
        try:
            yield
            assert not tasks[0].done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def holds(self, **zones: str) -> None:
        await until(lambda: dict(self.store.items()) == zones, f"the store to hold {zones}")

    async def watching(self) -> None:
        await until(lambda: self.server.watches == 1, "the watch")
        await self.informer.listed.wait()


@pytest.fixture(name="scene", params=["watch", "kopf"])
async def _scene(request: pytest.FixtureRequest) -> AsyncIterator[Scene]:
    async with serve_with_client() as (server, client):
        yield Scene(server, client, request.param)


async def test_what_comes_changes_and_goes_is_followed(scene: Scene) -> None:
    scene.server.put(NODES, "a", zone="north")
    async with scene.running():
        await scene.watching()
        scene.server.put(NODES, "b", zone="south")
        scene.server.put(NODES, "a", zone="east")
        await scene.holds(a="east", b="south")
        scene.server.remove(NODES, "a")
        await scene.holds(b="south")


async def test_what_vanished_while_the_watch_was_lost_is_found(scene: Scene) -> None:
    server = scene.server
    for name in ("stays", "goes"):
        server.put(NODES, name, zone="north")
    async with scene.running():
        await scene.watching()
        await scene.holds(stays="north", goes="north")
        await server.end_watches("break")
        del server.objects["/api/v1/nodes/goes"]
        server.put(NODES, "comes", zone="south")
        server.forget_history()
        await scene.holds(stays="north", comes="south")


async def test_a_fresh_list_finds_what_nobody_reported(scene: Scene) -> None:
    scene.server.put(NODES, "a", zone="north")
    async with scene.running():
        await scene.watching()
        scene.server.objects.clear()
        await scene.informer.relist()
        await scene.holds()


async def test_a_missing_kind_is_said_once_and_picked_up_when_it_comes(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.server.put(NODES, "a", zone="north")
    scene.server.fail("GET", status=404, times=4)
    with caplog.at_level(logging.WARNING, "moorage_kube"):
        async with scene.running():
            await scene.holds(a="north")
    (message,) = caplog.messages
    assert message.startswith("nodes. is not installed")


async def test_an_outage_leaves_the_store_as_it_was(scene: Scene) -> None:
    scene.server.put(NODES, "a", zone="north")
    async with scene.running():
        await scene.watching()
        await scene.holds(a="north")
        scene.server.fail("WATCH", status=503, times=2)
        scene.server.fail("GET", status=503, times=2)
        await scene.server.end_watches("break")
        assert dict(scene.store.items()) == {"a": "north"}
        scene.server.put(NODES, "b", zone="south")
        await scene.holds(a="north", b="south")


async def test_a_bug_of_the_projection_comes_out(scene: Scene) -> None:
    scene.server.put(NODES, "odd")
    with pytest.raises(KeyError) as bug:
        async with asyncio.timeout(10):
            await scene.informer.run()
    assert bug.value.__notes__ == ["while taking in odd"]


async def test_a_restored_backup_is_noticed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(informer_module, "COMPARE_SECONDS", 0.1)
    server = scene.server
    server.put(NODES, "a", zone="south")
    async with scene.running():
        await scene.watching()
        await scene.holds(a="south")
        server.version = 50
        server.world.history.clear()
        server.put(NODES, "a", zone="north")
        await scene.holds(a="north")
        # From here on the informer watches itself: kopf's watch waits for the old version to come.
        await until(lambda: scene.informer.source.resumes, "a watch of the informer's own")
        server.put(NODES, "b", zone="east")
        await scene.holds(a="north", b="east")
    assert any("was a backup of etcd restored?" in message for message in caplog.messages)
