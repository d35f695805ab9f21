"""A set made of intervals says what a set with every number in it says."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.intervals import Interval, Intervals

PAIRS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], sum(pair))),
    max_size=6,
)
NUMBERS = range(-2, 80)
WIDE = 1 << 128


def written_out(pairs: list[Interval]) -> set[int]:
    return {number for first, last in pairs for number in range(first, last + 1)}


def members(intervals: Intervals) -> set[int]:
    return {number for number in NUMBERS if number in intervals}


@given(pairs=PAIRS)
def test_the_intervals_of_a_set_are_sorted_and_neither_overlap_nor_touch(
    pairs: list[Interval],
) -> None:
    found = list(Intervals.of(pairs))
    assert written_out(found) == written_out(pairs)
    assert all(first <= last for first, last in found)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(found))


@given(one=PAIRS, other=PAIRS)
def test_sets_are_combined_as_if_written_out(one: list[Interval], other: list[Interval]) -> None:
    mine, theirs = Intervals.of(one), Intervals.of(other)
    left, right = written_out(one), written_out(other)
    assert members(mine | theirs) == left | right
    assert members(mine & theirs) == left & right
    assert members(mine - theirs) == left - right
    assert mine.overlaps(theirs) is bool(left & right)
    # Equal sets are equal values, whatever they were made of.
    assert (mine - theirs) | (mine & theirs) == mine


@given(pairs=PAIRS)
def test_positions_are_those_of_the_sorted_numbers(pairs: list[Interval]) -> None:
    intervals, numbers = Intervals.of(pairs), sorted(written_out(pairs))
    assert intervals.size == len(numbers)
    assert [intervals.nth(position) for position in range(intervals.size)] == numbers
    for number in NUMBERS:
        assert intervals.count_below(number) == sum(one < number for one in numbers)
        assert intervals.first_from(number) == min(
            (one for one in numbers if one >= number), default=None
        )


@given(pairs=PAIRS, first=st.integers(0, 70), width=st.integers(1, 20))
def test_bits_say_which_of_some_numbers_are_in_the_set(
    pairs: list[Interval], first: int, width: int
) -> None:
    wanted = written_out(pairs)
    bits = Intervals.of(pairs).bits(first, width)
    assert bits >> width == 0
    assert [bool(bits >> offset & 1) for offset in range(width)] == [
        first + offset in wanted for offset in range(width)
    ]


@given(pairs=PAIRS, divisor=st.integers(1, 20))
def test_divided_numbers_are_those_of_all_numbers(pairs: list[Interval], divisor: int) -> None:
    wanted = {number // divisor for number in written_out(pairs)}
    assert members(Intervals.of(pairs).divided(divisor)) == wanted


def test_a_wide_interval_costs_what_a_short_one_costs() -> None:
    intervals = Intervals.of([(0, WIDE - 1)]) - Intervals.of([(5, 5)])
    assert intervals.size == WIDE - 1
    assert intervals.nth(WIDE - 2) == WIDE - 1
    assert intervals.nth(5) == 6


@pytest.mark.parametrize("position", [-1, 3])
def test_there_is_no_position_outside_the_set(position: int) -> None:
    with pytest.raises(IndexError, match=f"no position {position} in a set of 3"):
        Intervals.of([(7, 9)]).nth(position)
