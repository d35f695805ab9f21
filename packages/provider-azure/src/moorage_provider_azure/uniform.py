"""Finds addresses on Uniform scale sets, each of which shows its own only in a list of its own."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from moorage_provider import deadline
from moorage_provider.errors import MachineNotFound, Retry
from moorage_provider.protocol import CloudAddress, UnknownHolder
from moorage_provider_azure import mapping

if TYPE_CHECKING:
    from azure.mgmt.network.models import PublicIPAddress

    from moorage_provider_azure.arm import Arm

ABSENT_SECONDS = 600.0
"""For so long an address that a scale set did not have is not looked for there again.

Nobody can give it to an instance that exists: only a new instance could come with it.
"""
_SHARE_OF_TIME = 0.5


class Search:
    """Looks for addresses that are in no other list; goes on where the last search was cut off."""

    def __init__(self) -> None:
        self._absent: dict[str, dict[str, float]] = {}
        """When an address was last found to be on no instance, by address and scale set."""

    def rows(
        self, arm: Arm, missing: Collection[str]
    ) -> tuple[list[PublicIPAddress], dict[str, CloudAddress]]:
        """Their rows, and the addresses of which it stays unknown where they are.

        Takes one call and one for each scale set where any of them has not been looked for lately.
        An address that is in neither answer is on no scale set. A search that takes too long, or
        that Azure throttles, says nothing about the others.
        """
        found: list[PublicIPAddress] = []
        left = set(missing)
        self._absent = {ip: sets for ip, sets in self._absent.items() if ip in left}
        try:
            with deadline.sooner(_SHARE_OF_TIME):
                found.extend(self._search(arm, left))
        except Retry as cut_off:
            text = f"it may be on a Uniform scale set that is still to be searched: {cut_off}"
            return found, {ip: CloudAddress(ip, "", UnknownHolder(text)) for ip in left}
        return found, {}

    def _search(self, arm: Arm, left: set[str]) -> Iterator[PublicIPAddress]:
        """The rows of these addresses; removes what is found from ``left``."""
        for scale_set in arm.uniform_sets():
            name = mapping.lower(scale_set.id)
            if not any(self._is_due(ip, name) for ip in left):
                continue
            rows = [(mapping.text_of(row), row) for row in _rows_of(arm, name)]
            yield from (row for ip, row in rows if ip is None or ip in left)
            left.difference_update(ip for ip, _ in rows if ip)
            # A row that is not understood may be that of any address.
            if all(ip is not None for ip, _ in rows):
                now = time.monotonic()
                self._absent |= {ip: {**self._absent.get(ip, {}), name: now} for ip in left}

    def _is_due(self, ip: str, scale_set: str) -> bool:
        absent = self._absent.get(ip, {}).get(scale_set)
        return absent is None or time.monotonic() - absent > ABSENT_SECONDS


def _rows_of(arm: Arm, scale_set: str) -> Iterator[PublicIPAddress]:
    try:
        yield from arm.uniform_addresses(scale_set)
    except MachineNotFound:
        return  # deleted since the scale sets were listed
