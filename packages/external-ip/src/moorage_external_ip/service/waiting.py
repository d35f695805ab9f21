"""Who waits for an address: Services of ours that lack one, the oldest in front."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from moorage_domain.families import Family
from moorage_external_ip.pool.spec import why_not_for
from moorage_external_ip.projections import Claim
from moorage_external_ip.service.wish import Mode, Service
from moorage_kube.cache.store import Change

if TYPE_CHECKING:
    from moorage_external_ip.caches import Caches

INFORMED = 3
"""So many of those that wait say when the next address comes free."""


class Waiting:
    """In order of their creation, whatever their status says: so it is the same after a restart."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._places: list[tuple[str, str, str]] = []
        self._known: dict[str, _Known] = {}
        caches.services.subscribe(self._service_changed)
        caches.claims.subscribe(self._claim_changed)

    def __len__(self) -> int:
        return len(self._places)

    def ahead_of(self, service: Service, pool: str, free: int) -> int:
        """How many older ones could have an address of a pool; not counted beyond ``free + 1``."""
        ahead = bisect.bisect_left(self._places, service.place)
        if ahead < free or not free:
            return ahead
        older = islice(self._places, ahead)
        able = (1 for _, _, key in older if self._could_have(key, pool))
        return sum(islice(able, free + 1))

    def first(self, pool: str, count: int) -> list[str]:
        """Keys of the first few that could have an address of a pool that is free.

        Where none is and one comes free by time, of those that say when.
        """
        given = self._caches.given.get(pool)
        if given is None or not self._places:
            return []
        if given.allocator.free:
            able = (key for _, _, key in self._places if self._could_have(key, pool))
            return list(islice(able, min(count, given.allocator.free)))
        if not given.quarantined:
            return []
        admitted = (key for _, _, key in self._places if self._may_have(key, pool))
        return list(islice(admitted, INFORMED))

    def count(self, pool: str) -> int:
        """How many could have an address of a pool, if it had one."""
        return sum(1 for _, _, key in self._places if self._may_have(key, pool))

    def of_namespace(self, namespace: str) -> list[str]:
        """Keys of those of one namespace."""
        return [key for _, _, key in self._places if key.startswith(f"{namespace}/")]

    def lacks(self, service: Service) -> frozenset[Family]:
        """Families of which it has no address, where any would do."""
        wish = self._caches.wish(service)
        subject = service.subject
        if wish.mode in (Mode.NONE, Mode.INPUT) or wish.problem:
            return frozenset()
        # Those would never be served, and keep others waiting.
        if subject.deleting or subject.dry_run:
            return frozenset()
        claims = self._caches.claims_of(service.subject.uid)
        has = {claim.address.family for claim in claims if claim.address}
        any_will_do = {one.family for one in wish.slots if not one.asked and not one.by_hand}
        return frozenset(any_will_do - has)

    def admits(self, service: Service, pool: str) -> bool:
        """Whether a pool may give an address to a Service by itself."""
        view = self._caches.pools.get(pool)
        if view is None or view.spec is None or view.subject.deleting:
            return False
        named = pool in service.pools
        if not named and (service.pools or not view.spec.auto_assign):
            return False
        labels = self._caches.namespaces.get(service.namespace) or {}
        return not why_not_for(view.spec, service.namespace, labels, service.labels)

    def _may_have(self, key: str, pool: str) -> bool:
        known, given = self._known[key], self._caches.given.get(pool)
        if given is None or given.spec.usable.family not in known.lacks:
            return False
        return self.admits(known.service, pool)

    def _could_have(self, key: str, pool: str) -> bool:
        """It may, and nothing else keeps it from being served: it would not take one alone."""
        if not self._may_have(key, pool):
            return False
        known = self._known[key]
        return len(known.required) < 2 or all(  # noqa: PLR2004 - with one it is that of the pool
            any(True for _ in self._free_pools(known.service, family)) for family in known.required
        )

    def _required(self, service: Service) -> frozenset[Family]:
        required = {one.family for one in self._caches.wish(service).slots if one.required}
        return self.lacks(service) & frozenset(required)

    def _free_pools(self, service: Service, family: Family) -> Iterator[str]:
        for name, given in self._caches.given.items():
            of_family = given.spec.usable.family is family and given.allocator.free
            if of_family and self.admits(service, name):
                yield name

    def _service_changed(self, change: Change[Service]) -> None:
        self._look(change.key)

    def _claim_changed(self, change: Change[Claim]) -> None:
        for claim in (change.old, change.new):
            for use in claim.uses if claim else ():
                self._look(use.key)

    def _look(self, key: str) -> None:
        service = self._caches.service(key)
        before = self._known.pop(key, None)
        lacks = self.lacks(service) if service is not None else frozenset()
        if before is not None and (service is None or not lacks or before.place != service.place):
            del self._places[bisect.bisect_left(self._places, before.place)]
            before = None
        if service is None or not lacks:
            return
        self._known[key] = _Known(service.place, service, lacks, self._required(service))
        if before is None:
            bisect.insort(self._places, service.place)


@dataclass(frozen=True, slots=True)
class _Known:
    """One that waits, as it was when it changed last."""

    place: tuple[str, str, str]
    service: Service
    lacks: frozenset[Family]
    required: frozenset[Family]
