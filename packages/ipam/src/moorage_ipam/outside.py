"""What a pool has in use, also where its ranges no longer have it; by changes of records."""

from __future__ import annotations

from collections.abc import Set

from moorage_domain.subnets import UsableSet
from moorage_ipam.pool_spec import PoolSpec
from moorage_ipam.records import Phase, PoolRef, Record
from moorage_kube.cache.store import Change, Index, Store


def pool_in_use(record: Record) -> tuple[PoolRef, ...]:
    """For an index: the pool of an address that is not released."""
    return (record.pool,) if record.pool and record.phase is not Phase.QUARANTINED else ()


class Outside:
    """Which addresses of a pool are in use although its ranges no longer have them.

    Kept true by each change of a record; a pool is gone through only where it was edited.
    """

    def __init__(self, records: Store[Record], by_pool: Index[Record]) -> None:
        self._records = records
        self._by_pool = by_pool
        self._known: dict[PoolRef, tuple[UsableSet, set[str]]] = {}
        records.subscribe(self._record_changed)

    def names(self, pool: PoolSpec) -> Set[str]:
        """Names of the records; a view."""
        known = self._known.get(pool.ref)
        if known is None or known[0] != pool.usable:
            every = self._by_pool.get(pool.ref)
            names = {one for one in every if _is_outside(self._records.get(one), pool.usable)}
            known = self._known[pool.ref] = (pool.usable, names)
        return known[1]

    def forget(self, ref: PoolRef) -> None:
        """The pool is gone."""
        self._known.pop(ref, None)

    def _record_changed(self, change: Change[Record]) -> None:
        for one in (change.old, change.new):
            known = self._known.get(one.pool) if one and one.pool else None
            if known is not None and one is not None:
                usable, names = known
                is_there = one is change.new and _is_outside(one, usable)
                (names.add if is_there else names.discard)(change.key)


def _is_outside(record: Record | None, usable: UsableSet) -> bool:
    if record is None:
        return False
    address = record.address
    return address.family is not usable.family or address.number not in usable
