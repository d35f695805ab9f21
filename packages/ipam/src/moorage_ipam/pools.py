"""Pools: which addresses each one can give away, kept true by all that uses an address."""

from __future__ import annotations

import bisect
from collections.abc import Callable, ItemsView
from dataclasses import dataclass, field

from moorage_domain.allocator import Allocator, Dice
from moorage_domain.families import Address
from moorage_ipam.pool_spec import PoolSpec
from moorage_ipam.records import Phase, Record, record_name
from moorage_ipam.times import epoch_of
from moorage_kube.cache.store import Change, Index, Store


@dataclass(slots=True)
class Pool:
    """One pool, and what is in use of it.

    Attributes:
        quarantined: epoch seconds of the release and name of the released records, the one that
            was released first in front.
    """

    spec: PoolSpec
    allocator: Allocator
    quarantined: list[tuple[float, str]] = field(default_factory=list)

    def has(self, address: Address) -> bool:
        """Whether it may give this address to anybody."""
        return address.family is self.spec.usable.family and address.number in self.spec.usable


class Pools:
    """All pools by key, and who uses which address.

    An address is taken in every pool of its network that has it, as long as somebody uses it: its
    record, an object that names it, or a write of ours whose answer is not known. It is taken
    before its record is asked for, and no cache that does not show the record yet gives it back.
    """

    def __init__(self, records: Store[Record], dice: Dice) -> None:
        self._records = records
        self._dice = dice
        self._pools: dict[str, Pool] = {}
        self._by_network: dict[str, dict[str, Pool]] = {}
        self._users: dict[str, dict[Address, set[str]]] = {}
        self._listeners: list[Callable[[str], None]] = []
        self._by_address = Index(
            records, lambda one: ((one.network, address) for address in one.addresses)
        )
        for name, record in records.items():
            self._record_changed(Change(name, None, record))
        records.subscribe(self._record_changed)

    def get(self, key: str) -> Pool | None:
        """The pool; ``None``: there is none, or its ranges make no sense."""
        return self._pools.get(key)

    def items(self) -> ItemsView[str, Pool]:
        """All pools by key; a view."""
        return self._pools.items()

    def overlapping(self, key: str) -> tuple[str, ...]:
        """Keys of other pools of its network that have an address in common with this one."""
        pool = self._pools.get(key)
        if pool is None:
            return ()
        return tuple(
            other
            for other, one in sorted(self._by_network[pool.spec.network].items())
            if other != key and one.spec.usable.ranges.overlaps(pool.spec.usable.ranges)
        )

    def subscribe(self, listener: Callable[[str], None]) -> None:
        """Call with the key of each pool of which something came free, or was taken."""
        self._listeners.append(listener)

    def put(self, key: str, spec: PoolSpec) -> None:
        """A pool is there, or was edited: what is in use stays so, inside or outside of it."""
        known = self._pools.get(key)
        if known is not None and known.spec == spec:
            return
        pool = Pool(spec, Allocator(spec.usable, self._dice))
        if known is not None:
            pool.allocator.cursor = known.allocator.cursor
        for address in self._users.get(spec.network, ()):
            if pool.has(address):
                pool.allocator.take(address.number)
        pool.quarantined = sorted(
            _entry(record)
            for record in self._records.values()
            if record.phase is Phase.QUARANTINED
            and record.network == spec.network
            and pool.has(record.address)
        )
        self.remove(key)
        self._pools[key] = self._by_network.setdefault(spec.network, {})[key] = pool
        self._notify(key)

    def remove(self, key: str) -> None:
        """The pool is gone; who uses its addresses goes on."""
        known = self._pools.pop(key, None)
        if known is not None:
            del self._by_network[known.spec.network][key]

    def records_of(self, network: str, address: Address) -> tuple[Record, ...]:
        """The records that keep others from an address, that of the address's own name first."""
        names = self._by_address.get((network, address))
        own = record_name(network, address)
        found = (self._records.get(name) for name in sorted(names, key=lambda one: one != own))
        return tuple(record for record in found if record is not None)

    def first_released(self, pool: Pool) -> Record | None:
        """The record that was released first, of those whose address nobody else names."""
        released = (self._records.get(name) for _, name in pool.quarantined)
        alone = (one for one in released if one and len(self.users(one.network, one.address)) == 1)
        return next(alone, None)

    def choose(self, pool: Pool, user: str, owner_name: str) -> Address | None:
        """Take the next free address; ``None``: there is none. ``owner_name``: see ``HASH``."""
        found = pool.allocator.allocate(pool.spec.strategy, owner_name)
        if found is None:
            return None
        address = Address(pool.spec.usable.family, found)
        self.use(pool.spec.network, address, user)
        return address

    def is_used(self, network: str, address: Address) -> bool:
        """Whether anybody uses it."""
        return address in self._users.get(network, ())

    def users(self, network: str, address: Address) -> frozenset[str]:
        """Who uses it, by the names they gave."""
        return frozenset(self._users.get(network, {}).get(address, ()))

    def use(self, network: str, address: Address, user: str) -> None:
        """Somebody uses this address, and perhaps others do; ``user`` is any name of it."""
        users = self._users.setdefault(network, {}).setdefault(address, set())
        if user in users:
            return
        users.add(user)
        for key, pool in self._having(network, address):
            pool.allocator.take(address.number)
            self._notify(key)

    def let_go(self, network: str, address: Address, user: str) -> None:
        """Somebody uses it no more; it is free once nobody does."""
        addresses = self._users.get(network, {})
        users = addresses.get(address, set())
        users.discard(user)
        if users:
            return
        addresses.pop(address, None)
        for key, pool in self._having(network, address):
            pool.allocator.release(address.number)
            self._notify(key)

    def _record_changed(self, change: Change[Record]) -> None:
        old, new = change.old, change.new
        user = f"IPAllocation {change.key}"
        if old is not None and old.phase is Phase.QUARANTINED:
            self._quarantine(old, there=False)
        before, after = _used(old), _used(new)
        for network, address in after - before:
            self.use(network, address, user)
        for network, address in before - after:
            self.let_go(network, address, user)
        if new is not None and new.phase is Phase.QUARANTINED:
            self._quarantine(new, there=True)

    def _quarantine(self, record: Record, *, there: bool) -> None:
        entry = _entry(record)
        for key, pool in self._having(record.network, record.address):
            place = bisect.bisect_left(pool.quarantined, entry)
            known = pool.quarantined[place : place + 1] == [entry]
            if there and not known:
                pool.quarantined.insert(place, entry)
            elif known and not there:
                del pool.quarantined[place]
            self._notify(key)

    def _having(self, network: str, address: Address) -> list[tuple[str, Pool]]:
        """Pools that may give this address away, with their keys."""
        return [
            (key, pool)
            for key, pool in self._by_network.get(network, {}).items()
            if pool.has(address)
        ]

    def _notify(self, key: str) -> None:
        for listener in self._listeners:
            listener(key)


def _entry(record: Record) -> tuple[float, str]:
    return epoch_of(record.since) or 0.0, record.name


def _used(record: Record | None) -> set[tuple[str, Address]]:
    """What a record keeps others from."""
    return {(record.network, one) for one in record.addresses} if record else set()
