"""A child is created once, changed where it is ours, and goes with its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from moorage_domain.owners import controller_uid
from moorage_domain.subject import Subject
from moorage_kube.cache.store import Store
from moorage_kube.client.errors import AlreadyExists, Conflict
from moorage_kube.client.kinds import CONFIGMAPS, DEPLOYMENTS, NAMESPACES
from moorage_kube.writes.children import ChildWriter
from moorage_testing.apiserver import ApiServer, client_in_memory


@dataclass
class Shop:
    """An owner, and the writer of its child."""

    server: ApiServer
    store: Store[dict[str, Any]]
    writer: ChildWriter
    owner: Subject

    def child(self) -> dict[str, Any]:
        found = self.server.find(CONFIGMAPS, "owner", "shop")
        assert found is not None
        return found

    def seen(self) -> Subject:
        return Subject.of(self.child())


@pytest.fixture(name="shop")
async def _shop() -> AsyncIterator[Shop]:
    server: ApiServer = ApiServer()
    owner = server.create(DEPLOYMENTS, {"metadata": {"name": "owner", "namespace": "shop"}})
    store: Store[dict[str, Any]] = Store(lambda raw: raw)
    async with client_in_memory(server) as client:
        writer = ChildWriter(client, DEPLOYMENTS, CONFIGMAPS, store)
        yield Shop(server, store, writer, Subject.of(owner))


async def test_a_child_is_created_with_its_owner_and_known_at_once(shop: Shop) -> None:
    await shop.writer.write(shop.owner, None, {"data": {"a": "1"}})
    assert shop.child()["data"] == {"a": "1"}
    assert controller_uid(shop.child()) == shop.owner.uid
    assert shop.store.get("shop/owner") == shop.child()


async def test_a_field_is_written_whole_and_what_others_wrote_stays(shop: Shop) -> None:
    await shop.writer.write(shop.owner, None, {"data": {"a": "1"}})
    labels = {"metadata": {"labels": {"team": "red"}}}
    shop.server.patch(CONFIGMAPS, "owner", labels, "shop")
    await shop.writer.write(shop.owner, shop.seen(), {"data": {"b": "2"}})
    assert shop.child()["data"] == {"b": "2"}
    assert shop.child()["metadata"]["labels"] == {"team": "red"}
    assert shop.store.get("shop/owner") == shop.child()


async def test_a_namesake_is_left_alone(shop: Shop) -> None:
    shop.server.put(CONFIGMAPS, "owner", "shop", data={"mine": "yes"})
    with pytest.raises(AlreadyExists):
        await shop.writer.write(shop.owner, None, {"data": {}})
    with pytest.raises(Conflict):
        await shop.writer.write(shop.owner, replace(shop.seen(), uid="another"), {"data": {}})
    assert shop.child()["data"] == {"mine": "yes"}


async def test_a_child_of_an_owner_in_no_namespace_is_in_none(shop: Shop) -> None:
    owner = Subject("everywhere", None, "uid-9", "1")
    writer = ChildWriter(shop.writer._client, DEPLOYMENTS, NAMESPACES, shop.store)
    await writer.write(owner, None, {"spec": {}})
    assert shop.store.get("everywhere") is not None
