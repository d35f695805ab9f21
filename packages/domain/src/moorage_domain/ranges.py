"""Ranges of addresses as people write them, and sets of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .addresses import InvalidAddress
from .families import Address, Family, parse_address
from .intervals import Intervals
from .lists import parts_of


@dataclass(frozen=True, slots=True)
class AddressRange:
    """All addresses from ``first`` to ``last``, both included; ``str()`` is its shortest text."""

    family: Family
    first: int
    last: int

    def __contains__(self, address: Address) -> bool:
        """Whether an address is one of them."""
        return address.family is self.family and self.first <= address.number <= self.last

    def __str__(self) -> str:
        host_bits = (self.last - self.first).bit_length()
        first = self.family.format(self.first)
        if not host_bits:
            return first
        if self == _subnet(Address(self.family, self.first), host_bits):
            return f"{first}/{self.family.value - host_bits}"
        return f"{first}-{self.family.format(self.last)}"


def parse_range(text: str) -> AddressRange:
    """A range written as ``10.0.0.0/24``, ``10.0.0.1-10.0.0.9`` or ``10.0.0.5``.

    Raises:
        InvalidAddress: none of the three, bits set behind the prefix, ends of two families or in
            the wrong order.
    """
    if "/" in text:
        return _parse_network(text)
    start, dash, end = text.partition("-")
    first = parse_address(start)
    last = parse_address(end) if dash else first
    if first.family is not last.family:
        raise InvalidAddress(
            f'"{text}" begins with {first.family} and ends with {last.family}:'
            " write one range for each family"
        )
    if first.number > last.number:
        raise InvalidAddress(f'"{text}" ends before it begins: write {last}-{first}')
    return AddressRange(first.family, first.number, last.number)


def parse_ranges(text: str) -> tuple[AddressRange, ...]:
    """Ranges separated by commas; an empty text has none. Raises as :func:`parse_range`."""
    return tuple(map(parse_range, parts_of(text)))


def subnet_of(address: Address, prefix: int) -> AddressRange:
    """The subnet of this prefix length that an address lies in."""
    return _subnet(address, address.family.value - prefix)


@dataclass(frozen=True, slots=True)
class RangeSet:
    """An immutable set of addresses of one family: a /8 costs as much as a /24.

    Attributes:
        family: of all addresses; in and out go their numbers.
        numbers: the addresses.
    """

    family: Family
    numbers: Intervals

    @classmethod
    def of(cls, family: Family, ranges: Iterable[AddressRange]) -> RangeSet:
        """The addresses of all ranges, in any order. Raises ``ValueError`` for another family."""
        pairs = []
        for each in ranges:
            _same(family, each.family)
            pairs.append((each.first, each.last))
        return cls(family, Intervals.of(pairs))

    @property
    def ranges(self) -> tuple[AddressRange, ...]:
        """The ranges, ascending; they neither overlap nor touch."""
        return tuple(AddressRange(self.family, first, last) for first, last in self.numbers)

    @property
    def size(self) -> int:
        """How many addresses there are, exactly."""
        return self.numbers.size

    def __contains__(self, number: int) -> bool:
        return number in self.numbers

    def __or__(self, other: RangeSet) -> RangeSet:
        return RangeSet(_same(self.family, other.family), self.numbers | other.numbers)

    def __and__(self, other: RangeSet) -> RangeSet:
        return RangeSet(_same(self.family, other.family), self.numbers & other.numbers)

    def __sub__(self, other: RangeSet) -> RangeSet:
        return RangeSet(_same(self.family, other.family), self.numbers - other.numbers)

    def overlaps(self, other: RangeSet) -> bool:
        """Whether they have an address in common; two families never have."""
        return self.family is other.family and self.numbers.overlaps(other.numbers)

    def nth(self, position: int) -> int:
        """The address at a position, from 0, ascending. Raises ``IndexError`` outside the set."""
        return self.numbers.nth(position)

    def position(self, number: int) -> int:
        """The position of an address of the set. Raises ``ValueError`` for any other."""
        if number not in self.numbers:
            raise ValueError(f"{self.family.format(number)} is not in the set")
        return self.numbers.count_below(number)


def _parse_network(text: str) -> AddressRange:
    start, _, length = text.strip().partition("/")
    address = parse_address(start)
    width = address.family.value
    # int() would take more: leading zeros, underscores, the digits of other scripts.
    if length not in map(str, range(width + 1)):
        raise InvalidAddress(
            f'"{text}" has no prefix length from 0 to {width}:'
            f" write {address}/{width} for the one address"
        )
    found = subnet_of(address, int(length))
    if found.first != address.number:
        raise InvalidAddress(
            f'"{text}" has bits set behind its prefix: write {found} for the whole subnet,'
            f" or {address} for the one address"
        )
    return found


def _subnet(address: Address, host_bits: int) -> AddressRange:
    first = address.number >> host_bits << host_bits
    return AddressRange(address.family, first, first | ((1 << host_bits) - 1))


def _same(family: Family, other: Family) -> Family:
    if family is not other:
        raise ValueError(f"a set of {family} addresses has no {other} addresses")
    return family
