"""A range is written in three ways; a set of ranges is of one family, and as wide as you like."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Family, parse_address
from moorage_domain.ranges import AddressRange, RangeSet, parse_range, parse_ranges, subnet_of


def range_set(*texts: str) -> RangeSet:
    ranges = [parse_range(text) for text in texts]
    return RangeSet.of(ranges[0].family, ranges)


def number(text: str) -> int:
    return parse_address(text).number


def test_ranges_are_separated_by_commas() -> None:
    texts = ["10.0.0.0/24", "10.1.0.1-10.1.0.9", "2001:db8::1"]
    assert parse_ranges(", ".join(texts) + ",") == tuple(map(parse_range, texts))
    assert parse_ranges("") == ()
    with pytest.raises(InvalidAddress, match=r"10\.0\.0\.1/24"):
        parse_ranges("10.0.0.0/24,10.0.0.1/24")


def test_a_range_has_the_addresses_between_its_ends_and_no_others() -> None:
    one = parse_range("10.0.0.1-10.0.0.9")
    for text, inside in (("10.0.0.1", True), ("10.0.0.9", True), ("10.0.0.10", False),
                         ("10.0.0.0", False), ("::a00:1", False)):  # fmt: skip
        assert (parse_address(text) in one) is inside


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.0.0.0/24", "10.0.0.0", "10.0.0.255"),
        ("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9"),
        (" 10.0.0.1 - 10.0.0.9 ", "10.0.0.1", "10.0.0.9"),
        ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
        ("10.0.0.5/32", "10.0.0.5", "10.0.0.5"),
        ("10.0.0.5-10.0.0.5", "10.0.0.5", "10.0.0.5"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),  # noqa: S104 - an address, and nothing listens
        (" 2001:DB8::/64 ", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"),
        ("2001:db8::1-2001:db8::a", "2001:db8::1", "2001:db8::a"),
    ],
)
def test_a_range_is_a_network_two_ends_or_one_address(text: str, first: str, last: str) -> None:
    found = parse_range(text)
    assert (found.first, found.last) == (number(first), number(last))


@pytest.mark.parametrize(
    "text",
    ["10.0.0.0/24", "10.0.0.0/31", "10.0.0.1-10.0.0.2", "10.0.0.0-10.0.0.2", "10.0.0.5", "::/0",
     "0.0.0.0/0", "2001:db8::/65", "2001:db8::1-2001:db8::4"],
)  # fmt: skip
def test_the_text_of_a_range_is_its_shortest(text: str) -> None:
    assert str(parse_range(text)) == text


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_the_text_of_a_range_means_the_range(
    one: ipaddress.IPv4Address, other: ipaddress.IPv4Address
) -> None:
    first, last = sorted([int(one), int(other)])
    found = AddressRange(Family.IPV4, first, last)
    assert parse_range(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.5/24", "write 10.0.0.0/24 for the whole subnet, or 10.0.0.5 for the one address"),
        ("2001:db8::1/64", "write 2001:db8::/64 for the whole subnet, or 2001:db8::1"),
        ("10.0.0.0/33", "no prefix length from 0 to 32: write 10.0.0.0/32"),
        ("10.0.0.0/", "no prefix length from 0 to 32"),
        ("10.0.0.0/024", "no prefix length from 0 to 32"),
        ("10.0.0.0/-1", "no prefix length from 0 to 32"),
        ("10.0.0.0/\N{ARABIC-INDIC DIGIT EIGHT}", "no prefix length from 0 to 32"),
        (f"10.0.0.0/{'9' * 5000}", "no prefix length from 0 to 32"),
        ("10.0.0.0/255.0.0.0", "no prefix length from 0 to 32"),
        ("2001:db8::/129", "no prefix length from 0 to 128: write 2001:db8::/128"),
        ("10.0.0.9-10.0.0.1", "ends before it begins: write 10.0.0.1-10.0.0.9"),
        ("10.0.0.9-2001:db8::1", "begins with IPv4 and ends with IPv6: write one range for each"),
        ("pool", "write one like"),
        ("", "write one like"),
    ],
)
def test_a_range_that_is_none_is_refused_with_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidAddress, match=re.escape(message)) as caught:
        parse_range(text)
    assert f'"{text}"' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "prefix", "subnet"),
    [
        ("192.168.101.64", 23, "192.168.100.0/23"),
        ("10.1.2.3", 0, "0.0.0.0/0"),
        ("10.1.2.3", 32, "10.1.2.3"),
        ("2001:db8::1:0:0:0:1", 64, "2001:db8:0:1::/64"),
    ],
)
def test_an_address_lies_in_one_subnet_of_each_length(text: str, prefix: int, subnet: str) -> None:
    assert str(subnet_of(parse_address(text), prefix)) == subnet


def test_sets_are_combined_by_their_addresses() -> None:
    one, other = range_set("10.0.0.0/30", "10.0.0.8/30"), range_set("10.0.0.2-10.0.0.9")
    assert (one | other).ranges == (parse_range("10.0.0.0-10.0.0.11"),)
    assert (one & other).ranges == tuple(map(parse_range, ("10.0.0.2/31", "10.0.0.8/31")))
    assert (one - other).ranges == tuple(map(parse_range, ("10.0.0.0/31", "10.0.0.10/31")))
    assert one.overlaps(other)
    assert not (one - other).overlaps(other)


def test_two_families_are_never_combined_and_never_overlap() -> None:
    small, ipv6 = range_set("0.0.0.1"), range_set("::1")
    assert not small.overlaps(ipv6)
    for combine in (RangeSet.__or__, RangeSet.__and__, RangeSet.__sub__):
        with pytest.raises(ValueError, match="a set of IPv4 addresses has no IPv6 addresses"):
            combine(small, ipv6)
    with pytest.raises(ValueError, match="a set of IPv6 addresses has no IPv4 addresses"):
        RangeSet.of(Family.IPV6, small.ranges)


@pytest.mark.parametrize(
    ("text", "size"),
    [("10.0.0.0/8", 1 << 24), ("2001:db8::/64", 1 << 64), ("2001:db8::/32", 1 << 96)],
)
def test_a_wide_set_is_counted_and_looked_up_exactly(text: str, size: int) -> None:
    found = range_set(text)
    assert found.size == size
    last = found.nth(size - 1)
    assert last == parse_range(text).last
    assert found.position(last) == size - 1
    assert last in found
    assert last + 1 not in found


def test_an_address_outside_has_no_position() -> None:
    found = range_set("10.0.0.1-10.0.0.9", "10.0.0.20")
    assert [found.position(number(text)) for text in ("10.0.0.1", "10.0.0.20")] == [0, 9]
    with pytest.raises(ValueError, match=r"10\.0\.0\.10 is not in the set"):
        found.position(number("10.0.0.10"))


def test_a_set_may_be_empty() -> None:
    empty = RangeSet.of(Family.IPV4, [])
    assert empty.size == 0
    assert empty.ranges == ()
    assert empty - range_set("10.0.0.1") == empty
    assert range_set("10.0.0.1") - empty == range_set("10.0.0.1")
