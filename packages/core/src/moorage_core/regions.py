"""Regions of clouds that allocations name, and which of them come first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from moorage_core.caches import addresses_of
from moorage_core.holders import claim_of
from moorage_core.projections import AllocationView
from moorage_core.scopes import Region
from moorage_domain.claims import Claim


def by_age(views: Iterable[AllocationView], why_not: Callable[[str, str], str]) -> list[Region]:
    """The regions of allocations that have addresses, that of the oldest allocation first.

    Nobody can write when an object was created, so nobody comes before those that are there.
    ``why_not``: why a region may not be called at all, ``""`` = it may.
    """
    oldest: dict[Region, Claim] = {}
    for view in views:
        allocation = view.allocation
        hopeless = not allocation.provider or (allocation.problem and not allocation.deleting)
        if hopeless or not addresses_of(view):
            continue
        region, claim = (allocation.provider, allocation.region), claim_of(allocation)
        if region not in oldest or claim < oldest[region]:
            oldest[region] = claim
    return sorted((one for one in oldest if not why_not(*one)), key=oldest.__getitem__)
