"""Probes find who has an address, announcements move a client's cache, and others' are heard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moorage_domain.families import Address, parse_address
from moorage_node_agent.announce.frames import Heard
from moorage_node_agent.announce.network import Network
from moorage_node_agent.link.kernel import Kernel
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.namespace import Namespace
from moorage_testing.lab import Lab, Station
from moorage_testing.waiting import wait_for

SECONDS = 20.0
BOTH = ("10.99.8.1", "fd99::8:1")


class Hands:
    """What an agent has in a node's namespace."""

    def __init__(self, station: Station) -> None:
        namespace = Namespace(station.namespace.path)
        self.station = station
        self.kernel, self.network = Kernel(namespace), Network(namespace)
        self.heard: list[Heard] = []

    @property
    def link(self) -> Link:
        rows = self.kernel.addresses()
        return next(one for one in self.kernel.links(rows) if one.name == "eth0")

    def hold(self, address: Address) -> None:
        assert self.kernel.add([Holding(address, self.link.index)], 600) == {}

    def listen(self) -> list[Heard]:
        for one in self.network.sockets:
            self.heard += self.network.heard(one)
        return self.heard

    def hears(self, address: Address, mac: str) -> bool:
        return Heard(address, mac) in self.listen()

    def close(self) -> None:
        self.kernel.close()
        self.network.close()


@pytest.fixture
def nodes(lab: Lab) -> Iterator[tuple[Hands, Hands]]:
    pair = Hands(lab.node(1)), Hands(lab.node(2))
    yield pair
    for one in pair:
        one.close()


@pytest.mark.parametrize("text", BOTH)
def test_a_probe_finds_the_mac_of_who_has_the_address(
    nodes: tuple[Hands, Hands], text: str
) -> None:
    asking, other = nodes
    address = parse_address(text)
    other.hold(address)

    def answered() -> bool:
        # The kernel joins the group of a new IPv6 address a moment after it has the address.
        assert asking.network.probe(address, asking.link) == ""
        return asking.hears(address, other.station.mac)

    wait_for(answered, SECONDS, "the answer")


@pytest.mark.parametrize("text", BOTH)
def test_a_probe_of_a_free_address_is_not_answered(nodes: tuple[Hands, Hands], text: str) -> None:
    asking, other = nodes
    address, known = parse_address(text), parse_address("10.99.0.2")
    assert asking.network.probe(address, asking.link) == ""
    assert asking.network.probe(known, asking.link) == ""
    wait_for(lambda: asking.hears(known, other.station.mac), SECONDS, "a later answer")
    assert [one for one in asking.heard if one.address == address] == []


@pytest.mark.parametrize("text", BOTH)
def test_an_announcement_moves_the_client_at_once(
    lab: Lab, nodes: tuple[Hands, Hands], text: str
) -> None:
    old, new = nodes
    address = parse_address(text)
    old.hold(address)
    with old.station.echo(7001), new.station.echo(7001):
        wait_for(
            lambda: lab.client.answers(text, 7001) == ["node1"], SECONDS, "the first to answer"
        )
        old.kernel.remove([Holding(address, old.link.index)])
        new.hold(address)
        assert lab.client.neighbour(text) == old.station.mac
        assert new.network.announce(address, new.link) == ""
        moved = lambda: lab.client.neighbour(text) == new.station.mac  # noqa: E731 - read once
        wait_for(moved, SECONDS, "the client's cache to move")
        wait_for(lambda: lab.client.answers(text, 7001) == ["node2"], SECONDS, "the next to answer")


@pytest.mark.parametrize("text", BOTH)
def test_another_holder_hears_an_announcement(nodes: tuple[Hands, Hands], text: str) -> None:
    listening, other = nodes
    address = parse_address(text)
    assert other.network.announce(address, other.link) == ""
    wait_for(lambda: listening.hears(address, other.station.mac), SECONDS, "the announcement")


@pytest.mark.parametrize("text", BOTH)
def test_a_link_that_is_down_says_why_nothing_is_sent(
    nodes: tuple[Hands, Hands], text: str
) -> None:
    one = nodes[0]
    link = one.link
    one.station.link_down()
    assert one.network.announce(parse_address(text), link) != ""


def test_a_link_made_again_under_its_name_is_used(nodes: tuple[Hands, Hands]) -> None:
    one, other = nodes
    namespace, known = one.station.namespace, parse_address("10.99.0.2")

    def made() -> Link:
        namespace.ip("link", "add", "m0", "link", "eth0", "type", "macvlan", "mode", "bridge")
        namespace.ip("link", "set", "m0", "up")
        return next(link for link in one.kernel.links(()) if link.name == "m0")

    first = made()
    namespace.ip("link", "del", "m0")
    second = made()
    try:
        assert first.index != second.index
        assert one.network.probe(known, first) == ""
        wait_for(lambda: one.hears(known, other.station.mac), SECONDS, "the answer")
    finally:
        namespace.ip("link", "del", "m0")
