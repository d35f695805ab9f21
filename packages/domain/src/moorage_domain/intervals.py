"""Sets of whole numbers made of intervals, however long: nothing is ever written out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

Interval = tuple[int, int]
"""First and last number, both included."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """An immutable set; :meth:`of` makes one. A membership test costs one bisection.

    Attributes:
        firsts: first number of each interval, ascending; intervals neither overlap nor touch.
        lasts: last number of each.
    """

    firsts: tuple[int, ...] = ()
    lasts: tuple[int, ...] = ()
    # How many numbers lie in the intervals before each one; at the end, how many there are.
    _before: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes = (last - first + 1 for first, last in self)
        object.__setattr__(self, "_before", tuple(accumulate(sizes, initial=0)))

    @classmethod
    def of(cls, intervals: Iterable[Interval]) -> Intervals:
        """The set of all numbers of some intervals, in any order; those that overlap are merged."""
        firsts: list[int] = []
        lasts: list[int] = []
        for first, last in sorted(intervals):
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(lasts[-1], last)
            else:
                firsts.append(first)
                lasts.append(last)
        return cls(tuple(firsts), tuple(lasts))

    def __iter__(self) -> Iterator[Interval]:
        return zip(self.firsts, self.lasts, strict=True)

    @property
    def size(self) -> int:
        """How many numbers there are; ``len()`` could not say it of an IPv6 network."""
        return self._before[-1]

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self.firsts, number) - 1
        return index >= 0 and number <= self.lasts[index]

    def __or__(self, other: Intervals) -> Intervals:
        return Intervals.of([*self, *other])

    def __and__(self, other: Intervals) -> Intervals:
        return Intervals.of(self._common(other))

    def __sub__(self, other: Intervals) -> Intervals:
        if not self.firsts:
            return self
        return self & other._gaps(self.firsts[0], self.lasts[-1])

    def overlaps(self, other: Intervals) -> bool:
        """Whether they have a number in common."""
        return any(True for _ in self._common(other))

    def nth(self, position: int) -> int:
        """The number at a position, counted from 0 in ascending order.

        Raises:
            IndexError: the position is below 0, or not below ``size``.
        """
        before = self._before
        if not 0 <= position < before[-1]:
            raise IndexError(f"there is no position {position} in a set of {self.size}")
        index = bisect_right(before, position) - 1
        return self.firsts[index] + position - before[index]

    def count_below(self, number: int) -> int:
        """How many numbers of the set are smaller; for one of the set that is its position."""
        index = bisect_left(self.firsts, number)
        if index == 0:
            return 0
        return self._before[index] - max(0, self.lasts[index - 1] + 1 - number)

    def first_from(self, number: int) -> int | None:
        """The smallest number of the set that is not below this one; ``None``: all are below."""
        index = bisect_left(self.lasts, number)
        return max(number, self.firsts[index]) if index < len(self.firsts) else None

    def bits(self, first: int, width: int) -> int:
        """Which of ``width`` numbers from ``first`` on are in the set: bit 0 is for ``first``."""
        last = first + width - 1
        found = 0
        for index in range(bisect_left(self.lasts, first), bisect_right(self.firsts, last)):
            low = max(self.firsts[index], first)
            high = min(self.lasts[index], last)
            found |= ((1 << (high - low + 1)) - 1) << (low - first)
        return found

    def divided(self, divisor: int) -> Intervals:
        """The numbers divided by ``divisor``, without their remainders."""
        return Intervals.of((first // divisor, last // divisor) for first, last in self)

    def _common(self, other: Intervals) -> Iterator[Interval]:
        mine = theirs = 0
        while mine < len(self.firsts) and theirs < len(other.firsts):
            first = max(self.firsts[mine], other.firsts[theirs])
            last = min(self.lasts[mine], other.lasts[theirs])
            if first <= last:
                yield first, last
            # The interval that ends first has nothing in common with what follows.
            if self.lasts[mine] < other.lasts[theirs]:
                mine += 1
            else:
                theirs += 1

    def _gaps(self, first: int, last: int) -> Intervals:
        """All of ``first`` to ``last`` that is not in the set; beyond them nothing is said."""
        edges = [first, *(edge for pair in self for edge in (pair[0] - 1, pair[1] + 1)), last]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return Intervals.of((low, high) for low, high in pairs if low <= high)
