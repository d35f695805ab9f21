"""What kopf tells of an object is taken in, and not kept."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import kopf
import pytest
from kopf._cogs.structs.bodies import Body

from moorage_domain.kinds import Kind
from moorage_kube.cache.kopf_source import Feed
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery, Page
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.manager.process import _register_feed


class Empty:
    """An API server that has nothing."""

    async def pages(self, kind: Kind, query: ListQuery) -> AsyncIterator[Page]:
        del kind, query
        yield Page([], "1")


class Large(dict[str, Any]):
    """A part of an object that can be asked whether it is still there."""


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
async def test_what_is_large_of_an_object_goes_before_the_collector_comes() -> None:
    store = Store(lambda raw: raw["status"]["bound"])
    feed = Feed(Empty(), CONFIGMAPS, store)
    registry = kopf.OperatorRegistry()
    _register_feed(registry, feed)
    (handler,) = registry._watching.get_all_handlers()
    tell: Any = handler.fn
    meta = {"name": "a", "uid": "u", "resourceVersion": "2", "managedFields": Large()}
    raw: Any = {"metadata": meta, "spec": Large(), "status": Large(bound=3)}
    parts = [raw["spec"], raw["status"], raw["metadata"]["managedFields"]]
    large = [weakref.ref(part) for part in parts]
    body = Body(raw)
    assert body.status["bound"] == 3, "as kopf does: the views and the body hold each other"
    await tell(event={"type": "MODIFIED", "object": raw}, body=body)
    assert store.get("a") == 3
    assert (body.metadata["name"], body.metadata["uid"]) == ("a", "u")
    del raw, meta, body, parts
    assert [part() for part in large] == [None, None, None]
