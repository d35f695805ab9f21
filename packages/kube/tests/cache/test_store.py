"""A store shows what is, whatever order answers and events come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_kube.cache.store import Change, Index, Listing, Store, key_of


@dataclass(frozen=True, slots=True)
class View:
    zone: str


def raw(
    name: str, version: object = 1, zone: str = "north", uid: str | None = None
) -> dict[str, Any]:
    meta = {"name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": meta, "zone": zone}


def view(raw: dict[str, Any]) -> View | None:
    return View(raw["zone"]) if raw["zone"] != "elsewhere" else None


@pytest.fixture
def store() -> Store[View]:
    return Store(view)


@pytest.fixture
def changes(store: Store[View]) -> list[Change[View]]:
    reported: list[Change[View]] = []
    store.subscribe(reported.append)
    return reported


def test_a_key_names_the_namespace_where_there_is_one() -> None:
    assert key_of({"metadata": {"name": "a"}}) == "a"
    assert key_of({"metadata": {"name": "a", "namespace": "team"}}) == "team/a"


def test_listeners_hear_of_what_is_new_other_and_gone(
    store: Store[View], changes: list[Change[View]]
) -> None:
    store.apply(raw("a", 1, "north"))
    store.apply(raw("a", 2, "south"))
    store.forget("a")
    assert changes == [
        Change("a", None, View("north")),
        Change("a", View("north"), View("south")),
        Change("a", View("south"), None),
    ]
    assert "a" not in store
    assert len(store) == 0


def test_what_looks_the_same_after_the_cut_is_no_change(
    store: Store[View], changes: list[Change[View]]
) -> None:
    store.apply(raw("a", 1) | {"other": "one"})
    store.apply(raw("a", 2) | {"other": "two"})
    store.forget("nobody")
    assert len(changes) == 1


def test_an_object_that_turns_uninteresting_is_absent(
    store: Store[View], changes: list[Change[View]]
) -> None:
    store.apply(raw("a", 1))
    store.apply(raw("a", 2, "elsewhere"))
    assert (store.get("a"), changes[-1]) == (None, Change("a", View("north"), None))


def test_an_older_object_does_not_undo_a_newer_one(store: Store[View]) -> None:
    store.apply(raw("a", 10, "south"))
    store.apply(raw("a", 9, "north"))  # as text, 9 is more than 10
    assert store.get("a") == View("south")


def test_versions_that_are_no_numbers_say_nothing_about_age(store: Store[View]) -> None:
    store.apply(raw("a", "z", "south"))
    store.apply(raw("a", "a", "north"))
    assert store.get("a") == View("north")


def test_the_answer_to_our_own_write_is_stored_at_once(store: Store[View]) -> None:
    store.apply(raw("a", 1, "north"))
    store.update_known(raw("a", 3, "south"))
    store.apply(raw("a", 2, "east"))
    assert store.get("a") == View("south")


def test_the_answer_to_our_own_write_is_not_cut_again_where_the_watch_shows_it() -> None:
    cut: list[str] = []

    def counting(raw: dict[str, Any]) -> View:
        cut.append(raw["metadata"]["uid"])
        return View(raw["zone"])

    store = Store(counting)
    store.take_created(raw("a", 5, "north"))
    store.take_shown(raw("a", 5, "north"))
    assert cut == ["uid-a"]
    # Of a server that was set back: another object at that version.
    store.take_shown(raw("a", 5, "south", "other"))
    assert cut == ["uid-a", "other"]
    assert store.get("a") == View("south")
    # A list is always right.
    listing = Listing(store)
    listing.add([raw("a", 5, "west", "other")], "7")
    listing.finish()
    assert store.get("a") == View("west")


def test_a_late_answer_does_not_bring_back_what_is_gone(store: Store[View]) -> None:
    store.apply(raw("a", 1))
    store.forget("a")
    store.update_known(raw("a", 2))
    assert "a" not in store


def test_a_late_answer_does_not_change_a_successor_of_the_same_name(store: Store[View]) -> None:
    store.apply(raw("a", 1, "south", uid="second"))
    store.update_known(raw("a", 2, "north", uid="first"))
    assert store.get("a") == View("south")


def test_the_answer_to_a_change_of_ours_is_told_apart_from_what_others_do(
    store: Store[View], changes: list[Change[View]]
) -> None:
    store.apply(raw("a", 1))
    store.update_known(raw("a", 2, "south"))
    store.apply(raw("a", 3, "north"))
    assert [change.ours for change in changes] == [False, True, False]


def test_a_list_replaces_all_and_reports_only_the_difference(
    store: Store[View], changes: list[Change[View]]
) -> None:
    store.replace_all([raw("a"), raw("b")])
    del changes[:]
    store.replace_all([raw("b"), raw("c", 2)])
    assert changes == [Change("c", None, View("north")), Change("a", View("north"), None)]


def test_a_store_is_synced_only_when_a_list_is_whole(store: Store[View]) -> None:
    listing = Listing(store)
    listing.add([raw("a")], "10")
    assert not store.synced
    listing.finish()
    assert store.synced


def test_after_a_list_that_broke_off_the_next_one_knows_all_that_is_held(
    store: Store[View],
) -> None:
    store.replace_all([raw("a"), raw("b"), raw("c")])
    Listing(store).add([raw("a"), raw("d")], "10")
    listing = Listing(store)
    listing.add([raw("b"), raw("d")], "12")
    listing.finish()
    assert set(store.keys()) == {"b", "d"}


def test_what_vanishes_while_a_list_is_on_its_way_may_still_be_shown_by_it(
    store: Store[View],
) -> None:
    store.replace_all([raw("a"), raw("b")])
    listing = Listing(store)
    listing.add([raw("a")], "10")
    store.forget("a")
    store.forget("b")
    listing.finish()
    assert not len(store)


def test_a_list_does_not_undo_what_was_written_while_it_was_on_its_way(store: Store[View]) -> None:
    store.replace_all([raw("a", 1), raw("b", 1)])
    listing = Listing(store)
    store.update_known(raw("a", 12, "south"))
    store.update_known(raw("b", 12, "south"))
    listing.add([raw("a", 1)], "10")
    listing.finish()
    # b was there at 12, after the list's moment: the watch will show what became of it.
    assert dict(store.items()) == {"a": View("south"), "b": View("south")}


def test_a_list_forgets_what_was_written_before_its_moment_and_is_gone_at_it(
    store: Store[View],
) -> None:
    store.replace_all([raw("a", 1)])
    listing = Listing(store)
    store.update_known(raw("a", 8, "south"))
    listing.add([], "10")
    listing.finish()
    assert "a" not in store


def test_a_list_from_a_server_set_back_to_a_backup_counts_whole(store: Store[View]) -> None:
    store.replace_all([raw("a", 100, "south"), raw("b", 101)])
    listing = Listing(store)
    listing.add([raw("a", 5, "north")], "50")
    listing.finish()
    assert dict(store.items()) == {"a": View("north")}
    store.apply(raw("a", 51, "east"))
    assert store.get("a") == View("east")


def test_the_list_after_that_of_a_backup_is_a_usual_one(store: Store[View]) -> None:
    store.replace_all([raw("a", 100)])
    from_backup = Listing(store)
    from_backup.add([raw("a", 5)], "50")
    from_backup.finish()
    listing = Listing(store)
    store.update_known(raw("a", 60, "south"))
    listing.add([raw("a", 5)], "55")
    listing.finish()
    # It was written after the list's moment.
    assert store.get("a") == View("south")


def test_a_list_from_a_backup_counts_though_all_that_is_held_is_older(store: Store[View]) -> None:
    store.replace_all([raw("a", 80, "south")])
    store.reached("100")
    listing = Listing(store)
    listing.add([raw("a", 70, "north")], "90")
    listing.finish()
    assert store.get("a") == View("north")


def test_a_list_that_shows_an_object_older_than_it_is_held_is_right(store: Store[View]) -> None:
    """The backup was restored, and the API server has written past where it was before."""
    store.replace_all([raw("a", 80, "south")])
    listing = Listing(store)
    listing.add([raw("a", 70, "north")], "120")
    listing.finish()
    assert store.get("a") == View("north")


@pytest.mark.parametrize(
    ("moment", "held"), [("11", True), ("12", False), ("13", False), ("", False)]
)
def test_what_a_list_does_not_show_stays_where_it_is_newer_than_the_list(
    store: Store[View],
    moment: str,
    held: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    store.apply(raw("a", 1))
    listing = Listing(store)
    store.update_known(raw("a", 12))
    listing.add([], moment)
    listing.finish()
    assert ("a" in store) == held


def test_a_created_object_is_stored_before_the_watch_shows_it(
    store: Store[View], changes: list[Change[View]]
) -> None:
    store.reached("10")
    store.take_created(raw("a", 12))
    assert store.get("a") == View("north")
    store.apply(raw("a", 12))
    store.reached("12")
    assert changes == [Change("a", None, View("north"))]


@pytest.mark.parametrize("reached", ["12", "13"])
def test_a_created_object_that_the_watch_has_passed_is_left_to_the_watch(
    store: Store[View], reached: str
) -> None:
    """It was shown, and perhaps shown as gone again."""
    store.apply(raw("a", 12))
    store.forget("a", "uid-a")
    store.reached(reached)
    store.take_created(raw("a", 12))
    assert "a" not in store


def test_a_created_object_that_a_later_list_does_not_show_is_gone(store: Store[View]) -> None:
    store.reached("10")
    store.take_created(raw("a", 12))
    listing = Listing(store)
    listing.add([], "14")
    listing.finish()
    assert "a" not in store
    store.take_created(raw("a", 12))
    assert "a" not in store


def test_a_created_object_survives_a_list_of_the_moment_before(store: Store[View]) -> None:
    listing = Listing(store)
    store.take_created(raw("a", 12))
    listing.add([], "11")
    listing.finish()
    assert "a" in store


def test_a_late_answer_to_a_create_does_not_undo_what_is_newer(store: Store[View]) -> None:
    store.apply(raw("a", 14, "south"))
    store.take_created(raw("a", 12, "north"))
    assert store.get("a") == View("south")


def test_after_a_backup_the_watch_is_where_the_list_is(store: Store[View]) -> None:
    store.reached("100")
    store.reached("99")
    assert store.shown_version == 100
    store.end_list("50")
    store.take_created(raw("a", 51))
    assert "a" in store


def test_the_end_of_a_predecessor_leaves_its_successor(store: Store[View]) -> None:
    store.apply(raw("a", 2, uid="second"))
    store.forget("a", "first")
    assert "a" in store
    store.forget("a", "second")
    assert "a" not in store


def test_what_was_written_at_the_very_moment_of_a_list_that_does_not_show_it_is_gone(
    store: Store[View],
) -> None:
    store.replace_all([raw("a", 1), raw("b", 1)])
    listing = Listing(store)
    store.update_known(raw("a", 10, "south"))
    store.update_known(raw("b", 11, "south"))
    listing.add([], "10")
    listing.finish()
    assert dict(store.items()) == {"b": View("south")}


def test_a_list_from_between_the_versions_held_before_it_is_set_back(store: Store[View]) -> None:
    store.replace_all([raw("a", 5), raw("b", 15)])
    listing = Listing(store)
    listing.add([raw("a", 5)], "10")
    listing.finish()
    assert dict(store.items()) == {"a": View("north")}


def test_what_the_cut_raises_reaches_the_caller_and_leaves_the_store(store: Store[View]) -> None:
    store.apply(raw("a", 1))
    with pytest.raises(KeyError):
        store.apply({"metadata": {"name": "a", "resourceVersion": "2"}})
    assert store.get("a") == View("north")


def test_an_index_follows_every_change(store: Store[View]) -> None:
    store.apply(raw("a", 1, "north"))
    index = Index(store, lambda one: (one.zone,))
    store.apply(raw("b", 1, "north"))
    assert index.get("north") == {"a", "b"}
    store.apply(raw("a", 2, "south"))
    store.forget("b")
    assert index.get("north") == frozenset()
    assert index.get("south") == {"a"}


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["n", "s", "elsewhere", "gone"])))
)
def test_an_index_always_equals_one_built_from_scratch(steps: list[tuple[str, str]]) -> None:
    store = Store(view)
    index = Index(store, lambda one: (one.zone, "any"))
    for version, (name, zone) in enumerate(steps, 1):
        if zone == "gone":
            store.forget(name)
        else:
            store.apply(raw(name, version, zone))
    fresh = Index(store, lambda one: (one.zone, "any"))
    for key in ("n", "s", "elsewhere", "any"):
        assert index.get(key) == fresh.get(key)


def test_what_an_index_shows_is_a_set_however_few_keys_there_are(store: Store[View]) -> None:
    index = Index(store, lambda one: (one.zone,))
    store.apply(raw("a"))
    assert index.by_index_key["north"] == {"a"}
    assert index.by_index_key["north"] | {"b"} == {"a", "b"}
    assert not index.by_index_key["north"] & {"b"}
    store.apply(raw("b"))
    assert index.by_index_key["north"] == {"a", "b"}
