"""Events are written in the background, once, and never stop a controller."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Target
from moorage_kube.client.errors import Forbidden, KubeError, NotFound
from moorage_kube.client.kinds import NODES, PODS
from moorage_kube.telemetry.events import _WRITTEN_LIMIT, Event, EventRecorder
from moorage_testing import virtual_time

NOTE = Event(PODS, "web-0", "shop", "uid-1", "Normal", "Bound", "10.0.0.1 is on eth0")


@dataclass
class EventServer:
    """The API server's Events, with bad days."""

    created: list[dict[str, Any]] = field(default_factory=list)
    patched: list[tuple[Target, dict[str, Any]]] = field(default_factory=list)
    failure: KubeError | None = None
    gone: bool = False

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        assert kind.plural == "events"
        assert namespace == body["metadata"]["namespace"]
        if self.failure is not None:
            raise self.failure
        self.created.append(body)
        return body

    async def patch(self, kind: Kind, target: Target, body: dict[str, Any]) -> dict[str, Any]:
        assert kind.plural == "events"
        if self.gone:
            raise NotFound(status=404, reason="NotFound", message="gone", what="PATCH events/x")
        self.patched.append((target, body))
        return body


@asynccontextmanager
async def recorder(server: EventServer) -> AsyncIterator[EventRecorder]:
    events = EventRecorder(server, "moorage-example", "pod-1")
    task = asyncio.create_task(events.run())
    try:
        yield events
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_note_becomes_an_event_in_the_objects_namespace() -> None:
    server = EventServer()
    async with recorder(server) as events:
        await events.publish(NOTE)
        await events.flush(5)
    (event,) = server.created
    assert event["metadata"]["namespace"] == "shop"
    assert event["metadata"]["name"].startswith("web-0.")
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": "web-0",
        "namespace": "shop",
        "uid": "uid-1",
    }
    assert (event["type"], event["reason"], event["message"], event["count"]) == (
        "Normal",
        "Bound",
        "10.0.0.1 is on eth0",
        1,
    )
    assert event["source"]["component"] == event["reportingComponent"] == "moorage-example"


async def test_sec_10_an_event_shows_no_credential() -> None:
    server = EventServer()
    async with recorder(server) as events:
        await events.publish(replace(NOTE, message="proxy http://me:pa55word@p.example.com fails"))
        await events.flush(5)
    (event,) = server.created
    assert event["message"] == "proxy http://me:***@p.example.com fails"


async def test_the_event_of_a_cluster_scoped_object_goes_to_default() -> None:
    server = EventServer()
    async with recorder(server) as events:
        await events.publish(replace(NOTE, kind=NODES, name="n1", namespace=None))
        await events.flush(5)
    (event,) = server.created
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["involvedObject"]


async def test_the_same_note_again_raises_the_count() -> None:
    server = EventServer()
    async with recorder(server) as events:
        for _ in range(3):
            await events.publish(NOTE)
        await events.publish(replace(NOTE, reason="Moved"))
        await events.flush(5)
    assert [event["reason"] for event in server.created] == ["Bound", "Moved"]
    name = server.created[0]["metadata"]["name"]
    assert [(target, body["count"]) for target, body in server.patched] == [
        (Target(name, "shop"), 2),
        (Target(name, "shop"), 3),
    ]


async def test_an_event_that_ran_out_is_made_again() -> None:
    server = EventServer(gone=True)
    async with recorder(server) as events:
        await events.publish(NOTE)
        await events.publish(NOTE)
        await events.flush(5)
    assert [event["count"] for event in server.created] == [1, 1]


def test_what_is_long_past_is_said_anew_and_only_that() -> None:
    server, other = EventServer(), replace(NOTE, name="web-1")

    async def play() -> None:
        async with recorder(server) as events:
            for pause, event in ((0, NOTE), (400, other), (300, NOTE), (1, other)):
                await asyncio.sleep(pause)
                await events.publish(event)
                await events.flush(5)

    virtual_time.run(play())
    names = [body["involvedObject"]["name"] for body in server.created]
    assert names == ["web-0", "web-1", "web-0"]
    assert len(server.patched) == 1


async def test_a_refused_event_is_logged_and_the_next_one_is_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = EventServer(
        failure=Forbidden(status=403, reason="Forbidden", message="no", what="POST events")
    )
    async with recorder(server) as events:
        with caplog.at_level(logging.WARNING):
            await events.publish(NOTE)
            await events.flush(5)
        server.failure = None
        await events.publish(NOTE)
        await events.flush(5)
    assert "Bound of web-0 is not written" in caplog.text
    assert len(server.created) == 1


@pytest.mark.parametrize("letter", ["x", "é"])
async def test_a_long_message_is_cut_to_what_the_server_takes(letter: str) -> None:
    server = EventServer()
    async with recorder(server) as events:
        await events.publish(replace(NOTE, message=letter * 3000))
        await events.flush(5)
    message = server.created[0]["message"]
    assert 1020 <= len(message.encode()) <= 1024
    assert message.endswith(letter + "…")


async def test_a_long_name_leaves_room_for_the_events_own_suffix() -> None:
    server = EventServer()
    async with recorder(server) as events:
        await events.publish(replace(NOTE, name="n" * 253))
        await events.flush(5)
    assert len(server.created[0]["metadata"]["name"]) == 253


async def test_publishing_never_waits_even_when_nobody_writes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events = EventRecorder(EventServer(), "moorage-example")
    async with asyncio.timeout(5):
        for _ in range(1001):
            await events.publish(NOTE)
    assert "is dropped: too many wait" in caplog.text


async def test_sec_03_what_tenants_make_us_say_is_kept_no_longer_than_it_is_said() -> None:
    server = EventServer()
    async with recorder(server) as events:
        tracemalloc.start()
        try:
            for number in range(200):
                message = f"no node matches {number}{'x' * 100_000}"
                await events.publish(replace(NOTE, message=message))
            await events.flush(10.0)
            server.created.clear()
            kept, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert kept < 2 * 1024 * 1024  # of 20 MB that were to be said


async def test_sec_03_events_of_invented_objects_are_remembered_up_to_a_number() -> None:
    server = EventServer()
    async with recorder(server) as events:
        for number in range(3 * _WRITTEN_LIMIT):
            await events.publish(replace(NOTE, name=f"invented-{number}"))
            await events.flush(10.0)
        assert len(events._written) <= _WRITTEN_LIMIT
        await events.publish(replace(NOTE, name=f"invented-{3 * _WRITTEN_LIMIT - 1}"))
        await events.flush(10.0)
    assert len(server.patched) == 1  # the newest are still counted
