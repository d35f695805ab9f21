"""A bitmap is a set of numbers, and a small one where its numbers lie near each other."""

from __future__ import annotations

import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_domain.bitmap import PAGE, Bitmap

# Near the edges of pages, and far away: an IPv6 address may be in it.
NUMBERS = st.one_of(
    st.builds(
        lambda page, offset: page * PAGE + offset,
        st.sampled_from([0, 1, 2, 1 << 118]),
        st.sampled_from([0, 1, 5, PAGE - 2, PAGE - 1]),
    ),
    st.integers(0, 3 * PAGE),
)


@settings(deadline=None)
@given(steps=st.lists(st.tuples(st.booleans(), NUMBERS), max_size=60))
def test_a_bitmap_is_a_set(steps: list[tuple[bool, int]]) -> None:
    bitmap, wanted = Bitmap(), set[int]()
    for adds, number in steps:
        if adds:
            assert bitmap.add(number) is (number not in wanted)
            wanted.add(number)
        else:
            assert bitmap.remove(number) is (number in wanted)
            wanted.discard(number)
        assert bitmap.count == len(wanted)
        assert (number in bitmap) is adds
    shown = {
        index * PAGE + offset
        for index, bits in bitmap.pages.items()
        for offset in range(PAGE)
        if bits >> offset & 1
    }
    assert shown == wanted
    assert 0 not in bitmap.pages.values()
    copied = Bitmap({**bitmap.pages, 1 << 100: 0})
    assert (copied.count, copied.pages) == (bitmap.count, bitmap.pages)


def test_an_emptied_bitmap_has_no_pages_left() -> None:
    bitmap = Bitmap()
    for number in range(0, 10 * PAGE, 7):
        bitmap.add(number)
    for number in range(0, 10 * PAGE, 7):
        bitmap.remove(number)
    assert bitmap.pages == {}


def test_numbers_side_by_side_cost_bits_and_scattered_ones_no_more_than_in_a_set() -> None:
    count = 20_000

    def bytes_of(step: int) -> int:
        tracemalloc.start()
        bitmap = Bitmap()
        for number in range(0, count * step, step):
            bitmap.add(number)
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return taken

    assert bytes_of(1) < count
    # A set of so many numbers takes about 80 bytes each.
    assert bytes_of(PAGE + 1) < 100 * count
