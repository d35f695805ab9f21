"""Reads reservations in bulk: blocking calls, made in a worker thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from moorage_provider.protocol import CloudAddress, Labels
from moorage_provider.rows import selected_by, understood
from moorage_provider_gcp import mapping

if TYPE_CHECKING:
    from moorage_provider_gcp.compute import Compute


def snapshot(
    gce: Compute, addresses: Collection[str], region: str, selectors: Collection[Labels] = ()
) -> Mapping[str, CloudAddress]:
    """These reserved addresses and those with such labels, read by one list of all.

    A single address is listed by a filter.
    """
    if not addresses and not selectors:
        return {}
    wanted = set(addresses)
    # We do not guess how Google spells an IPv6 address.
    if len(wanted) == 1 and not selectors and not any(":" in ip for ip in wanted):
        listed = gce.addresses(region, gce.project, *wanted)
        if found := understood(listed, wanted, mapping.ip, mapping.address):
            return found
        # No filter finds a row with another text than is expected, so this says nothing yet.
    listed = gce.addresses(region, gce.project)
    selected = selected_by(selectors, mapping.labels)
    return understood(listed, wanted, mapping.ip, mapping.address, selected)
