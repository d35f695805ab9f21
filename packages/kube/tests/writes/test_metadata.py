"""Metadata of objects that are not ours changes only if it is as it was read; pods are evicted."""

from __future__ import annotations

from typing import Any

import pytest

from moorage_domain.kinds import Kind
from moorage_kube.client.client import Target
from moorage_kube.client.errors import Conflict, Invalid, KubeError
from moorage_kube.client.kinds import NODES, PODS
from moorage_kube.writes.eviction import evict
from moorage_kube.writes.metadata import (
    patch_if_unchanged,
    remove_metadata,
    remove_taint,
    set_metadata,
)

TEST_FAILED = "the server rejected our request due to an error in our request"


class Api:
    """Takes one call and answers it."""

    def __init__(self, error: KubeError | None = None) -> None:
        self.error = error
        self.calls: list[tuple[Kind, Target, Any]] = []

    async def patch(self, kind: Kind, target: Target, body: Any) -> dict[str, Any]:
        self.calls.append((kind, target, body))
        if self.error is not None:
            raise self.error
        return {"metadata": {"name": target.name}}

    async def create_under(self, kind: Kind, target: Target, body: dict[str, Any]) -> None:
        self.calls.append((kind, target, body))


def invalid(message: str) -> Invalid:
    return Invalid(422, "Invalid", message, "PATCH nodes/n1")


def test_labels_and_annotations_are_set_on_that_very_object() -> None:
    assert set_metadata("uid-1", {"a": "1"}, {"b": "2"}) == {
        "metadata": {"uid": "uid-1", "labels": {"a": "1"}, "annotations": {"b": "2"}}
    }


def test_labels_and_annotations_are_removed_where_they_have_these_values() -> None:
    assert remove_metadata({"example.dev/a~b": "1"}, {"c": "2"}) == [
        {"op": "test", "path": "/metadata/annotations/c", "value": "2"},
        {"op": "remove", "path": "/metadata/annotations/c"},
        {"op": "test", "path": "/metadata/labels/example.dev~1a~0b", "value": "1"},
        {"op": "remove", "path": "/metadata/labels/example.dev~1a~0b"},
    ]
    assert remove_metadata({}, {}) == []


def test_a_taint_is_removed_with_all_its_effects_the_last_one_first() -> None:
    operations = remove_taint(("ours", "theirs", "ours"), "ours")
    assert [(one["op"], one["path"]) for one in operations] == [
        ("test", "/spec/taints/2/key"),
        ("remove", "/spec/taints/2"),
        ("test", "/spec/taints/0/key"),
        ("remove", "/spec/taints/0"),
    ]
    assert {one["value"] for one in operations if one["op"] == "test"} == {"ours"}
    assert remove_taint(("theirs",), "ours") == []


async def test_a_conditional_patch_tests_the_uid_first() -> None:
    api = Api()
    removal = {"op": "remove", "path": "/metadata/labels/a"}
    answer = await patch_if_unchanged(api, NODES, Target("n1"), "uid-1", [removal])
    same = {"op": "test", "path": "/metadata/uid", "value": "uid-1"}
    assert api.calls == [(NODES, Target("n1"), [same, removal])]
    assert answer == {"metadata": {"name": "n1"}}


async def test_an_object_that_changed_since_it_was_read_is_a_conflict() -> None:
    error = invalid(f"{TEST_FAILED}: test failed")
    with pytest.raises(Conflict) as conflict:
        await patch_if_unchanged(Api(error), NODES, Target("n1"), "uid-1", [])
    assert conflict.value.__cause__ is error


async def test_a_patch_that_is_refused_for_another_reason_is_not_taken_for_a_conflict() -> None:
    with pytest.raises(Invalid):
        await patch_if_unchanged(
            Api(invalid("a label is too long")), NODES, Target("n1"), "uid-1", []
        )


async def test_an_eviction_asks_that_very_pod_to_leave() -> None:
    api = Api()
    await evict(api, "p1", "team", "uid-1")
    ((kind, target, body),) = api.calls
    assert (kind, target) == (PODS, Target("p1", "team", "eviction"))
    assert (body["kind"], body["apiVersion"]) == ("Eviction", "policy/v1")
    assert body["metadata"] == {"name": "p1", "namespace": "team"}
    assert body["deleteOptions"] == {"preconditions": {"uid": "uid-1"}}
