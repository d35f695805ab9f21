"""Which link gets an address, and which links would do harm."""

from __future__ import annotations

import pytest

from moorage_domain.families import parse_address
from moorage_node_agent.link.choose import (
    MOST_LINKS,
    Candidates,
    NoLink,
    Wish,
    choose,
    for_lease,
    problem_of,
)
from moorage_node_agent.link.model import Link

LO = Link(1, "lo", arp=False, subnets=("127.0.0.1/8", "::1/128"))
ETH0 = Link(2, "eth0", "02:00:00:00:00:01", subnets=("10.0.0.1/16",))
ETH1 = Link(3, "eth1", "02:00:00:00:00:02", subnets=("10.0.7.1/24", "fd00::1/64"))
BARE = Link(4, "eth2", "02:00:00:00:00:03")
ALL = (LO, ETH0, ETH1, BARE)


@pytest.mark.parametrize(
    ("address", "wish", "expected"),
    [
        ("10.0.1.1", Wish(), "eth0"),
        ("10.0.7.9", Wish(), "eth1"),  # the longest subnet
        ("fd00::9", Wish(), "eth1"),
        ("10.0.7.9", Wish(name="eth0"), "eth0"),
        ("192.0.2.1", Wish(name="eth2"), "eth2"),  # routed: the link needs no subnet
        ("10.0.7.9", Wish(pattern="eth[02]"), "eth0"),  # of those, the one with the subnet
        ("192.0.2.1", Wish(pattern="eth[12]"), "eth1"),
    ],
)
def test_the_link_is_chosen_by_name_pattern_or_subnet(
    address: str, wish: Wish, expected: str
) -> None:
    found = choose(parse_address(address), wish, Candidates(ALL))
    assert isinstance(found, Link)
    assert found.name == expected


@pytest.mark.parametrize(
    ("address", "wish", "words"),
    [
        ("192.0.2.1", Wish(), "no link of the node has a subnet with 192.0.2.1"),
        ("127.0.0.9", Wish(), "no link of the node has a subnet"),
        ("10.0.1.1", Wish(name="eth9"), "no link of the node is called eth9"),
        ("10.0.1.1", Wish(name="lo"), "no link of the node is called lo"),
        ("10.0.1.1", Wish(pattern="("), "no pattern for links"),
        ("10.0.1.1", Wish(pattern="eth"), "no link of the node is called eth"),
    ],
)
def test_without_a_link_it_says_why(address: str, wish: Wish, words: str) -> None:
    found = choose(parse_address(address), wish, Candidates(ALL))
    assert isinstance(found, NoLink)
    assert words in found.message
    assert not found.refused


def test_a_single_address_is_no_subnet() -> None:
    host = Link(2, "eth0", "02:00:00:00:00:01", subnets=("10.0.0.7/32",))
    assert isinstance(choose(parse_address("10.0.0.7"), Wish(), Candidates((host,))), NoLink)


def test_a_second_link_on_the_segment_that_answers_for_all_is_a_problem() -> None:
    assert "eth0 is on the same segment" in problem_of(ETH1, ALL)
    assert "arp_ignore=1" in problem_of(ETH1, ALL)
    assert problem_of(BARE, ALL) == ""


@pytest.mark.parametrize(
    ("setting", "safe"), [(0, False), (1, True), (2, True), (3, False), (8, True)]
)
def test_arp_ignore_cures_it(setting: int, safe: bool) -> None:  # noqa: FBT001 - a column of the table
    other = Link(2, "eth0", "02:00:00:00:00:01", arp_ignore=setting, subnets=("10.0.0.1/16",))
    assert (problem_of(ETH1, (LO, other, ETH1)) == "") is safe
    loopback = choose(parse_address("10.0.1.1"), Wish(loopback=True), Candidates((LO, other)))
    assert (loopback == LO) is safe
    if not safe:
        assert isinstance(loopback, NoLink)
        assert loopback.refused


def test_a_link_without_carrier_answers_nobody() -> None:
    other = Link(2, "eth0", "02:00:00:00:00:01", carrier=False, subnets=("10.0.0.1/16",))
    assert problem_of(ETH1, (LO, other, ETH1)) == ""


def test_no_more_links_are_named_than_the_lease_may_have() -> None:
    pods = tuple(Link(10 + n, f"a-veth{n}", f"02:00:00:00:01:{n:02x}") for n in range(100))
    found = for_lease((*pods, *ALL))
    assert len(found) == MOST_LINKS
    assert found[:2] == (ETH0, ETH1)
    assert LO not in found
