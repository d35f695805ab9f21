"""A store shows what is, whatever order answers and events come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_kube.cache.store import Change, Index, Listing, Store, key_of


@dataclass(frozen=True, slots=True)
class Ship:
    berth: str


def raw(
    name: str, version: object = 1, berth: str = "north", uid: str | None = None
) -> dict[str, Any]:
    meta = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": meta, "berth": berth}


def ship(raw: dict[str, Any]) -> Ship | None:
    return Ship(raw["berth"]) if raw["berth"] != "sea" else None


@pytest.fixture
def store() -> Store[Ship]:
    return Store(ship)


@pytest.fixture
def changes(store: Store[Ship]) -> list[Change[Ship]]:
    told: list[Change[Ship]] = []
    store.subscribe(told.append)
    return told


def test_a_key_names_the_namespace_where_there_is_one() -> None:
    assert key_of({"metadata": {"name": "a"}}) == "a"
    assert key_of({"metadata": {"name": "a", "namespace": "port"}}) == "port/a"


def test_listeners_hear_of_what_is_new_other_and_gone(
    store: Store[Ship], changes: list[Change[Ship]]
) -> None:
    store.apply(raw("a", 1, "north"))
    store.apply(raw("a", 2, "south"))
    store.forget("a")
    assert changes == [
        Change("a", None, Ship("north")),
        Change("a", Ship("north"), Ship("south")),
        Change("a", Ship("south"), None),
    ]
    assert "a" not in store
    assert len(store) == 0


def test_what_looks_the_same_after_the_cut_is_no_change(
    store: Store[Ship], changes: list[Change[Ship]]
) -> None:
    store.apply(raw("a", 1) | {"cargo": "tea"})
    store.apply(raw("a", 2) | {"cargo": "coffee"})
    store.forget("nobody")
    assert len(changes) == 1


def test_an_object_that_turns_uninteresting_is_absent(
    store: Store[Ship], changes: list[Change[Ship]]
) -> None:
    store.apply(raw("a", 1))
    store.apply(raw("a", 2, "sea"))
    assert (store.get("a"), changes[-1]) == (None, Change("a", Ship("north"), None))


def test_an_older_object_does_not_undo_a_newer_one(store: Store[Ship]) -> None:
    store.apply(raw("a", 10, "south"))
    store.apply(raw("a", 9, "north"))  # as text, 9 is more than 10
    assert store.get("a") == Ship("south")


def test_versions_that_are_no_numbers_tell_nothing_about_age(store: Store[Ship]) -> None:
    store.apply(raw("a", "z", "south"))
    store.apply(raw("a", "a", "north"))
    assert store.get("a") == Ship("north")


def test_the_answer_to_our_own_write_is_seen_at_once(store: Store[Ship]) -> None:
    store.apply(raw("a", 1, "north"))
    store.update_known(raw("a", 3, "south"))
    store.apply(raw("a", 2, "east"))
    assert store.get("a") == Ship("south")


def test_a_late_answer_does_not_bring_back_what_is_gone(store: Store[Ship]) -> None:
    store.apply(raw("a", 1))
    store.forget("a")
    store.update_known(raw("a", 2))
    assert "a" not in store


def test_a_late_answer_does_not_change_a_successor_of_the_same_name(store: Store[Ship]) -> None:
    store.apply(raw("a", 1, "south", uid="second"))
    store.update_known(raw("a", 2, "north", uid="first"))
    assert store.get("a") == Ship("south")


def test_a_list_replaces_all_and_tells_only_the_difference(
    store: Store[Ship], changes: list[Change[Ship]]
) -> None:
    store.replace_all([raw("a"), raw("b")])
    del changes[:]
    store.replace_all([raw("b"), raw("c", 2)])
    assert changes == [Change("c", None, Ship("north")), Change("a", Ship("north"), None)]


def test_a_store_is_synced_only_when_a_list_is_whole(store: Store[Ship]) -> None:
    listing = Listing(store)
    listing.add([raw("a")], "10")
    assert not store.synced
    listing.finish()
    assert store.synced


def test_a_list_does_not_undo_what_was_written_while_it_was_on_its_way(store: Store[Ship]) -> None:
    store.replace_all([raw("a", 1), raw("b", 1)])
    listing = Listing(store)
    store.update_known(raw("a", 12, "south"))
    store.update_known(raw("b", 12, "south"))
    listing.add([raw("a", 1)], "10")
    listing.finish()
    # b was there at 12, after the list's moment: the watch will tell what became of it.
    assert dict(store.items()) == {"a": Ship("south"), "b": Ship("south")}


def test_a_list_forgets_what_was_written_before_its_moment_and_is_gone_at_it(
    store: Store[Ship],
) -> None:
    store.replace_all([raw("a", 1)])
    listing = Listing(store)
    store.update_known(raw("a", 8, "south"))
    listing.add([], "10")
    listing.finish()
    assert "a" not in store


def test_a_list_from_a_server_set_back_to_a_backup_counts_whole(store: Store[Ship]) -> None:
    store.replace_all([raw("a", 100, "south"), raw("b", 101)])
    listing = Listing(store)
    listing.add([raw("a", 5, "north")], "50")
    listing.finish()
    assert dict(store.items()) == {"a": Ship("north")}
    store.apply(raw("a", 51, "east"))
    assert store.get("a") == Ship("east")


def test_a_list_of_the_very_moment_of_the_newest_version_is_not_set_back(
    store: Store[Ship],
) -> None:
    store.replace_all([raw("a", 10, "south")])
    listing = Listing(store)
    listing.add([raw("a", 9, "north")], "10")
    listing.finish()
    assert store.get("a") == Ship("south")


def test_what_was_written_at_the_very_moment_of_a_list_that_does_not_show_it_is_gone(
    store: Store[Ship],
) -> None:
    store.replace_all([raw("a", 1), raw("b", 1)])
    listing = Listing(store)
    store.update_known(raw("a", 10, "south"))
    store.update_known(raw("b", 11, "south"))
    listing.add([], "10")
    listing.finish()
    assert dict(store.items()) == {"b": Ship("south")}


def test_a_list_from_between_the_versions_held_before_it_is_set_back(store: Store[Ship]) -> None:
    store.replace_all([raw("a", 5), raw("b", 15)])
    listing = Listing(store)
    listing.add([raw("a", 5)], "10")
    listing.finish()
    assert dict(store.items()) == {"a": Ship("north")}


def test_what_the_cut_raises_reaches_the_caller_and_leaves_the_store(store: Store[Ship]) -> None:
    store.apply(raw("a", 1))
    with pytest.raises(KeyError):
        store.apply({"metadata": {"name": "a", "resourceVersion": "2"}})
    assert store.get("a") == Ship("north")


def test_an_index_follows_every_change(store: Store[Ship]) -> None:
    store.apply(raw("a", 1, "north"))
    index = Index(store, lambda ship: (ship.berth,))
    store.apply(raw("b", 1, "north"))
    assert index.get("north") == {"a", "b"}
    store.apply(raw("a", 2, "south"))
    store.forget("b")
    assert index.get("north") == frozenset()
    assert index.get("south") == {"a"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["n", "s", "sea", "gone"]))))
def test_an_index_always_equals_one_made_anew(steps: list[tuple[str, str]]) -> None:
    store = Store(ship)
    index = Index(store, lambda ship: (ship.berth, "any"))
    for version, (name, berth) in enumerate(steps, 1):
        if berth == "gone":
            store.forget(name)
        else:
            store.apply(raw(name, version, berth))
    fresh = Index(store, lambda ship: (ship.berth, "any"))
    for key in ("n", "s", "sea", "any"):
        assert index.get(key) == fresh.get(key)
