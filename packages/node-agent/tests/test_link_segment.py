"""Two links of a node on one segment: two MACs answer, it is seen, and the named fix cures it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moorage_domain.families import parse_address
from moorage_node_agent.link.choose import problem_of
from moorage_node_agent.link.kernel import Kernel
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.namespace import Namespace
from moorage_testing.lab import Lab, Station
from moorage_testing.waiting import wait_for

SECONDS = 20.0
FOUR, SIX = "10.99.8.1", "fd99::8:1"
SECOND_MAC = "02:99:00:00:01:01"


@pytest.fixture
def node(lab: Lab) -> Iterator[Station]:
    """With a second link on the segment, and an address on it."""
    station = lab.node(1)
    ip = station.namespace.ip
    kind = ("type", "macvlan", "mode", "bridge")
    try:
        ip("link", "add", "m0", "link", "eth0", "address", SECOND_MAC, *kind)
    except OSError as error:
        pytest.skip(f"no macvlan here: {error}")
    ip("link", "set", "m0", "up")
    ip("address", "add", "10.99.0.51/16", "dev", "m0")
    yield station
    ip("link", "del", "m0")


@pytest.fixture
def kernel(node: Station) -> Iterator[Kernel]:
    kernel = Kernel(Namespace(node.namespace.path))
    yield kernel
    kernel.close()


def problem(kernel: Kernel) -> str:
    links = kernel.links(kernel.addresses())
    return problem_of(_eth0(links), links)


def _eth0(links: tuple[Link, ...]) -> Link:
    return next(one for one in links if one.name == "eth0")


def test_both_links_answer_by_arp_until_arp_ignore_is_set(
    lab: Lab, node: Station, kernel: Kernel
) -> None:
    index = _eth0(kernel.links(())).index
    assert kernel.add([Holding(parse_address(FOUR), index)], 600) == {}
    assert lab.client.who_has(FOUR) == {node.mac, SECOND_MAC}
    assert problem(kernel) == (
        "m0 is on the same segment and would answer for its addresses:"
        " set net.ipv4.conf.all.arp_ignore=1"
    )
    node.namespace.set("net/ipv4/conf/all/arp_ignore", "1")
    assert lab.client.who_has(FOUR) == {node.mac}
    assert problem(kernel) == ""


def test_by_neighbour_discovery_only_the_link_that_has_it_answers(
    lab: Lab, node: Station, kernel: Kernel
) -> None:
    index = _eth0(kernel.links(())).index
    assert kernel.add([Holding(parse_address(SIX), index)], 600) == {}
    wait_for(lambda: lab.client.who_has(SIX) == {node.mac}, SECONDS, "one answer")


def test_an_address_on_lo_is_answered_by_every_link_until_arp_ignore_is_set(
    lab: Lab, node: Station, kernel: Kernel
) -> None:
    lo = next(one.index for one in kernel.links(()) if one.name == "lo")
    both = [Holding(parse_address(text), lo) for text in (FOUR, SIX)]
    assert kernel.add(both, 600) == {}
    assert lab.client.who_has(FOUR) == {node.mac, SECOND_MAC}
    assert lab.client.who_has(SIX) == frozenset()
    node.namespace.set("net/ipv4/conf/all/arp_ignore", "1")
    assert lab.client.who_has(FOUR) == frozenset()
