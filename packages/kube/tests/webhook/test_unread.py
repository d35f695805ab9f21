"""Objects of a review look like any other, though no more of them is parsed than is read."""

from __future__ import annotations

import orjson
from webhook_lab import POD, review

from moorage_domain.admission import JsonObject, Patched
from moorage_kube.webhook.admission import parse


def read(**changes: object) -> JsonObject:
    found = parse(orjson.dumps(review(**changes))).object
    assert found is not None
    return found


def test_an_object_is_equal_to_what_was_sent() -> None:
    found = read()
    assert found == POD
    assert dict(found) == POD
    assert (list(found), len(found)) == (list(POD), len(POD))


def test_a_field_is_there_or_not() -> None:
    found = read(object={"metadata": {"name": "a"}, "status": None})
    assert "metadata" in found
    assert "spec" not in found
    assert found.get("spec") is None
    assert found.get("spec", {}) == {}
    assert found.get("status", "nothing") is None


def test_a_field_is_parsed_once() -> None:
    found = read()
    assert found["metadata"] is found["metadata"]


def test_a_patch_is_found_between_it_and_a_changed_copy() -> None:
    found = read(object={"metadata": {"labels": {"a": "b"}}, "spec": {"x": 1}})
    after = {**found, "spec": {"x": 2}}
    (operation,) = Patched.between(found, after).operations
    assert operation == {"op": "replace", "path": "/spec/x", "value": 2}
