"""What is read of objects has a type, whatever they are."""

from __future__ import annotations

import pytest

from moorage_domain.wire import as_map, as_maps


@pytest.mark.parametrize("value", [None, "text", 7, [], [{"a": 1}], True])
def test_what_is_no_object_is_an_empty_one(value: object) -> None:
    assert as_map(value) == {}


@pytest.mark.parametrize("value", [None, "text", 7, {"a": 1}, [None, "text", 7, [{}]]])
def test_what_is_no_list_of_objects_has_none(value: object) -> None:
    assert as_maps(value) == []


def test_objects_are_what_they_are() -> None:
    assert as_map({"a": 1}) == {"a": 1}
    assert as_maps([{"a": 1}, None, {}]) == [{"a": 1}, {}]
