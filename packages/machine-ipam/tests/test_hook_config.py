"""The README's file is read in both its spellings, and each mistake in it gets one message."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage_machine_ipam.machine.hook_config import (
    AddressRange,
    HookConfig,
    HookConfigError,
    parse_hook_config,
)
from moorage_machine_ipam.machine.hooks import LifecycleHook, StartList

README = """\
ipam-config:
  ip-range-cidr: 192.168.101.64/28
  prefix: 23
  nameserver:
    - 192.168.1.215
  default-gateway: 192.168.100.1
  lifecycle-hook:
    name: ipamController
    owner: network-admin
"""
DUAL_STACK = """\
ipam-config:
  ipv4-range-cidr: 192.168.101.64/28
  ipv6-range-cidr: 2001:DB8:1:0::/120
  ipv4-prefix: 23
  ipv6-prefix: 64
  nameserver:
    - 192.168.1.215
    - 2001:db8::0053
  ipv4-gateway: 192.168.100.1
  ipv6-gateway: 2001:db8:1::ffff
  lifecycle-hook:
    name: example.org/IpamController
    owner: the people of the network
"""
V4 = AddressRange("192.168.101.64/28", 23, "192.168.100.1")


def test_the_file_of_the_readme_is_read_word_for_word() -> None:
    assert parse_hook_config(README) == HookConfig(
        (V4,), ("192.168.1.215",), LifecycleHook("ipamController", "network-admin")
    )


def test_the_second_generation_has_a_range_for_each_family_and_another_list() -> None:
    hook = LifecycleHook(
        "example.org/IpamController", "the people of the network", StartList.PRE_PROVISION
    )
    v6 = AddressRange("2001:db8:1::/120", 64, "2001:db8:1::ffff")
    config = parse_hook_config(DUAL_STACK)
    assert config == HookConfig((V4, v6), ("192.168.1.215", "2001:db8::53"), hook)
    assert [each.version for each in config.ranges] == [4, 6]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ("ip-range-cidr: 10.0.0.0/24", AddressRange("10.0.0.0/24", 24)),
        ("ip-range-cidr: '10.0.0.0/24'\n  prefix: '16'", AddressRange("10.0.0.0/24", 16)),
        ("ip-range-cidr: 2001:db8::/64", AddressRange("2001:db8::/64", 64)),
        ("ip-range-cidr: 10.0.0.7/32", AddressRange("10.0.0.7/32", 32)),
        # A router of IPv6 is often known by its link-local address only.
        (
            "ipv6-range-cidr: 2001:db8::/64\n  ipv6-gateway: fe80::1",
            AddressRange("2001:db8::/64", 64, "fe80::1"),
        ),
        (
            "ipv6-range-cidr: 2001:db8::/64\n  ipv6-gateway: 2001:db8:ffff::1",
            AddressRange("2001:db8::/64", 64, "2001:db8:ffff::1"),
        ),
        (
            "ip-range-cidr: 10.0.0.0/31\n  default-gateway: 10.0.0.0",
            AddressRange("10.0.0.0/31", 31, "10.0.0.0"),
        ),
        ("ip-range-cidr: 10.0.0.0/24\n  default-gateway: ''", AddressRange("10.0.0.0/24", 24)),
        # An empty range switches its family off, whatever else is left of it.
        (
            "ipv4-range-cidr: 10.0.0.0/24\n  ipv6-range-cidr: ''\n  ipv6-prefix: 64",
            AddressRange("10.0.0.0/24", 24),
        ),
        (
            "ipv4-range-cidr:\n  ipv6-range-cidr: 2001:db8::/64\n  ipv4-gateway: 10.0.0.1",
            AddressRange("2001:db8::/64", 64),
        ),
    ],
)
def test_what_is_left_out_has_a_default(fields: str, found: AddressRange) -> None:
    config = parse_hook_config(f"ipam-config:\n  {fields}\n")
    assert config.ranges == (found,)
    assert (config.nameservers, config.hook.name, config.hook.owner) == (
        (),
        "ipamController",
        "network-admin",
    )


MISTAKES = yaml.safe_load((Path(__file__).parent / "hook_config_mistakes.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        pytest.param(text, mistake, id=mistake["says"])
        for text, name in ((README, "first"), (DUAL_STACK, "second"))
        for mistake in MISTAKES[name]
    ],
)
def test_a_mistake_has_one_message(text: str, mistake: dict[str, str]) -> None:
    assert mistake["instead of"] in text
    with pytest.raises(HookConfigError) as caught:
        parse_hook_config(text.replace(mistake["instead of"], mistake["write"], 1))
    assert str(caught.value) == mistake["says"]


AT_THE_ROOT = README.replace("ipam-config:\n", "").replace("\n  ", "\n").removeprefix("  ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ipam-config: is missing, the file is empty; begin with ipam-config:"),
        ("hello", 'ipam-config: "hello" is not a mapping; begin with ipam-config:'),
        ("ipam-config:", "ipam-config: is not a mapping; indent the fields below ipam-config:"),
        (
            "ipam-config: {}",
            (
                "ipam-config: has no range to take addresses from;"
                " write ip-range-cidr: 192.168.101.64/28"
            ),
        ),
        (
            AT_THE_ROOT,
            "ipam-config: is missing above the fields; indent them below ipam-config:",
        ),
        # The README of the third generation calls the manifest of its pool ipam-config.yaml.
        (
            "apiVersion: ipamcontroller.openshift.io/v1\nkind: IPPool\n",
            'kind: "IPPool" is a manifest, not this configuration; apply it with kubectl',
        ),
        (
            "ipam-config: [",
            (
                "not YAML in line 1: expected the node content, but found '<stream end>'; mind the"
                " indentation, and quote what has a colon or a bracket"
            ),
        ),
        ("x" * 70_000, "70000 bytes are too many: at most 65536 are read"),
    ],
)
def test_a_file_of_another_kind_has_one_message(text: str, message: str) -> None:
    with pytest.raises(HookConfigError) as caught:
        parse_hook_config(text)
    assert str(caught.value) == message


KEYS = st.sampled_from(
    ["ip-range-cidr", "prefix", "default-gateway", "ipv4-range-cidr", "ipv6-range-cidr",
     "ipv4-prefix", "ipv6-gateway", "nameserver", "lifecycle-hook", "other"]
)  # fmt: skip
VALUES = st.sampled_from(
    ["", "~", "10.0.0.0/24", "2001:db8::/64", "24", "10.0.0.1", "fe80::1", "[]", "[1, {}]", "{}",
     "{name: abc}", "{owner: [1]}", "''", "nonsense", "-1"]
)  # fmt: skip


@settings(deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_every_file_is_a_configuration_or_has_one_short_message(fields: dict[str, str]) -> None:
    lines = [f"  {key}: {value}\n" for key, value in fields.items()]
    text = "".join(["ipam-config:\n", *lines])
    try:
        found = str(parse_hook_config(text).ranges[0])
    except HookConfigError as error:
        found = str(error)
    assert "\n" not in found
    assert len(found) < 400
