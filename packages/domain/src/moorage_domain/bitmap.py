"""A mutable set of whole numbers that is small where its numbers lie near each other."""

from __future__ import annotations

from collections.abc import Mapping

PAGE_BITS = 10
PAGE = 1 << PAGE_BITS
"""Numbers of a page: Python's integers of so many bits are fast and small."""
OFFSET = PAGE - 1
"""The bits of a number that are its place in its page."""
BIT = tuple(1 << offset for offset in range(PAGE))
"""The bit of each place. A page often has one number, as with random addresses of a wide pool:
such pages share these integers, so that each costs no more than an element of a built-in set."""


class Bitmap:
    """Numbers from 0 on, however large; a page of them is one integer.

    Args:
        pages: what to begin with.

    Attributes:
        pages: each page with a number in it, as bits: bit 0 of page 3 stands for ``3 * PAGE``. Not
            to be changed.
        count: how many numbers there are.
    """

    __slots__ = ("count", "pages")

    def __init__(self, pages: Mapping[int, int] | None = None) -> None:
        self.pages = {page: bits for page, bits in (pages or {}).items() if bits}
        self.count = sum(bits.bit_count() for bits in self.pages.values())

    def __contains__(self, number: int) -> bool:
        return bool(self.pages.get(number >> PAGE_BITS, 0) & BIT[number & OFFSET])

    def add(self, number: int) -> bool:
        """Put a number in; ``False``: it was there."""
        bit = BIT[number & OFFSET]
        page = number >> PAGE_BITS
        bits = self.pages.get(page)
        if bits is None:
            self.pages[page] = bit
        elif bits & bit:
            return False
        else:
            self.pages[page] = bits | bit
        self.count += 1
        return True

    def remove(self, number: int) -> bool:
        """Take a number out; ``False``: it was not there."""
        bit = BIT[number & OFFSET]
        page = number >> PAGE_BITS
        bits = self.pages.get(page, 0)
        if not bits & bit:
            return False
        if bits == bit:
            del self.pages[page]
        else:
            self.pages[page] = bits ^ bit
        self.count -= 1
        return True
