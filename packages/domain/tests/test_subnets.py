"""Machines get every address of a pool but the gateway's and those that its subnets reserve."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Family, parse_address
from moorage_domain.ranges import parse_range
from moorage_domain.subnets import SubnetRule, UsableSet, usable

FAMILIES = st.sampled_from(Family)


def pool(
    *includes: str, prefix: int, excludes: str = "", gateway: str = "", on_link: bool = False
) -> UsableSet:
    return usable(
        [parse_range(text) for text in includes],
        [parse_range(text) for text in excludes.split()],
        prefix=prefix,
        gateway=parse_address(gateway) if gateway else None,
        on_link=on_link,
    )


def texts(found: UsableSet) -> list[str]:
    return [found.family.format(found.nth(position)) for position in range(found.size)]


@pytest.mark.parametrize(
    ("include", "prefix", "addresses"),
    [
        ("10.0.0.0/29", 29, [f"10.0.0.{host}" for host in range(1, 7)]),
        ("10.0.0.0/31", 31, ["10.0.0.0", "10.0.0.1"]),
        ("10.0.0.7", 32, ["10.0.0.7"]),
        ("10.0.0.0/30", 30, ["10.0.0.1", "10.0.0.2"]),
        ("10.0.0.0/29", 30, ["10.0.0.1", "10.0.0.2", "10.0.0.5", "10.0.0.6"]),
        ("2001:db8::/126", 126, ["2001:db8::1", "2001:db8::2", "2001:db8::3"]),
        ("2001:db8::/127", 127, ["2001:db8::", "2001:db8::1"]),
        ("2001:db8::/128", 128, ["2001:db8::"]),
        ("2001:db8::-2001:db8::2", 64, ["2001:db8::1", "2001:db8::2"]),
        ("2001:db8::ffff:ffff:ffff:ffff", 64, ["2001:db8::ffff:ffff:ffff:ffff"]),
        ("10.0.0.0", 24, []),
        ("10.0.0.255-10.0.1.0", 24, []),
        ("10.0.0.255-10.0.1.0", 23, ["10.0.0.255", "10.0.1.0"]),
        ("0.0.0.0-0.0.0.1", 0, ["0.0.0.1"]),
        ("255.255.255.254-255.255.255.255", 0, ["255.255.255.254"]),
    ],
)
def test_a_subnet_keeps_its_reserved_addresses(
    include: str, prefix: int, addresses: list[str]
) -> None:
    assert texts(pool(include, prefix=prefix)) == addresses


def test_a_range_inside_a_subnet_keeps_its_edges() -> None:
    found = pool("192.168.101.64/28", prefix=23, gateway="192.168.100.1")
    assert texts(found) == [f"192.168.101.{host}" for host in range(64, 80)]


def test_what_is_excluded_and_the_gateway_are_not_usable() -> None:
    found = pool(
        "10.0.0.0/28", prefix=28, gateway="10.0.0.9",
        excludes="10.0.0.2 10.0.0.4/31 10.0.0.12-10.0.0.13 192.0.2.0/24",
    )  # fmt: skip
    assert texts(found) == [f"10.0.0.{host}" for host in (1, 3, 6, 7, 8, 10, 11, 14)]


@pytest.mark.parametrize(
    ("include", "prefix", "size"),
    [
        ("10.0.0.0/8", 30, 1 << 23),
        ("10.0.0.0/8", 8, (1 << 24) - 2),
        ("0.0.0.0/0", 24, (1 << 24) * 254),
        ("2001:db8::/32", 64, ((1 << 64) - 1) << 32),
        ("2001:db8::/32", 32, (1 << 96) - 1),
        ("::/0", 0, (1 << 128) - 1),
    ],
)
def test_any_number_of_subnets_is_counted_exactly(include: str, prefix: int, size: int) -> None:
    found = pool(include, prefix=prefix)
    assert found.size == size
    last = found.nth(size - 1)
    assert last in found
    with pytest.raises(IndexError):
        found.nth(size)


@settings(deadline=None)
@given(
    family=FAMILIES,
    host_bits=st.integers(0, 5),
    pairs=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 40)), min_size=1, max_size=4),
    width=st.sampled_from([1, 2, 8, 16, 64, 256]),
)
def test_addresses_are_those_that_ipaddress_gives_to_hosts(
    family: Family, host_bits: int, pairs: list[tuple[int, int]], width: int
) -> None:
    base = parse_address("10.0.0.0" if family is Family.IPV4 else "2001:db8::").number
    prefix = family.value - host_bits
    includes = [
        parse_range(f"{family.format(base + first)}-{family.format(base + first + length)}")
        for first, length in pairs
    ]
    network = ipaddress.IPv4Network if family is Family.IPV4 else ipaddress.IPv6Network
    hosts = {
        int(host)
        for first in range(base, base + 256, 1 << host_bits)
        for host in network((first, prefix)).hosts()
    }
    wanted = sorted(
        hosts & {number for each in includes for number in range(each.first, each.last + 1)}
    )
    found = usable(includes, prefix=prefix)
    assert found.size == len(wanted)
    assert [found.nth(position) for position in range(found.size)] == wanted
    assert [number for number in range(base, base + 256) if number in found] == wanted
    for first in range(base, base + 256, width):
        bits = found.bits(first, width)
        shown = [first + offset for offset in range(width) if bits >> offset & 1]
        assert shown == [number for number in wanted if first <= number < first + width]
        assert bits >> width == 0


@given(family=FAMILIES, prefix=st.integers(0, 32), rank=st.integers(0, 2**32))
def test_a_rank_and_its_address_mean_each_other(family: Family, prefix: int, rank: int) -> None:
    rule = SubnetRule.of(family, prefix)
    address = rule.nth(rank)
    assert rule.count_below(address) == rank
    # Reserved addresses have the rank of the next one that is not.
    assert rule.count_below(address + 1) == rank + 1
    assert rule.count_below(rule.nth(rank + 1)) == rank + 1


@pytest.mark.parametrize(
    ("includes", "options", "message"),
    [
        ((), {"prefix": 24}, "includes: there is no range: write at least one, like 10.0.0.0/24"),
        (("10.0.0.0/24",), {"prefix": 33}, "prefix: 33 is not 0 to 32, as IPv4 has it"),
        (("10.0.0.0/24",), {"prefix": -1}, "prefix: -1 is not 0 to 32"),
        (("2001:db8::/64",), {"prefix": 129}, "prefix: 129 is not 0 to 128, as IPv6 has it"),
        (
            ("10.0.0.0/24", "2001:db8::/64"),
            {"prefix": 24},
            "includes: 2001:db8::/64 is IPv6, but includes begins with 10.0.0.0/24, which is IPv4",
        ),
        (
            ("10.0.0.0/24",),
            {"prefix": 24, "excludes": "10.0.0.1 2001:db8::1"},
            "excludes: 2001:db8::1 is IPv6, but includes begins with 10.0.0.0/24",
        ),
        (
            ("2001:db8::/64",),
            {"prefix": 64, "gateway": "10.0.0.1"},
            "gateway: 10.0.0.1 is IPv4, but includes begins with 2001:db8::/64, which is IPv6: a",
        ),
        (
            ("10.0.0.0/25",),
            {"prefix": 25, "gateway": "10.0.0.129"},
            "10.0.0.129 with prefix 25 lies in 10.0.0.128/25, where includes has no address: write",
        ),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused_with_field_and_value(
    includes: tuple[str, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidAddress, match=re.escape(message)):
        pool(*includes, **options)


@pytest.mark.parametrize(
    ("include", "prefix", "options"),
    [
        ("10.0.0.0/25", 25, {"gateway": "10.0.0.129", "on_link": True}),
        ("10.0.0.0/25", 24, {"gateway": "10.0.0.129"}),
        ("2001:db8::1:0/112", 112, {"gateway": "fe80::1"}),
        ("2001:db8::1:0/112", 112, {"gateway": "2001:db8::1"}),
    ],
)
def test_a_gateway_that_machines_reach_may_lie_outside_the_ranges(
    include: str, prefix: int, options: dict[str, Any]
) -> None:
    assert pool(include, prefix=prefix, **options) == pool(include, prefix=prefix)


def test_a_gateway_may_lie_in_any_of_the_subnets() -> None:
    found = pool("10.0.0.0/30", "10.0.9.0/30", prefix=30, gateway="10.0.9.1")
    assert texts(found) == ["10.0.0.1", "10.0.0.2", "10.0.9.2"]
