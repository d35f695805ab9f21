"""A patch turns the object of a request into the one that is wanted, and says no more than that."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_domain.admission import Patched, PatchOperation, json_patch

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.text("a/~", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text("ab/~", max_size=2), VALUES, max_size=3)


def applied(before: dict[str, Any], operations: tuple[PatchOperation, ...]) -> dict[str, Any]:
    """As RFC 6902 has it; a member that is replaced or removed must be there."""
    result = copy.deepcopy(before)
    for operation in operations:
        _, *parents, last = operation["path"].split("/")
        place = result
        for key in parents:
            place = place[key.replace("~1", "/").replace("~0", "~")]
        last = last.replace("~1", "/").replace("~0", "~")
        assert (last in place) is (operation["op"] != "add")
        if operation["op"] == "remove":
            del place[last]
        else:
            place[last] = operation["value"]
    return result


def exactly(value: object) -> str:
    """Python takes True for 1; JSON does not."""
    return repr(_sorted(value))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, exactly(each)) for key, each in value.items())
    return [exactly(each) for each in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(before=OBJECTS, after=OBJECTS)
def test_a_patch_leads_from_one_object_to_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    operations = json_patch(before, after)
    assert exactly(applied(before, operations)) == exactly(after)


@given(one=OBJECTS)
def test_between_equals_there_is_nothing_to_do(one: dict[str, Any]) -> None:
    assert json_patch(one, copy.deepcopy(one)) == ()


@pytest.mark.parametrize(
    ("before", "after", "operations"),
    [
        ({}, {"a": 1}, [{"op": "add", "path": "/a", "value": 1}]),
        ({"a": 1}, {}, [{"op": "remove", "path": "/a"}]),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, [{"op": "remove", "path": "/a/c"}]),
        ({"x": {}}, {"x": {"a/b~": 1}}, [{"op": "add", "path": "/x/a~1b~0", "value": 1}]),
        ({"a": [1, 2]}, {"a": [1]}, [{"op": "replace", "path": "/a", "value": [1]}]),
    ],
)
def test_a_patch_says_only_what_changes(
    before: dict[str, Any], after: dict[str, Any], operations: list[PatchOperation]
) -> None:
    assert list(Patched.between(before, after, ("mind this",)).operations) == operations
