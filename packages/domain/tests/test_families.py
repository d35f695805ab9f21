"""An address is a number inside, and has one text at the edge."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, Family, parse_address

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
# Joined at random they are an address now and then.
PIECES = (":", ":", "::", ".", ".", "0", "1", "10", "255", "256", "db8", "FFFF", "1ffff", "+", "_",
          " ", "%")  # fmt: skip


def is_mapped(ip: IP) -> bool:
    return isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None


def family_of(ip: IP) -> Family:
    return Family.IPV4 if ip.version == 4 else Family.IPV6


def spellings(ip: IP) -> set[str]:
    return {str(ip), ip.exploded, ip.exploded.upper(), f" {ip}\n"}


@given(st.ip_addresses().filter(lambda ip: not is_mapped(ip)))
def test_every_spelling_of_an_address_has_its_number_and_its_canonical_text(ip: IP) -> None:
    for text in spellings(ip):
        address = parse_address(text)
        assert address == Address(family_of(ip), int(ip))
        assert str(address) == str(ip)
        assert address.family.parse(text) == int(ip)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_family_takes_no_text_that_is_not_an_address(text: str) -> None:
    for family in Family:
        try:
            ip = ipaddress.ip_address(text.strip())
        except ValueError:
            with pytest.raises(InvalidAddress):
                family.parse(text)
            continue
        if family_of(ip) is family and not is_mapped(ip) and "%" not in text:
            assert family.parse(text) == int(ip)
        else:
            with pytest.raises(InvalidAddress):
                family.parse(text)


@pytest.mark.parametrize(
    ("text", "way_out"),
    [
        ("10.0.0", "write one like 203.0.113.10 or 2001:db8::1"),
        ("10.0.0.256", "write one like 203.0.113.10"),
        ("010.0.0.1", "write one like 203.0.113.10"),
        ("10.0.0.+1", "write one like 203.0.113.10"),
        ("\N{ARABIC-INDIC DIGIT ONE}.0.0.1", "write one like 203.0.113.10"),
        ("2001:db8::0_1", "write one like 203.0.113.10"),
        ("2001:db8::12345", "write one like 203.0.113.10"),
        ("fe80::1%eth0", "write fe80::1"),
        ("fe80::1%a:b", "write fe80::1"),
        ("::ffff:10.0.0.1", "write 10.0.0.1"),
        ("::ffff:a00:1", "write 10.0.0.1"),
    ],
)
def test_a_text_that_means_no_one_address_is_refused_with_what_to_write(
    text: str, way_out: str
) -> None:
    for parse in (parse_address, Family.IPV4.parse, Family.IPV6.parse):
        with pytest.raises(InvalidAddress, match=re.escape(way_out)) as caught:
            parse(text)
        assert f'"{text}"' in str(caught.value)


@pytest.mark.parametrize(
    ("family", "text", "message"),
    [
        (Family.IPV4, "2001:db8::1", '"2001:db8::1" is IPv6, but IPv4 is needed here: .* 10.0.0.5'),
        (Family.IPV6, "10.0.0.1", '"10.0.0.1" is IPv4, but IPv6 is needed here: .* 2001:db8::5'),
    ],
)
def test_an_address_of_the_other_family_is_refused(family: Family, text: str, message: str) -> None:
    with pytest.raises(InvalidAddress, match=message):
        family.parse(text)


def test_the_last_address_of_a_family_has_all_bits_set() -> None:
    assert Family.IPV4.format(Family.IPV4.last) == "255.255.255.255"
    assert Family.IPV6.format(Family.IPV6.last) == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


@pytest.mark.parametrize("family", Family)
def test_a_small_number_is_an_address_of_its_family(family: Family) -> None:
    assert family.format(1) == {Family.IPV4: "0.0.0.1", Family.IPV6: "::1"}[family]
    assert family.parse(family.format(1)) == 1
