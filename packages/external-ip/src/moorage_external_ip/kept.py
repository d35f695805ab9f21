"""Networks of the cluster itself: no Service ever gets an address of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address
from moorage_domain.ranges import AddressRange, parse_range


class Kept:
    """What settings keep, and what ServiceCIDRs and Nodes say; by who says it."""

    def __init__(self, reserved: Iterable[AddressRange]) -> None:
        """``reserved``: those of the settings."""
        said = "which --reserved-cidrs keeps for the cluster"
        self._by_user: dict[str, tuple[AddressRange, ...]] = {said: tuple(reserved)}

    def __iter__(self) -> Iterator[AddressRange]:
        for ranges in self._by_user.values():
            yield from ranges

    def set(self, user: str, ranges: Iterable[AddressRange]) -> frozenset[AddressRange]:
        """All networks that one says now; returns those that came or went."""
        before, after = self._by_user.pop(user, ()), tuple(ranges)
        if after:
            self._by_user[user] = after
        return frozenset(before) ^ frozenset(after)

    def why(self, address: Address) -> str:
        """Whose network has an address; ``""`` = none has."""
        for user, ranges in self._by_user.items():
            for one in ranges:
                if _has(one, address):
                    return f"it is in {one}, {user}"
        return ""


def of_pods(node: str) -> str:
    """Who says the networks of a Node's pods."""
    return f"the network of the pods of Node {node}"


def of_services(name: str) -> str:
    """Who says the networks of a ServiceCIDR."""
    return f"a network of the cluster's Services (ServiceCIDR {name})"


def networks(texts: Iterable[str]) -> tuple[AddressRange, ...]:
    """Those of CIDRs as the API server has them; what cannot be read is left out."""
    found = []
    for text in texts:
        try:
            found.append(parse_range(text))
        except InvalidAddress:
            continue
    return tuple(found)


def overlap(one: AddressRange, other: AddressRange) -> bool:
    """Whether two ranges have an address in common."""
    same = one.family is other.family
    return same and one.first <= other.last and other.first <= one.last


def _has(one: AddressRange, address: Address) -> bool:
    return one.family is address.family and one.first <= address.number <= one.last
