"""Remembers on which interface of its instance an address is: Google's row names the instance."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from moorage_provider import deadline
from moorage_provider.errors import CloudError
from moorage_provider.protocol import CloudAddress, MachineHolder

LOOKS_PER_READ = 3
"""So many holders are looked up at each read: each is a call."""
TRUSTED_SECONDS = 60.0
"""For so long nobody looks again: people may move an address between interfaces by hand."""
MOST_PLACES = 16_384
_SHARE_OF_TIME = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an address was when it was last looked at.

    Attributes:
        looked_at: in seconds of the monotonic clock.
        beside: the other interface that has it, for people; ``""`` = it is on the own one.
    """

    looked_at: float
    beside: str = ""

    @property
    def is_due(self) -> bool:
        return bool(self.beside) or time.monotonic() - self.looked_at >= TRUSTED_SECONDS


_NEVER = _Place(float("-inf"))


class Places:
    """The places of addresses on instances; safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Place] = {}
        """By address and instance."""

    def put(self, ip: str, machine_id: str) -> None:
        """An address is being put on the own interface of an instance."""
        self._known[ip, machine_id] = _Place(time.monotonic())

    def taken(self, ip: str, machine_id: str) -> None:
        """An address is being taken off an instance."""
        self._known.pop((ip, machine_id), None)

    def shown(
        self, found: Mapping[str, CloudAddress], beside: Callable[[CloudAddress], str]
    ) -> dict[str, CloudAddress]:
        """These addresses, with the places of those that are beside the own interface.

        A few of them are looked up, first those that never were, then those that were longest ago.
        Until then an address is where it was last seen, or in its place.

        Args:
            found: as their rows describe them.
            beside: which other interface than the own one has an address, ``""`` = none. What it
                raises is raised only where the address was never looked up.
        """
        if len(self._known) > MOST_PLACES:
            self._known.clear()
        due = [one for one in found.values() if _key(one) and self._place(one).is_due]
        due.sort(key=lambda one: self._place(one).looked_at)
        with deadline.sooner(_SHARE_OF_TIME):
            for address in due[:LOOKS_PER_READ]:
                self._look(address, beside)
        return {**found, **{one.ip: one for one in self._misplaced(found)}}

    def _look(self, address: CloudAddress, beside: Callable[[CloudAddress], str]) -> None:
        key, before = _key(address), self._place(address)
        if key is None:
            return
        try:
            where = beside(address)
        except CloudError as error:
            if before is _NEVER:
                raise
            _log.debug("cannot look which interface has %s: %s", address.ip, error)
            where = before.beside
        self._known[key] = _Place(time.monotonic(), where)

    def _misplaced(self, found: Mapping[str, CloudAddress]) -> Iterator[CloudAddress]:
        for address in found.values():
            where = self._place(address).beside
            if where and isinstance(address.holder, MachineHolder):
                yield replace(address, holder=replace(address.holder, misplaced=where))

    def _place(self, address: CloudAddress) -> _Place:
        key = _key(address)
        return self._known.get(key, _NEVER) if key else _NEVER


def _key(address: CloudAddress) -> tuple[str, str] | None:
    holder = address.holder
    return (address.ip, holder.machine_id) if isinstance(holder, MachineHolder) else None
