"""Which addresses of a pool machines can have: not the gateway's, nor those a subnet reserves."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from .addresses import InvalidAddress
from .families import Address, Family
from .intervals import Interval, Intervals
from .ranges import AddressRange, RangeSet, subnet_of


@dataclass(frozen=True, slots=True)
class SubnetRule:
    """The addresses that every subnet of one size reserves; :meth:`of` knows how many.

    The rule repeats with every subnet, so it is arithmetic: no subnet is ever listed, although an
    IPv4 /8 has four million subnets of /30, and an IPv6 /32 as many of /64 as IPv4 has addresses.

    Attributes:
        host_bits: a subnet has two to the power of so many addresses.
        head: how many addresses at its beginning are reserved, 0 or 1.
        tail: how many at its end, 0 or 1.
    """

    host_bits: int
    head: int
    tail: int

    @classmethod
    def of(cls, family: Family, prefix: int) -> SubnetRule:
        """The rule for subnets of a prefix length.

        IPv4 reserves the network and the broadcast address, IPv6 the subnet-router anycast address
        (RFC 4291). A subnet of one or two addresses reserves none (RFC 3021, RFC 6164).
        """
        host_bits = family.value - prefix
        reserves = host_bits > 1
        return cls(host_bits, int(reserves), int(reserves and family is Family.IPV4))

    def count_below(self, number: int) -> int:
        """How many addresses from 0 on, but below this one, are not reserved: its rank."""
        offset = number & ((1 << self.host_bits) - 1)
        return (number >> self.host_bits) * self._left + max(0, offset - self.head)

    def nth(self, rank: int) -> int:
        """The address of a rank: the opposite of :meth:`count_below`."""
        subnet, offset = divmod(rank, self._left)
        return (subnet << self.host_bits) + self.head + offset

    def reserved_bits(self, first: int, width: int) -> int:
        """Which of ``width`` addresses from ``first`` on are reserved: bit 0 is for ``first``.

        ``width`` is a power of two, and ``first`` a multiple of it.
        """
        size = 1 << self.host_bits
        if size < width:
            one_subnet = self.head | self.tail << (size - 1)
            # As often as there are subnets: 0b1111 // 0b11 == 0b101.
            return one_subnet * (((1 << width) - 1) // ((1 << size) - 1))
        begins = self.head if first % size == 0 else 0
        ends = self.tail if (first + width) % size == 0 else 0
        return begins | ends << (width - 1)

    @property
    def _left(self) -> int:
        """Addresses of each subnet that are not reserved."""
        return (1 << self.host_bits) - self.head - self.tail


@dataclass(frozen=True, slots=True)
class UsableSet:
    """The addresses that a pool may issue: immutable, and as cheap for a /8 as for a /24.

    Attributes:
        ranges: all of them, and the reserved ones among them.
        rule: says which of ``ranges`` are reserved.
    """

    ranges: RangeSet
    rule: SubnetRule
    # Ranks of all addresses of the set: without the gaps that the rule makes there are few ranges.
    _ranks: Intervals = field(init=False, repr=False, compare=False)
    # The bits of an address that are its place in its subnet, and the places that are not reserved.
    _host_mask: int = field(init=False, repr=False, compare=False)
    _unreserved: Interval = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        host_mask = (1 << self.rule.host_bits) - 1
        object.__setattr__(self, "_host_mask", host_mask)
        object.__setattr__(self, "_unreserved", (self.rule.head, host_mask - self.rule.tail))
        below = self.rule.count_below
        ranks = ((below(first), below(last + 1) - 1) for first, last in self.ranges.numbers)
        usable = Intervals.of((first, last) for first, last in ranks if first <= last)
        object.__setattr__(self, "_ranks", usable)

    @property
    def family(self) -> Family:
        """The family of all of them."""
        return self.ranges.family

    @property
    def size(self) -> int:
        """How many addresses there are, exactly; as text where it is above an int64."""
        return self._ranks.size

    def __contains__(self, number: int) -> bool:
        # Written out: an index of a million addresses asks it of each.
        first, last = self._unreserved
        if not first <= number & self._host_mask <= last:
            return False
        numbers = self.ranges.numbers
        index = bisect_right(numbers.firsts, number) - 1
        return index >= 0 and number <= numbers.lasts[index]

    def nth(self, position: int) -> int:
        """The address at a position, from 0, ascending. Raises ``IndexError`` outside the set."""
        return self.rule.nth(self._ranks.nth(position))

    def bits(self, first: int, width: int) -> int:
        """Which of ``width`` addresses from ``first`` on are in the set: bit 0 is for ``first``.

        ``width`` is a power of two, and ``first`` a multiple of it.
        """
        found = self.ranges.numbers.bits(first, width)
        return found & ~self.rule.reserved_bits(first, width)


def usable(
    includes: Sequence[AddressRange],
    excludes: Iterable[AddressRange] = (),
    *,
    prefix: int,
    gateway: Address | None = None,
    on_link: bool = False,
) -> UsableSet:
    """The addresses of a pool that machines can have.

    Args:
        includes: what the pool may issue, of one family; several subnets are fine.
        excludes: what it may not issue; what of it lies outside ``includes`` changes nothing.
        prefix: the length of the subnets' prefix as machines get it, not that of ``includes``: a
            range inside a subnet keeps its first and its last address.
        gateway: is not issued. Machines reach an IPv6 gateway by its link-local address, so it may
            lie outside the subnets.
        on_link: machines reach an IPv4 gateway outside their subnet by a route of its own.

    Raises:
        InvalidAddress: no ``includes``, two families, a prefix that is too long, or a gateway that
            no machine can reach. The message names the field and the value.
    """
    if not includes:
        raise InvalidAddress("includes: there is no range: write at least one, like 10.0.0.0/24")
    family = includes[0].family
    if not 0 <= prefix <= family.value:
        raise InvalidAddress(f"prefix: {prefix} is not 0 to {family.value}, as {family} has it")
    included = _set("includes", includes, includes[0])
    excluded = _set("excludes", excludes, includes[0])
    if gateway:
        one = AddressRange(gateway.family, gateway.number, gateway.number)
        excluded |= _set("gateway", [one], includes[0])
        if family is Family.IPV4 and not on_link:
            _check_reachable(gateway, prefix, included)
    return UsableSet(included - excluded, SubnetRule.of(family, prefix))


def _set(name: str, ranges: Iterable[AddressRange], first: AddressRange) -> RangeSet:
    """The ranges of a field as a set of the family of the first include."""
    found = tuple(ranges)
    for each in found:
        if each.family is not first.family:
            raise InvalidAddress(
                f"{name}: {each} is {each.family}, but includes begins with {first}, which is"
                f" {first.family}: a pool has one family, make one pool for each"
            )
    return RangeSet.of(first.family, found)


def _check_reachable(gateway: Address, prefix: int, included: RangeSet) -> None:
    subnet = subnet_of(gateway, prefix)
    if not RangeSet.of(gateway.family, [subnet]).overlaps(included):
        raise InvalidAddress(
            f"gateway: {gateway} with prefix {prefix} lies in {subnet}, where includes has no"
            " address: write a gateway in the subnet, or say that it is reached on-link"
        )
