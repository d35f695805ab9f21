"""The pools of a configuration file, and which address goes to which device."""

from __future__ import annotations

from typing import Any

import pytest
from lab_machines import DUAL_CONFIG, README_CONFIG

from moorage_domain.families import parse_address
from moorage_machine_ipam.machine.hook_config import parse_hook_config
from moorage_machine_ipam.machine.hook_pools import pool_key, pool_specs, slots_of

README = parse_hook_config(README_CONFIG)
DUAL = parse_hook_config(DUAL_CONFIG)


def test_the_range_of_the_readme_has_all_of_its_sixteen_addresses() -> None:
    (spec,) = pool_specs(README).values()
    assert spec.usable.size == 16
    assert str(spec.ref) == "hook-ipv4"
    assert spec.network == "default"


def test_each_family_is_a_pool_of_its_own() -> None:
    assert list(pool_specs(DUAL)) == [pool_key(4), pool_key(6)] == ["/hook-ipv4", "/hook-ipv6"]


def test_slots_are_by_device_and_family() -> None:
    devices: list[dict[str, Any]] = [
        {"networkName": "a"},
        {"addressesFromPools": [{"name": "x"}]},
        {},
    ]
    names = [slot.name for slot in slots_of(devices, DUAL)]
    assert names == ["device-0-ipv4", "device-0-ipv6", "device-2-ipv4", "device-2-ipv6"]


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("192.168.101.64", True),
        ("192.168.100.7", True),
        ("192.168.102.1", False),
        ("192.168.100.1", False),
        ("2001:db8:1::2", False),
    ],
    ids=["of the range", "of the subnet", "outside", "the gateway", "IPv6"],
)
def test_a_device_keeps_an_address_of_its_subnet(address: str, fits: bool) -> None:  # noqa: FBT001 - a case
    (slot,) = slots_of([{}], README)
    assert slot.fits(parse_address(address)) is fits
