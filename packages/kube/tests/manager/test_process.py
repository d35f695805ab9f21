"""What kopf reports is taken in, and not kept; a process that cannot start says why."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import weakref
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import kopf
import pytest
from kopf._cogs.structs.bodies import Body

from moorage_domain.kinds import Kind
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.kopf_source import KopfSource
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery, Page
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.manager.process import _kopf_settings, _register_watch, run
from moorage_kube.manager.settings import CommonSettings
from moorage_testing.waiting import until


class Empty:
    """An API server that has nothing."""

    async def pages(self, kind: Kind, query: ListQuery) -> AsyncGenerator[Page, None]:
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
    source = KopfSource()
    store = Store(lambda raw: raw["status"]["bound"])
    client: Any = Empty()
    informer = Informer(client, CONFIGMAPS, store, source=source)
    following = asyncio.create_task(informer.run())
    registry = kopf.OperatorRegistry()
    _register_watch(registry, CONFIGMAPS, source)
    (handler,) = registry._watching.get_all_handlers()
    push: Any = handler.fn
    meta = {"name": "a", "uid": "u", "resourceVersion": "2", "managedFields": Large()}
    raw: Any = {"metadata": meta, "spec": Large(), "status": Large(bound=3)}
    parts = [raw["spec"], raw["status"], raw["metadata"]["managedFields"]]
    large = [weakref.ref(part) for part in parts]
    body = Body(raw)
    assert body.status["bound"] == 3, "as kopf does: the views and the body hold each other"
    await push(event={"type": "MODIFIED", "object": raw}, body=body)
    del raw, meta, parts
    await until(lambda: store.get("a") == 3, "the object")
    assert (body.metadata["name"], body.metadata["uid"]) == ("a", "u")
    # Whatever comes next: no more than one object is ever in hand.
    other: Any = {"metadata": {"name": "b", "resourceVersion": "3"}, "status": {"bound": 4}}
    await push(event={"type": "ADDED", "object": other}, body=Body(other))
    await until(lambda: store.get("b") == 4, "the next object")
    assert [part() for part in large] == [None, None, None]
    following.cancel()
    await asyncio.wait([following])


def test_kopf_copies_nothing_of_an_object_to_tell_changes_apart() -> None:
    class Untouchable(dict[str, Any]):
        def __deepcopy__(self, _: object) -> Any:
            raise AssertionError("it is copied")

    known = _kopf_settings().persistence.diffbase_storage
    body = Body({"metadata": {"name": "a"}, "spec": Untouchable(), "status": Untouchable()})
    assert known.build(body=body, extra_fields=[("spec",)]) == {}
    assert known.fetch(body=body) is None


def settings(**fields: Any) -> CommonSettings:
    return CommonSettings.model_validate({"metrics_host": "127.0.0.1", "metrics_port": 0} | fields)


@pytest.mark.usefixtures("nowhere")
def test_a_kubeconfig_that_is_not_there_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(settings(kubeconfig=str(tmp_path / "none")), lambda _: None) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("moorage: ")
    assert printed.count("\n") == 1


@pytest.mark.usefixtures("nowhere")
def test_a_port_that_is_taken_is_said_in_one_line(
    write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert run(settings(kubeconfig=str(write()), metrics_port=port), lambda _: None) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith("choose another --metrics-port")


@pytest.mark.usefixtures("nowhere")
def test_sec_09_that_the_api_server_is_not_verified_is_said_at_the_start(
    write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        blind = str(write(cluster={"insecure-skip-tls-verify": True}))
        assert run(settings(kubeconfig=blind, metrics_port=port), lambda _: None) == 2
    first = json.loads(capsys.readouterr().err.splitlines()[0])
    assert first["level"] == "warning"
    assert "insecure-skip-tls-verify is true" in first["message"]
