"""Packing of endpoints into slices: one change of a pod is one write, and nothing moves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from moorage_endpoints.decide.packing import MOST, Slots, packed
from moorage_endpoints.projections.slices import Endpoint


def endpoint(address: str, *, ready: bool = True) -> Endpoint:
    return Endpoint(address, f"pod-{address}", "u", "n", "", "", ready, ready, terminating=False)


def wanted(*addresses: str) -> dict[str, Endpoint]:
    return {one: endpoint(one) for one in addresses}


def names(stored: Slots) -> Iterator[str]:
    for number in itertools.count(1):
        if f"s-{number}" not in stored:
            yield f"s-{number}"


def pack(stored: Slots, asked: dict[str, Endpoint]) -> Slots:
    return packed(stored, asked, names(stored))


def numbered(count: int, start: int = 0) -> list[str]:
    return [f"{number:05}" for number in range(start, start + count)]


def test_na_20_slices_of_100_are_filled_one_after_the_other() -> None:
    slots = pack({}, wanted(*numbered(250)))
    assert [len(one) for one in slots.values()] == [100, 100, 50]


def test_what_is_new_goes_into_a_slice_that_changes_anyway() -> None:
    stored = pack({}, wanted(*numbered(150)))
    asked = wanted(*numbered(149, 1), "new")
    after = pack(stored, asked)
    assert after["s-2"] == stored["s-2"]
    assert endpoint("new") in after["s-1"]


def test_what_is_new_goes_into_the_fullest_that_has_room() -> None:
    stored = {
        "s-1": tuple(wanted(*numbered(10)).values()),
        "s-2": tuple(wanted(*numbered(60, 100)).values()),
        "s-3": tuple(wanted(*numbered(100, 200)).values()),
    }
    asked = {one.address: one for slot in stored.values() for one in slot} | wanted("new")
    after = pack(stored, asked)
    assert {name for name in after if after[name] != stored[name]} == {"s-2"}


def test_an_endpoint_that_changes_stays_where_it_is() -> None:
    stored = pack({}, wanted(*numbered(150)))
    asked = wanted(*numbered(150)) | {"00003": endpoint("00003", ready=False)}
    after = pack(stored, asked)
    assert after["s-2"] == stored["s-2"]
    assert after["s-1"][3] == endpoint("00003", ready=False)


def test_one_that_is_in_two_slices_is_left_in_one() -> None:
    both = (endpoint("a"),)
    assert pack({"s-1": both, "s-2": both}, wanted("a")) == {"s-1": both, "s-2": ()}


def test_a_slice_with_too_many_is_cut() -> None:
    stored = {"s-9": tuple(wanted(*numbered(120)).values())}
    after = pack(stored, wanted(*numbered(120)))
    assert sorted(map(len, after.values())) == [20, 100]


addresses = st.integers(0, 400).map(lambda number: f"{number:05}")


@given(st.lists(st.lists(addresses, max_size=260), max_size=4))
def test_each_wanted_address_is_in_exactly_one_slice(rounds: list[list[str]]) -> None:
    stored: Slots = {}
    for asked in rounds:
        stored = pack(stored, wanted(*asked))
        placed = [one.address for slot in stored.values() for one in slot]
        assert sorted(placed) == sorted(set(asked))
        assert all(len(slot) <= MOST for slot in stored.values())


@given(st.lists(addresses, max_size=300), addresses)
def test_one_change_is_one_write(asked: list[str], changed: str) -> None:
    before = pack({}, wanted(*asked))
    assert pack(before, wanted(*asked)) == before
    less = pack(before, wanted(*(set(asked) - {changed})))
    assert sum(less[name] != before[name] for name in before) == (changed in asked)
    more = pack(before, wanted(*asked, changed))
    written = sum(more[name] != before.get(name) for name in more)
    assert written == (changed not in asked)
