"""Of Services with one sharing key that come together, the first gets an address for all."""

from __future__ import annotations

import time

from moorage_ipam.allocations import AddressTaken

LONGEST_SECONDS = 30.0
"""Whoever has not got it by then holds up nobody else."""


class FirstOfKey:
    """Which Service is getting an address for a sharing key; in this process.

    Else each of them would see that nobody has one yet, and all would get one of their own.
    """

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, float]] = {}

    def begin(self, key: str, uid: str) -> None:
        """The Service takes one now. Raises :class:`AddressTaken` while another one does."""
        first, since = self._first.get(key, (uid, 0.0))
        if first != uid and time.monotonic() - since < LONGEST_SECONDS:
            raise AddressTaken(f"another Service with the sharing key {key!r} is getting one")
        if first != uid or key not in self._first:
            self._first[key] = (uid, time.monotonic())

    def end(self, uid: str) -> None:
        """It has it, or does not want it any more: the others look what there is to share."""
        for key in [key for key, (first, _) in self._first.items() if first == uid]:
            del self._first[key]
