"""The taken addresses of a pool by pages, and the search for a free one among a million of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial

from .bitmap import BIT, OFFSET, PAGE, PAGE_BITS, Bitmap
from .subnets import UsableSet

# Pages whose usable addresses are remembered; together they have a million addresses.
_REMEMBERED_PAGES = 1024
# Nearly all of them are one integer, which the processor's cache has room for.
_WHOLE_PAGE = (1 << PAGE) - 1


class Taken(Bitmap):
    """Taken addresses, usable ones and others; it finds the first usable one that is free.

    A search steps over 1,024 full pages, a million addresses, at once; but each gap between ranges
    costs it a step of its own. Both methods are written out: a call costs as much as a search. And
    they do without ``~`` and ``-`` of pages: Python is slow with large negative integers.

    Args:
        usable: what may be found.
        pages: what is taken to begin with.

    Attributes:
        beginning: where a search for the lowest address starts.
    """

    __slots__ = ("_full", "_usable_bits", "_with_usable", "beginning")

    def __init__(self, usable: UsableSet, pages: Mapping[int, int] | None = None) -> None:
        super().__init__(pages)
        # Pages known to have nothing free, as bits of 1,024 pages each.
        self._full: dict[int, int] = {}
        self._usable_bits = lru_cache(_REMEMBERED_PAGES)(partial(bits_of_page, usable))
        # Pages that may have a usable address.
        self._with_usable = usable.ranges.numbers.divided(PAGE)
        self.beginning = (self._with_usable.first_from(0) or 0) * PAGE

    def remove(self, number: int) -> bool:
        """Take a number out; ``False``: it was not there."""
        page, bit = number >> PAGE_BITS, BIT[number & OFFSET]
        bits = self.pages.get(page, 0)
        if not bits & bit:
            return False
        if rest := bits ^ bit:
            self.pages[page] = rest
        else:
            del self.pages[page]
        self.count -= 1
        group, bit = page >> PAGE_BITS, BIT[page & OFFSET]
        full = self._full.get(group, 0)
        if full & bit:
            self._full[group] = full ^ bit
        return True

    def take_first(self, start: int) -> int | None:
        """Put the first free usable address from ``start`` on in; ``None``: there is none."""
        page: int | None = start >> PAGE_BITS
        while page is not None:
            while full := self._full.get(page >> PAGE_BITS, 0):
                # As if all before it were full; then adding 1 carries to the first that is not.
                full |= BIT[page & OFFSET] - 1
                step = (full ^ (full + 1)).bit_length() - 1
                page = (page >> PAGE_BITS << PAGE_BITS) + step
                if step < PAGE:
                    break
            usable = self._usable_bits(page)
            if not usable:
                page = self._with_usable.first_from(page + 1)
                continue
            taken = self.pages.get(page, 0)
            free = usable ^ (usable & taken)
            first = page << PAGE_BITS
            rest = free >> (start - first) << (start - first) if first < start else free
            offset = (rest ^ (rest - 1)).bit_length() - 1 if rest else 0
            found = BIT[offset] if rest else 0
            # Nothing is free here, or nothing will be.
            if free == found:
                group = page >> PAGE_BITS
                self._full[group] = self._full.get(group, 0) | BIT[page & OFFSET]
            if found:
                self.pages[page] = taken | found
                self.count += 1
                return first + offset
            page += 1
        return None


def bits_of_page(usable: UsableSet, page: int) -> int:
    """Which addresses of a page are usable."""
    bits = usable.bits(page * PAGE, PAGE)
    return _WHOLE_PAGE if bits == _WHOLE_PAGE else bits
