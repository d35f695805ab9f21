"""The writer's writes fit only what was read, and are in the store at once."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from recording_api import WIDGETS, RecordingApi, raw_object

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus
from moorage_domain.subject import DRY_RUN_ANNOTATION, Subject
from moorage_kube.cache.store import Store
from moorage_kube.client.client import ListQuery, Target
from moorage_kube.client.errors import Conflict, Forbidden, NotFound, Unavailable
from moorage_kube.writes.rivals import RivalWriter
from moorage_kube.writes.subjects import Subjects
from moorage_kube.writes.writer import ObjectWriter, last_status_writer

NOW = "2026-01-02T00:00:00Z"
OURS = "example.dev/ours"
READY = Condition("Ready", "True", "Settled")


@dataclass(frozen=True)
class View:
    subject: Subject


class Scene:
    def __init__(self) -> None:
        self.api = RecordingApi()
        self.store: Store[View] = Store(lambda raw: View(Subject.of(raw)))
        self.writer = ObjectWriter(self.api, Subjects(WIDGETS, self.store, OURS), lambda: NOW)
        self.put(raw_object("w1"))

    def put(self, raw: dict[str, Any]) -> None:
        self.store.apply(self.api.put(raw))

    @property
    def subject(self) -> Subject:
        subject = self.writer.subject("w1")
        assert subject is not None
        return subject

    async def write(self, **fields: Any) -> Subject:
        return await self.writer.write_status("w1", self.subject, PlainStatus((), fields))


async def test_the_answer_to_a_write_is_what_is_read_next() -> None:
    scene = Scene()
    after = await scene.write(address="a")
    assert after == scene.subject
    assert after.status == {"address": "a", "observedGeneration": 1}
    after = await scene.writer.write_finalizer(after, present=True)
    assert after == scene.subject
    assert after.finalizers == (OURS,)


async def test_a_status_goes_to_its_subresource_and_a_finalizer_to_the_object() -> None:
    scene = Scene()
    await scene.write(address="a")
    await scene.writer.write_finalizer(scene.subject, present=True)
    targets = [patch.target for patch in scene.api.patches]
    assert targets == [Target("w1", None, "status"), Target("w1", None)]
    for patch, version in zip(scene.api.patches, "12", strict=True):
        meta = patch.body["metadata"]
        assert (meta["uid"], meta["resourceVersion"]) == ("uid-w1", version)


async def test_nothing_to_write_is_no_request() -> None:
    scene = Scene()
    await scene.write(address="a")
    before = scene.subject
    assert await scene.write(address="a") == before
    assert await scene.writer.write_finalizer(before, present=False) == before
    assert len(scene.api.patches) == 1


@pytest.mark.parametrize("change", [{"uid": "second"}, {"generation": 2}])
async def test_a_write_does_not_fit_an_object_that_changed_since(change: dict[str, Any]) -> None:
    scene = Scene()
    subject = scene.subject
    scene.api.put(raw_object("w1", **change))
    with pytest.raises(Conflict):
        await scene.writer.write_status("w1", subject, PlainStatus((READY,)))
    with pytest.raises(Conflict):
        await scene.writer.write_finalizer(subject, present=True)
    assert "status" not in scene.api.objects["w1"]


async def test_a_late_answer_does_not_bring_back_what_is_gone() -> None:
    scene = Scene()
    scene.api.on_patch = lambda _: scene.store.forget("w1")
    await scene.write(address="a")
    assert scene.writer.subject("w1") is None


async def test_a_write_to_what_is_gone_says_so() -> None:
    scene = Scene()
    scene.api.objects.clear()
    with pytest.raises(NotFound):
        await scene.write(address="a")


MANAGED = [
    {"manager": "us", "time": "2026-01-01T00:00:01Z", "subresource": "status"},
    {"manager": "kubectl", "time": "2026-01-01T00:00:03Z"},
    {"manager": "them", "time": "2026-01-01T00:00:02Z", "subresource": "status"},
]


async def test_a_rival_is_named_in_one_warning_however_long_it_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    await scene.write(address="a")
    held_back = 0
    for number in range(5):
        scene.put(raw_object("w1", {"address": f"theirs {number}"}, managedFields=MANAGED))
        try:
            await scene.write(address="a")
        except RivalWriter:
            held_back += 1
    assert held_back == 4
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "the status of w1 was changed by them at 2026-01-01T00:00:02Z" in record.getMessage()
    assert scene.api.lists == [ListQuery(field_selector="metadata.name=w1")]


async def test_a_write_whose_answer_was_lost_is_no_rivals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    await scene.write(address="a")

    def lose_the_answer(_: str) -> None:
        raise Unavailable(0, "", "no answer", "PATCH widgets/w1")

    scene.api.on_patch = lose_the_answer
    with pytest.raises(Unavailable):
        await scene.write(address="b")
    scene.api.on_patch = lambda _: None
    scene.put(raw_object("w1", {"address": "b", "observedGeneration": 1}))
    await scene.write(address="c")
    await scene.write(address="d")
    assert caplog.messages == []


async def test_a_rival_that_cannot_be_named_is_no_reason_not_to_write(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    await scene.write(address="a")
    scene.put(raw_object("w1", {"address": "theirs"}))
    scene.api.list_error = Forbidden(403, "Forbidden", "no", "GET widgets")
    await scene.write(address="a")
    assert scene.subject.status["address"] == "a"
    assert "was changed by an unknown writer" in caplog.text


async def test_a_condition_of_another_controller_is_no_rivalry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    for number in range(5):
        ready = Condition("Ready", "True", f"Reason{number}")
        await scene.writer.write_status("w1", scene.subject, PlainStatus((ready,)))
        conditions = [*scene.subject.status["conditions"]]
        conditions = [one for one in conditions if one["type"] == "Ready"]
        theirs = {"type": "Theirs", "status": "True", "message": str(number)}
        scene.put(raw_object("w1", {**scene.subject.status, "conditions": [theirs, *conditions]}))
    assert caplog.messages == []


async def test_an_object_that_came_again_is_not_taken_for_its_rival() -> None:
    scene = Scene()
    await scene.write(address="a")
    scene.store.forget("w1")
    assert scene.writer.subject("w1") is None
    scene.put(raw_object("w1", {"address": "b"}, uid="second"))
    await scene.write(address="a")
    assert scene.subject.status["address"] == "a"


@pytest.mark.parametrize(
    ("managed", "writer"),
    [
        (MANAGED, "them at 2026-01-01T00:00:02Z"),
        ([{"subresource": "status"}], "an unknown writer at some time"),
        ([{"manager": "kubectl", "time": "2026"}], "an unknown writer"),
        (None, "an unknown writer"),
    ],
)
def test_the_last_writer_of_the_status_is_the_one_the_api_server_remembers(
    managed: list[dict[str, str]] | None, writer: str
) -> None:
    assert last_status_writer({"managedFields": managed}) == writer


def test_a_subject_is_read_from_the_object_as_it_is_shown() -> None:
    raw = raw_object(
        "w1",
        {"address": "a"},
        namespace="team",
        resourceVersion="7",
        finalizers=[OURS],
        deletionTimestamp=NOW,
        annotations={DRY_RUN_ANNOTATION: "true"},
    )
    assert Subject.of(raw) == Subject(
        "w1", "team", "uid-w1", "7", 1, (OURS,), True, True, {"address": "a"}  # noqa: FBT003 - all there is
    )  # fmt: skip
    bare = Subject.of({"metadata": {"name": "w1", "annotations": None, "finalizers": None}})
    assert bare == Subject("w1", None, "", "")


@pytest.mark.parametrize("value", ["false", "", "True", "1"])
def test_only_the_word_true_asks_for_a_dry_run(value: str) -> None:
    assert not Subject.of(raw_object("w1", annotations={DRY_RUN_ANNOTATION: value})).dry_run
