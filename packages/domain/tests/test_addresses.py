"""An address has one spelling; one that cannot be public is refused, and the error says what to
do."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage_domain.addresses import InvalidAddress, canonical, label_value, public

IPV6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
# What the API server takes as the value of a label.
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


@given(st.ip_addresses())
def test_the_canonical_spelling_of_a_canonical_spelling_is_itself(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert canonical(canonical(str(ip))) == canonical(str(ip))


@given(IPV6)
def test_all_spellings_of_an_ipv6_address_are_one_address(ip: ipaddress.IPv6Address) -> None:
    spellings = {ip.exploded, ip.compressed, ip.exploded.upper(), f" {ip.compressed}\n"}
    assert len({canonical(text) for text in spellings}) == 1


@pytest.mark.parametrize("text", ["", "203.0.113", "203.0.113.010", "203.0.113.10/32", "bastion"])
def test_a_text_that_is_no_address_is_refused_with_an_example_of_one(text: str) -> None:
    with pytest.raises(InvalidAddress, match=r"write one like 203\.0\.113\.10") as caught:
        canonical(text)
    assert f'"{text}"' in str(caught.value)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("0.1.2.3", "0.0.0.0/8"),
        ("10.1.2.3", "10.0.0.0/8"),
        ("100.64.0.1", "100.64.0.0/10"),
        ("127.0.0.1", "127.0.0.0/8"),
        ("169.254.169.254", "169.254.0.0/16"),
        ("172.31.255.255", "172.16.0.0/12"),
        ("192.168.1.1", "192.168.0.0/16"),
        ("224.0.0.1", "224.0.0.0/3"),
        ("255.255.255.255", "224.0.0.0/3"),
        ("::1", "::/127"),
        ("::ffff:203.0.113.10", "::ffff:0:0/96"),
        ("fd00::1", "fc00::/7"),
        ("fe80::1", "fe80::/10"),
        ("ff02::1", "ff00::/8"),
    ],
)
def test_an_address_that_no_cloud_routes_is_refused_with_its_network(
    text: str, network: str
) -> None:
    with pytest.raises(InvalidAddress, match=re.escape(network)):
        public(text)


@pytest.mark.parametrize(
    "text", ["203.0.113.10", "198.51.100.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "2600::"]
)
def test_an_address_beside_the_refused_networks_is_public(text: str) -> None:
    assert public(f" {text} ") == text


@given(st.ip_addresses(v=4))
def test_every_globally_routable_address_is_public(ip: ipaddress.IPv4Address) -> None:
    if ip.is_global and not ip.is_multicast:
        assert public(str(ip)) == str(ip)


@given(st.ip_addresses())
def test_every_address_can_be_the_value_of_a_label(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert LABEL_VALUE.fullmatch(label_value(str(ip)))


@given(st.ip_addresses(), st.ip_addresses())
def test_two_addresses_never_share_a_label(
    one: ipaddress.IPv4Address | ipaddress.IPv6Address,
    other: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert (label_value(str(one)) == label_value(str(other))) == (one == other)


def test_labels_are_spelled_as_released() -> None:
    assert label_value("203.0.113.10") == "203-0-113-10"
    assert label_value("2001:db8::1") == "2001-0db8-0000-0000-0000-0000-0000-0001"


def test_a_zone_is_refused_with_the_address_without_it() -> None:
    for parse in (canonical, public):
        with pytest.raises(InvalidAddress, match=r'"2001:db8::1%eth0" .*: write 2001:db8::1$'):
            parse("2001:db8::1%eth0")
