"""Links of a node, and addresses on them, as values."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from moorage_domain.families import Address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = "lo"
# With these values of arp_ignore a link answers for addresses of its own only, or for none:
# Documentation/networking/ip-sysctl of the kernel.
_OWN_ONLY = (1, 2, 8)


@dataclass(frozen=True, slots=True)
class Link:
    """One link as it is now.

    Attributes:
        index: changes when the link is made again under its name.
        mac: as in ``02:00:00:00:00:01``; ``""`` = it has none.
        carrier: it is up, and so is its cable.
        arp: neighbours find each other by ARP and neighbour discovery on it.
        arp_ignore: the kernel's setting in force: that of the link or that of all links, whichever
            is larger.
        subnets: the addresses that are not ours, with their lengths, as in ``10.0.0.5/24``; without
            those that are valid on the link only.
    """

    index: int
    name: str
    mac: str = ""
    carrier: bool = True
    arp: bool = True
    arp_ignore: int = 0
    subnets: tuple[str, ...] = ()

    @property
    def answers_for_others(self) -> bool:
        """Whether it answers ARP for addresses that other links of the node have."""
        return self.name != LOOPBACK and self.arp and self.arp_ignore not in _OWN_ONLY

    def networks(self) -> tuple[Network, ...]:
        """Its subnets, without those that hold one address only."""
        found = (ipaddress.ip_interface(one).network for one in self.subnets)
        return tuple(one for one in found if one.prefixlen < one.max_prefixlen)


@dataclass(frozen=True, slots=True)
class Holding:
    """An address on a link.

    Attributes:
        index: of the link.
    """

    address: Address
    index: int


@dataclass(frozen=True, slots=True)
class Row:
    """An address as the kernel lists it.

    Attributes:
        length: of its prefix.
        ours: it has our tag.
    """

    address: Address
    length: int
    index: int
    ours: bool

    @property
    def link_local(self) -> bool:
        """Whether it means something on its own link only."""
        return ipaddress.ip_address(str(self.address)).is_link_local

    @property
    def holding(self) -> Holding:
        """The address and its link."""
        return Holding(self.address, self.index)
