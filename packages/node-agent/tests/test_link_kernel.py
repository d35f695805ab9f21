"""The kernel does what we ask with our addresses, and keeps its hands off all others."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from moorage_domain.families import Address, parse_address
from moorage_node_agent.link.events import drain, open_events
from moorage_node_agent.link.kernel import Kernel
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.namespace import Namespace
from moorage_testing.lab import Lab, Station
from moorage_testing.waiting import wait_for

SECONDS = 30.0
LONG = 600
FOUR, SIX = parse_address("10.99.8.1"), parse_address("fd99::8:1")


@pytest.fixture
def node(lab: Lab) -> Station:
    return lab.node(1)


@pytest.fixture
def kernel(node: Station) -> Iterator[Kernel]:
    kernel = Kernel(Namespace(node.namespace.path))
    yield kernel
    kernel.close()


def link(kernel: Kernel, name: str = "eth0") -> Link:
    return next(one for one in kernel.links(kernel.addresses()) if one.name == name)


def on_link(kernel: Kernel, *addresses: Address) -> list[Holding]:
    index = link(kernel).index
    return [Holding(address, index) for address in addresses]


def ours(kernel: Kernel) -> set[Address]:
    return {row.address for row in kernel.addresses() if row.ours}


def test_an_address_of_each_family_is_added_with_its_whole_length_and_deprecated(
    kernel: Kernel, node: Station
) -> None:
    assert kernel.add(on_link(kernel, FOUR, SIX), LONG) == {}
    assert {"10.99.8.1/32", "fd99::8:1/128"} <= node.addresses()
    assert ours(kernel) == {FOUR, SIX}
    shown = node.namespace.ip("-o", "address", "show", "deprecated")
    assert "10.99.8.1/32" in shown
    assert "fd99::8:1/128" in shown


def test_source_addr_a_new_address_is_never_a_source_of_connections(
    kernel: Kernel, lab: Lab
) -> None:
    kernel.add(on_link(kernel, FOUR, SIX), LONG)
    node, client = lab.node(1), lab.station
    for target, own in ((client.address, node.address), (client.address6, node.address6)):
        assert f"src {own} " in node.namespace.ip("route", "get", target)


def test_an_address_that_is_not_renewed_is_removed_by_the_kernel(
    kernel: Kernel, node: Station
) -> None:
    kernel.add(on_link(kernel, FOUR, SIX), 1)
    wait_for(lambda: ours(kernel) == set(), SECONDS, "the kernel to remove both")
    assert not node.has("10.99.8.1")


def test_a_refresh_keeps_the_tag_and_the_address(kernel: Kernel, node: Station) -> None:
    kept, left = on_link(kernel, FOUR, SIX)
    kernel.add([kept, left], 2)
    assert kernel.refresh([kept], LONG) == {}
    wait_for(lambda: not node.has("fd99::8:1"), SECONDS, "the other to expire")
    assert ours(kernel) == {FOUR}


def test_500_addresses_are_added_refreshed_and_removed(kernel: Kernel) -> None:
    many = [Address(FOUR.family, FOUR.number + offset) for offset in range(500)]
    holdings = on_link(kernel, *many)
    assert kernel.add(holdings, LONG) == {}
    assert kernel.refresh(holdings, LONG) == {}
    assert ours(kernel) == set(many)
    assert kernel.remove(holdings) == {}
    assert ours(kernel) == set()


def test_an_untagged_address_is_neither_taken_nor_removed(kernel: Kernel, node: Station) -> None:
    node.add("10.99.8.1/32")
    theirs = on_link(kernel, FOUR)
    assert kernel.add(theirs, 1) == {theirs[0]: errno.EEXIST}
    assert kernel.remove(theirs) == {}
    assert ours(kernel) == set()
    assert "10.99.8.1/32" in node.addresses()
    shown = node.namespace.ip("-o", "address", "show", "to", "10.99.8.1")
    assert "valid_lft forever" in shown


def test_cascade_free_removing_the_first_of_a_subnet_leaves_the_others(kernel: Kernel) -> None:
    """cascade_free: with /24 the kernel would take the others along."""
    three = [Address(FOUR.family, FOUR.number + offset) for offset in range(3)]
    holdings = on_link(kernel, *three)
    kernel.add(holdings, LONG)
    kernel.remove(holdings[:1])
    assert ours(kernel) == set(three[1:])


def test_what_is_gone_already_is_no_error(kernel: Kernel) -> None:
    assert kernel.remove(on_link(kernel, FOUR)) == {}


def test_a_link_that_is_not_there_refuses(kernel: Kernel) -> None:
    nowhere = Holding(FOUR, 9999)
    assert kernel.add([nowhere], LONG) == {nowhere: errno.ENODEV}


def test_links_have_their_mac_carrier_subnets_and_arp_setting(
    kernel: Kernel, node: Station
) -> None:
    kernel.add(on_link(kernel, FOUR), LONG)
    found = link(kernel)
    assert (found.mac, found.carrier, found.arp) == (node.mac, True, True)
    assert found.subnets[:1] == (f"{node.address}/16",)
    assert "10.99.8.1/32" not in found.subnets
    assert found.answers_for_others
    node.namespace.set("net/ipv4/conf/all/arp_ignore", "1")
    node.unplug()
    wait_for(lambda: not link(kernel).carrier, SECONDS, "the carrier to be lost")
    assert not link(kernel).answers_for_others
    assert not link(kernel, "lo").answers_for_others


def test_changes_by_others_wake_us_and_our_own_do_not(kernel: Kernel, node: Station) -> None:
    both = on_link(kernel, FOUR, SIX)
    events = open_events(Namespace(node.namespace.path), kernel.port)
    try:
        kernel.add(both, LONG)
        kernel.refresh(both, LONG)
        assert not drain(events)
        node.remove("10.99.8.1/32")
        assert drain(events)
        assert not drain(events)
        node.remove("fd99::8:1/128")
        assert drain(events)
        node.add("10.99.8.7/32")
        assert drain(events)
        node.link_down()
        assert drain(events)
    finally:
        events.close()


def test_an_expired_address_wakes_us(kernel: Kernel, node: Station) -> None:
    events = open_events(Namespace(node.namespace.path), kernel.port)
    try:
        kernel.add(on_link(kernel, FOUR), 1)
        wait_for(lambda: drain(events), SECONDS, "news of its end")
        assert not node.has("10.99.8.1")
    finally:
        events.close()


def test_of_many_each_that_is_refused_is_known(kernel: Kernel) -> None:
    many = [Address(FOUR.family, FOUR.number + offset) for offset in range(300)]
    holdings = on_link(kernel, *many)
    taken = [holdings[0], holdings[150], holdings[199], holdings[299]]
    kernel.add(taken, LONG)
    assert kernel.add(holdings, LONG) == dict.fromkeys(taken, errno.EEXIST)
    assert ours(kernel) == set(many)
