"""How other allocators find an address: their algorithms, rewritten from their source.

In Python as ours is, so that the language makes no difference; theirs are written in Go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from moorage_domain.families import Family
from moorage_domain.intervals import Interval, Intervals


class GoIpam:
    """metal-stack/go-ipam v1.11.2, which the seed of machine-ipam uses.

    The used addresses of a prefix are a map of texts. It is copied when it is read and when it is
    written back; an address is looked for from the first one on, one after the other.
    """

    def __init__(self, family: Family, first: int, used: Iterable[str] = ()) -> None:
        self._family = family
        self._first = first
        self._stored = dict.fromkeys(used, True)

    def acquire(self, wanted: str = "") -> str:
        """The lowest free address, or the wanted one; ``LookupError``: that is taken."""
        used = dict(self._stored)
        number = self._first
        while True:
            text = self._text(number)
            if text not in used and wanted in {"", text}:
                used[text] = True
                self._stored = dict(used)
                return text
            if text == wanted:
                raise LookupError(f"{text} is taken")
            number += 1

    def release(self, text: str) -> None:
        """Let an address go."""
        used = dict(self._stored)
        del used[text]
        self._stored = dict(used)

    def _text(self, number: int) -> str:
        if self._family is Family.IPV4:
            return str(ipaddress.IPv4Address(number))
        return str(ipaddress.IPv6Address(number))


def claim_in_cluster(family: Family, pool: Interval, in_use: Iterable[str]) -> int:
    """The in-cluster provider of Cluster API: for every claim, a set of all in use is built."""
    taken = Intervals.of((number, number) for number in map(family.parse, in_use))
    return (Intervals.of([pool]) - taken).nth(0)
