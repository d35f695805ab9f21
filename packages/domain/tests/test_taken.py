"""What is free is found behind any number of taken addresses, as in a plain set."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_domain.bitmap import PAGE
from moorage_domain.families import Family
from moorage_domain.ranges import AddressRange
from moorage_domain.subnets import usable
from moorage_domain.taken import Taken

# The usable ones are on both sides of the edge of 1,024 pages, and far away.
EDGE = PAGE * PAGE
FIRSTS = (EDGE - 3 * PAGE, EDGE, EDGE + 5, 1 << 100)
POOL = usable([AddressRange(Family.IPV6, first, first + 2 * PAGE) for first in FIRSTS], prefix=127)
USABLE = [
    number
    for number in sorted({first + offset for first in FIRSTS for offset in range(2 * PAGE + 1)})
    if number in POOL
]
NUMBERS = st.builds(
    lambda first, offset: first + offset,
    st.sampled_from(FIRSTS),
    st.sampled_from([-2, -1, 0, 1, 7, PAGE - 1, PAGE, 2 * PAGE, 2 * PAGE + 1]),
)


@settings(deadline=None)
@given(
    spans=st.lists(st.tuples(NUMBERS, st.integers(0, 4 * PAGE)), max_size=4),
    starts=st.lists(NUMBERS, min_size=1, max_size=6),
)
def test_the_first_free_one_is_found_behind_any_number_of_taken_ones(
    spans: list[tuple[int, int]], starts: list[int]
) -> None:
    taken, present = Taken(POOL), set[int]()
    for first, length in spans:
        for number in range(first, first + length):
            taken.add(number)
            present.add(number)
    for start in starts:
        wanted = next((one for one in USABLE if one >= start and one not in present), None)
        assert taken.take_first(start) == wanted
        if wanted is not None:
            present.add(wanted)
            assert wanted in taken
        assert taken.count == len(present)
    for number in present & {start + 1 for start in starts}:
        assert taken.remove(number)
        assert not taken.remove(number)
        # Also where its page was full.
        assert (taken.take_first(number) == number) is (number in POOL)


def test_without_a_usable_address_nothing_is_found() -> None:
    nothing = usable([AddressRange(Family.IPV4, 5, 5)], [AddressRange(Family.IPV4, 5, 5)], prefix=8)
    assert Taken(nothing).take_first(0) is None
