"""A status is written where it differs, and only what differs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_api import merged, raw_object

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus
from moorage_domain.subject import Subject
from moorage_kube.writes.status import changes, status_patch

BEFORE, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
READY = Condition("Ready", "True", "Settled", "all is well")


def subject(status: Any = None, **metadata: Any) -> Subject:
    return Subject.of(raw_object("w1", status, resourceVersion="7", **metadata))


def wire(type_: str, status: str, reason: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "",
        "lastTransitionTime": BEFORE,
        "observedGeneration": 1,
    } | fields


def test_a_first_status_is_written_whole_with_the_generation_it_answers() -> None:
    patch = status_patch(
        subject(generation=3), PlainStatus((READY,), {"address": "a"}), lambda: NOW
    )
    ready = wire("Ready", "True", "Settled", message="all is well", observedGeneration=3)
    assert patch == {
        "metadata": {"uid": "uid-w1", "resourceVersion": "7"},
        "status": {
            "address": "a",
            "observedGeneration": 3,
            "conditions": [ready | {"lastTransitionTime": NOW}],
        },
    }


def test_what_is_so_already_is_not_written() -> None:
    ready = wire("Ready", "True", "Settled", message="all is well")
    before = {"address": "a", "observedGeneration": 1, "conditions": [ready], "theirs": 1}
    assert (
        status_patch(subject(before), PlainStatus((READY,), {"address": "a"}), lambda: NOW) is None
    )
    assert status_patch(subject(before), PlainStatus(), lambda: NOW) is None


def test_only_the_field_that_differs_is_written() -> None:
    before = {"address": "a", "node": "n1", "observedGeneration": 1}
    patch = status_patch(
        subject(before), PlainStatus(fields={"address": "b", "node": "n1"}), lambda: NOW
    )
    assert patch is not None
    assert patch["status"] == {"address": "b"}


def test_a_new_generation_alone_is_written() -> None:
    ready = wire("Ready", "True", "Settled", message="all is well")
    before = {"observedGeneration": 1, "conditions": [ready]}
    patch = status_patch(subject(before, generation=2), PlainStatus((READY,)), lambda: NOW)
    assert patch is not None
    assert patch["status"] == {
        "observedGeneration": 2,
        "conditions": [ready | {"observedGeneration": 2}],
    }


@pytest.mark.parametrize(("old", "since"), [("True", BEFORE), ("False", NOW), ("Unknown", NOW)])
def test_the_transition_time_moves_with_the_status_of_a_condition_alone(
    old: str, since: str
) -> None:
    before = {"observedGeneration": 1, "conditions": [wire("Ready", old, "Other")]}
    patch = status_patch(subject(before), PlainStatus((READY,)), lambda: NOW)
    assert patch is not None
    ((ready),) = patch["status"]["conditions"]
    assert (ready["reason"], ready["lastTransitionTime"]) == ("Settled", since)


def test_conditions_of_others_stay_as_they_are() -> None:
    theirs = wire("Theirs", "True", "Fine")
    before = {"observedGeneration": 1, "conditions": [theirs]}
    patch = status_patch(subject(before), PlainStatus((READY,)), lambda: NOW)
    assert patch is not None
    assert patch["status"]["conditions"][0] == theirs
    assert len(patch["status"]["conditions"]) == 2


def test_none_removes_a_field_that_is_there_and_asks_for_nothing_where_it_is_not() -> None:
    status = PlainStatus(fields={"node": None})
    patch = status_patch(subject({"node": "n1", "observedGeneration": 1}), status, lambda: NOW)
    assert patch is not None
    assert patch["status"] == {"node": None}
    assert status_patch(subject({"observedGeneration": 1}), status, lambda: NOW) is None


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({}, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 3}, {"a": 3}),
        ({"m": {"x": 1, "y": 2}}, {"m": {"x": 1}}, {"m": {"y": None}}),
        ({"m": {"x": 1}}, {"m": {"x": 1, "y": 2}}, {"m": {"y": 2}}),
        ({"m": {"x": {"u": 1, "v": 2}}}, {"m": {"x": {"u": 3}}}, {"m": {"x": {"u": 3, "v": None}}}),
        ({"m": {"x": 1}}, {"m": {}}, {"m": {"x": None}}),
        ({"m": {}}, {"m": {"x": None}}, {}),
        ({"m": {"x": 1}}, {"m": None}, {"m": None}),
        ({"m": {"x": 1}}, {"m": [1]}, {"m": [1]}),
        ({"l": [1, 2]}, {"l": [1]}, {"l": [1]}),
    ],
)
def test_a_patch_names_what_differs_and_what_is_gone_from_a_map(
    old: dict[str, Any], new: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert changes(old, new) == patch


_VALUES = st.recursive(
    st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)
_MAPS = st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3)


@given(_MAPS, _MAPS)
def test_applied_to_the_old_a_patch_gives_the_new_and_then_nothing_is_left_to_do(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    before = copy.deepcopy(old)
    after = merged(old, changes(old, new))
    assert after == old | new
    assert changes(after, new) == {}
    assert old == before


def test_a_kind_without_a_place_for_the_generation_gets_none() -> None:
    ready = wire("Ready", "True", "Settled", message="all is well")
    del ready["observedGeneration"]
    wanted = PlainStatus((READY,), {"address": "a"})
    patch = status_patch(subject(generation=3), wanted, lambda: BEFORE, has_generation=False)
    assert patch is not None
    assert patch["status"] == {"address": "a", "conditions": [ready]}
    there = subject(patch["status"], generation=4)
    assert status_patch(there, wanted, lambda: NOW, has_generation=False) is None
