"""A device of a provider spec gets its leases, and loses nothing that people wrote."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_machine_ipam.render.values import Device, Dns, Lease
from moorage_machine_ipam.render.vsphere import (
    device_config,
    device_gateway,
    device_with_config,
    device_with_families,
    takes_from_pools,
    vsphere_device,
)

V4 = Lease("192.168.101.64", 23, "192.168.100.1")
V6 = Lease("2001:db8:1::a", 64, "2001:db8:1::1")
DNS = Dns(("192.0.2.53",), ("example.org",))
POOLS = [{"group": "ipam.example.org", "resource": "ippools", "name": "lab"}]


@pytest.mark.parametrize(
    ("device", "leases", "expected"),
    [
        (
            {"networkName": "lab"},
            (V4,),
            {
                "networkName": "lab",
                "ipAddrs": ["192.168.101.64/23"],
                "gateway": "192.168.100.1",
                "nameservers": ["192.0.2.53"],
            },
        ),
        (
            None,
            (V6,),
            {
                "ipAddrs": ["2001:db8:1::a/64"],
                "gateway": "2001:db8:1::1",
                "nameservers": ["192.0.2.53"],
            },
        ),
        (
            {},
            (V6, V4),
            {
                "ipAddrs": ["2001:db8:1::a/64", "192.168.101.64/23"],
                "gateway": "192.168.100.1",
                "nameservers": ["192.0.2.53"],
            },
        ),
        (
            {"gateway": ""},
            (Lease("192.0.2.10", 24),),
            {"gateway": "", "ipAddrs": ["192.0.2.10/24"], "nameservers": ["192.0.2.53"]},
        ),
    ],
)
def test_a_device_gets_its_leases(
    device: dict[str, Any] | None, leases: tuple[Lease, ...], expected: dict[str, Any]
) -> None:
    before = copy.deepcopy(device)
    assert vsphere_device(device, leases, DNS) == expected
    assert device == before


def test_what_people_wrote_into_a_device_stays() -> None:
    device: dict[str, Any] = {
        "networkName": "lab",
        "ipAddrs": ["10.0.0.5/24", "192.168.101.64/24", "nonsense"],
        "gateway": "10.0.0.1",
        "nameservers": ["10.0.0.53"],
        "mtu": 9000,
    }
    expected = {**device, "ipAddrs": [*device["ipAddrs"], "2001:db8:1::a/64"]}
    assert vsphere_device(device, (V4, V6), DNS) == expected


def test_the_pools_of_a_device_are_left_to_the_claims_or_answered_by_the_leases() -> None:
    device = {"networkName": "lab", "addressesFromPools": POOLS}
    assert takes_from_pools(device)
    assert vsphere_device(device, (), DNS) == device
    assert "addressesFromPools" not in vsphere_device(device, (V4,), DNS)
    assert not any(map(takes_from_pools, (None, {}, {"addressesFromPools": []})))


@settings(deadline=None)
@given(
    device=st.dictionaries(
        st.text(max_size=3), st.integers() | st.text() | st.none() | st.lists(st.integers())
    )
)
def test_unknown_fields_are_kept(device: dict[str, Any]) -> None:
    for rendered in (
        vsphere_device(device, (V4,), DNS),
        device_with_config(device, Device(0, leases=(V4,)), DNS),
        device_with_families(device, (V4,), DNS),
    ):
        assert {key: rendered[key] for key in device} == device


def test_a_second_rendering_changes_nothing() -> None:
    once = vsphere_device({"networkName": "lab"}, (V4, V6), DNS)
    assert vsphere_device(once, (V4, V6), DNS) == once


@pytest.mark.parametrize(
    ("leases", "gateway"),
    [
        ((), ""),
        ((Lease("192.0.2.10", 24), V6), "2001:db8:1::1"),
        ((V4, V6), "192.168.100.1"),
        ((V6, V4), "192.168.100.1"),
        ((V4, Lease("10.0.0.5", 24, "10.0.0.1")), "10.0.0.1"),
    ],
)
def test_one_gateway_is_the_ipv4_one(leases: tuple[Lease, ...], gateway: str) -> None:
    assert device_gateway(leases) == gateway


def test_the_config_of_the_readme_is_nmstate_now() -> None:
    device = Device(0, leases=(V4,))
    config = {
        "interfaces": [
            {
                "name": "ens192",
                "type": "ethernet",
                "state": "up",
                "ipv4": {
                    "enabled": True,
                    "dhcp": False,
                    "address": [{"ip": "192.168.101.64", "prefix-length": 23}],
                },
                "ipv6": {"enabled": False},
            }
        ],
        "routes": {
            "config": [
                {
                    "destination": "0.0.0.0/0",
                    "next-hop-address": "192.168.100.1",
                    "next-hop-interface": "ens192",
                    "metric": 100,
                }
            ]
        },
        "dns-resolver": {"config": {"server": ["192.0.2.53"], "search": ["example.org"]}},
    }
    assert device_config(device, DNS) == config
    written = device_with_config({"networkName": "lab", "config": "old"}, device, DNS)
    assert written == {"networkName": "lab", "config": config}


def test_the_fork_has_a_gateway_for_each_family() -> None:
    device = {"networkName": "lab", "dhcp4": "Enabled", "addressesFromPool": POOLS, "mtu": 9000}
    assert device_with_families(device, (V4, V6), DNS) == {
        "networkName": "lab",
        "mtu": 9000,
        "dhcp4": "Disabled",
        "dhcp6": "Disabled",
        "gateway4": "192.168.100.1",
        "gateway6": "2001:db8:1::1",
        "ipAddrs": ["192.168.101.64/23", "2001:db8:1::a/64"],
        "nameservers": ["192.0.2.53"],
        "searchDomains": ["example.org"],
    }
    assert device_with_families(device, ()) == device
