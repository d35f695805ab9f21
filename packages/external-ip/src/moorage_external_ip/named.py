"""Addresses that objects name: they are in use, whatever the records say."""

from __future__ import annotations

from collections.abc import Iterable

from moorage_domain.families import Address
from moorage_ipam.pools import Pools


class Named:
    """Keeps what claims, Services and nodes name from being given, from the first moment on.

    So nobody is served before what others have is known: all caches are filled before the first
    address is given, and a Service that has an address keeps it also where its record is lost.
    An address on a link is one address: it is in use in the networks of all pools.
    """

    def __init__(self, given: Pools) -> None:
        self._given = given
        self._networks: set[str] = set()
        self._by_user: dict[str, frozenset[Address]] = {}

    def add_network(self, network: str) -> None:
        """A pool of this network is there."""
        if network in self._networks:
            return
        self._networks.add(network)
        for user, addresses in self._by_user.items():
            for address in addresses:
                self._given.use(network, address, user)

    def set(self, user: str, addresses: Iterable[Address]) -> None:
        """All that an object names now; ``user`` is any name of it."""
        before, after = self._by_user.pop(user, frozenset()), frozenset(addresses)
        if after:
            self._by_user[user] = after
        for network in self._networks:
            for address in after - before:
                self._given.use(network, address, user)
            for address in before - after:
                self._given.let_go(network, address, user)
