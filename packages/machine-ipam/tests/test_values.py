"""A lease, a device or DNS that no machine could use cannot be made."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_machine_ipam.render.values import Device, Dns, InvalidNetwork, Lease, with_gateway


@pytest.mark.parametrize(
    ("address", "prefix", "gateway", "message"),
    [
        ("192.0.2.010", 24, "", 'address "192.0.2.010" is not an IP address'),
        ("192.0.2.10/24", 24, "", "is not an IP address"),
        ("2001:DB8::A", 64, "", "is not canonical: write 2001:db8::a"),
        ("fe80::1%ens192", 64, "", "has a zone"),
        ("::ffff:192.0.2.10", 96, "", "IPv4 address in IPv6"),
        ("192.0.2.10", 0, "", r"prefix 0 of 192.0.2.10 is not in 1\.\.32"),
        ("192.0.2.10", 33, "", r"is not in 1\.\.32"),
        ("2001:db8::a", 129, "", r"is not in 1\.\.128"),
        ("192.0.2.10", 24, "2001:db8::1", "gateway 2001:db8::1 is not of the family of 192.0.2.10"),
        ("192.0.2.10", 24, "fe80::1", "is not of the family"),
        ("192.0.2.1", 24, "192.0.2.1", "192.0.2.1 is the gateway's own address"),
        ("192.0.2.10", 24, "198.51.100.1", "outside 192.0.2.0/24 and not on-link"),
        ("2001:db8::a", 64, "fe80::1%ens192", "has a zone"),
    ],
)
def test_what_no_machine_could_use_is_no_lease(
    address: str, prefix: int, gateway: str, message: str
) -> None:
    with pytest.raises(InvalidNetwork, match=message):
        Lease(address, prefix, gateway)


@settings(deadline=None)
@given(ip=st.ip_addresses(), prefix=st.integers(1, 128))
def test_every_address_in_its_own_spelling_is_a_lease(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address, prefix: int
) -> None:
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        return
    prefix = min(prefix, ip.max_prefixlen)
    lease = Lease(str(ip), prefix)
    assert (lease.version, lease.cidr) == (ip.version, f"{ip}/{prefix}")
    assert ip in lease.subnet


@pytest.mark.parametrize(
    ("lease", "route"),
    [
        (Lease("192.0.2.10", 24), ""),
        (Lease("192.0.2.10", 24, "192.0.2.1"), ""),
        (Lease("192.0.2.10", 24, "192.0.2.1", on_link=True), ""),
        (Lease("192.0.2.10", 32, "198.51.100.1", on_link=True), "198.51.100.1/32"),
        (Lease("192.0.2.10", 31, "192.0.2.11"), ""),
        (Lease("2001:db8::a", 64, "fe80::1"), ""),
        (Lease("2001:db8::a", 128, "2001:db8:f::1"), "2001:db8:f::1/128"),
    ],
)
def test_a_host_route_is_needed_where_the_gateway_is_in_no_subnet(lease: Lease, route: str) -> None:
    assert lease.gateway_route == route


def test_the_last_gateway_of_a_family_counts() -> None:
    first, second = Lease("192.0.2.10", 24, "192.0.2.1"), Lease("192.0.2.11", 24, "192.0.2.2")
    assert with_gateway([first, second, Lease("192.0.2.12", 24)], 4) == second
    assert with_gateway([first], 6) is None


@pytest.mark.parametrize("mac", ["0050.56AB.CDEF", "00:50:56:AB:CD", "00:50:56:AB:CD:EG", "x"])
def test_what_is_no_mac_is_refused(mac: str) -> None:
    with pytest.raises(InvalidNetwork, match=r"of device 1 .* write one like 00:50:56:AB:CD:EF"):
        Device(1, mac=mac)


def test_a_name_server_is_an_address() -> None:
    with pytest.raises(InvalidNetwork, match=r'"dns.example\.org" is not an IP address'):
        Dns(("dns.example.org",))
