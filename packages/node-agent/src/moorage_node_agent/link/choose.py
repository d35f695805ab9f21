"""Which link gets an address, and what is wrong with the links; pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from moorage_domain.families import Address, Family
from moorage_domain.link_patterns import InvalidPattern, link_pattern
from moorage_node_agent.link.model import LOOPBACK, Link

MOST_LINKS = 32
"""So many links are named in the Lease."""
_FIX = "set net.ipv4.conf.all.arp_ignore=1"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which link is wanted; without any of these, the one whose subnet has the address.

    Attributes:
        name: of the link; ``""`` = any.
        pattern: a regular expression for its whole name; ``""`` = any.
        loopback: the address goes to ``lo`` and is not announced.
    """

    name: str = ""
    pattern: str = ""
    loopback: bool = False


@dataclass(frozen=True, slots=True)
class NoLink:
    """Why no link can have the address.

    Attributes:
        refused: the node is set up so that the address would do harm; else a link is missing.
    """

    message: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Subnet:
    """A link's subnet, prepared for comparing thousands of addresses with it."""

    family: Family
    first: int
    last: int
    length: int
    link: Link

    def has(self, address: Address) -> bool:
        """Whether the address is one of it."""
        return address.family is self.family and self.first <= address.number <= self.last


class Candidates:
    """The links of a node, prepared once for the choices of many addresses.

    Attributes:
        links: all of them.
        subnets: of all links but ``lo``.
    """

    def __init__(self, links: tuple[Link, ...]) -> None:
        self.links = links
        usable = [link for link in links if link.name != LOOPBACK]
        self.subnets = tuple(
            Subnet(
                Family(one.max_prefixlen),
                int(one.network_address),
                int(one.broadcast_address),
                one.prefixlen,
                link,
            )
            for link in usable
            if link.subnets
            for one in link.networks()
        )
        self._by_name = {link.name: (link,) for link in usable}
        self._by_pattern: dict[str, tuple[Link, ...] | NoLink] = {}

    def named(self, wish: Wish) -> tuple[Link, ...] | NoLink:
        """The links of the wished name; why there is none."""
        if wish.name:
            return self._by_name.get(wish.name) or NoLink(
                f"no link of the node is called {wish.name}"
            )
        if wish.pattern not in self._by_pattern:
            self._by_pattern[wish.pattern] = self._matching(wish.pattern)
        return self._by_pattern[wish.pattern]

    def longest(self, address: Address) -> dict[str, int]:
        """The length of the longest subnet with the address, by the name of each such link."""
        found: dict[str, int] = {}
        for one in self.subnets:
            if one.has(address):
                found[one.link.name] = max(one.length, found.get(one.link.name, -1))
        return found

    def _matching(self, pattern: str) -> tuple[Link, ...] | NoLink:
        try:
            fits = link_pattern(pattern).fullmatch
        except InvalidPattern as error:
            return NoLink(f"interfacePattern: {error}")
        found = tuple(one for name, links in self._by_name.items() if fits(name) for one in links)
        return found or NoLink(f"no link of the node is called {pattern}")


def choose(address: Address, wish: Wish, candidates: Candidates) -> Link | NoLink:
    """The link for an address, or why there is none now."""
    lengths = candidates.longest(address)
    if wish.loopback:
        return _loopback(address, lengths, candidates)
    named: tuple[Link, ...] | NoLink = tuple(
        {one.link.name: one.link for one in candidates.subnets if one.link.name in lengths}.values()
    )
    if wish.name or wish.pattern:
        named = candidates.named(wish)
    elif not named:
        return NoLink(f"no link of the node has a subnet with {address}")
    if isinstance(named, NoLink):
        return named
    best = min(named, key=lambda one: (-lengths.get(one.name, -1), not one.carrier, one.name))
    if not best.carrier:
        return NoLink(f"{best.name} has no carrier")
    return best if best.arp else NoLink(f"{best.name} has neither ARP nor neighbour discovery")


def problem_of(link: Link, links: tuple[Link, ...]) -> str:
    """What makes it unsafe to announce an address on a link, with the fix; ``""`` = nothing.

    Another link on the same segment that answers for every address of the node would be a second
    MAC for each of them.
    """
    own = _ipv4(link)
    for other in links:
        if other.index == link.index or not other.carrier or not other.answers_for_others:
            continue
        if any(one.overlaps(two) for one in own for two in _ipv4(other)):
            return f"{other.name} is on the same segment and would answer for its addresses: {_FIX}"
    return ""


def for_lease(links: tuple[Link, ...]) -> tuple[Link, ...]:
    """The links that can have addresses, those with a subnet first; no more than are written."""
    able = (link for link in links if link.arp)
    return tuple(sorted(able, key=lambda one: (not one.subnets, one.name))[:MOST_LINKS])


def _ipv4(link: Link) -> tuple[ipaddress.IPv4Network, ...]:
    """Neighbour discovery answers for addresses of the link that was asked, and no others."""
    return tuple(one for one in link.networks() if isinstance(one, ipaddress.IPv4Network))


def _loopback(
    address: Address, lengths: Mapping[str, int], candidates: Candidates
) -> Link | NoLink:
    """``lo``, unless another link would answer ARP for it (neighbour discovery never does)."""
    for link in candidates.links:
        answers = address.family is Family.IPV4 and link.answers_for_others
        if answers and link.name in lengths:
            message = f"{link.name} would answer for {address} on its own segment: {_FIX}"
            return NoLink(message, refused=True)
    found = next((link for link in candidates.links if link.name == LOOPBACK), None)
    return found or NoLink("the node has no link lo")
