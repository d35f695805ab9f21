"""Caches: what is kept of all objects, with an index for every question that is asked."""

from __future__ import annotations

import random
from collections.abc import Hashable, Iterable, Iterator
from contextlib import suppress

from moorage_api.ippool import IPPOOLS
from moorage_domain.addresses import InvalidAddress
from moorage_domain.allocator import Strategy
from moorage_domain.families import Address, parse_address
from moorage_domain.ranges import AddressRange, parse_range
from moorage_domain.subnets import usable
from moorage_ipam.outside import pool_in_use
from moorage_ipam.pool_logic import PoolRecords
from moorage_ipam.pool_spec import PoolSpec
from moorage_ipam.pools import Pools
from moorage_ipam.records import PoolRef, Record, record_of
from moorage_kube.cache.store import Change, Index, Store
from moorage_machine_ipam.projections import (
    Aliases,
    Claim,
    IpAddress,
    PoolView,
    claim_of,
    cluster_paused,
    gone_uid,
    ip_address_of,
    pool_of,
)
from moorage_machine_ipam.waiters import Waiters


class Caches:
    """All stores and indexes, and the pools that follow from them."""

    def __init__(self, aliases: Aliases) -> None:
        self.claims: Store[Claim] = Store(lambda raw: claim_of(raw, aliases))
        self.addresses: Store[IpAddress] = Store(lambda raw: ip_address_of(raw, aliases))
        self.pools: Store[PoolView] = Store(pool_of)
        self.clusters: Store[bool] = Store(cluster_paused)
        self.records: Store[Record] = Store(record_of)
        self.claims_by_pool = Index(self.claims, lambda claim: (claim.pool_key,))
        self.claims_by_cluster = Index(self.claims, lambda claim: (claim.cluster_key,))
        self.addresses_by_pool = Index(
            self.addresses, lambda one: (one.pool_key,) if one.pool_name else ()
        )
        self.records_by_owner_uid = Index(self.records, _owner_uid)
        self.records_by_owner = Index(self.records, _owner_key)
        self.records_by_pool = Index(self.records, lambda one: (one.pool,) if one.pool else ())
        self.bound_by_pool = Index(self.records, pool_in_use)
        self.records_by_cluster = Index(
            self.records,
            lambda one: (one.owner.cluster_key,) if one.owner and one.owner.cluster else (),
        )
        self.pools_by_kept = Index(self.pools, _kept)
        self.claims_by_request = Index(
            self.claims, lambda claim: (claim.asks_for,) if claim.asks_for else ()
        )
        self.addresses_by_address = Index(
            self.addresses, lambda one: (one.address,) if one.address else ()
        )
        self.waiters = Waiters(self.claims, self._can_be_served)
        # Strategy "random" spreads addresses; nobody is to be kept from guessing them.
        self.given = Pools(self.records, random.Random())  # noqa: S311  # spreads load only
        self.pool_records = PoolRecords(
            self.given, self.records, self.records_by_pool, self.bound_by_pool
        )
        self.moved: set[str] = set()
        """Uids of claims that are on their way to another cluster.

        Their IPAddresses, and they themselves, may be gone before anything was done about them.
        """
        self.untold: set[str] = set()
        """Uids of claims that were given an address of which nobody was told yet.

        Such a claim may go without a finalizer of ours, and nobody can use what it was given.
        """
        self.problems: dict[str, str] = {}
        """Why a pool gives nothing away, by its key."""
        self._named: dict[str, tuple[str, Address]] = {}
        self.pools.subscribe(self._pool_changed)
        self.addresses.subscribe(self._address_changed)
        self.claims.subscribe(self._claim_changed)
        self.records.subscribe(self._record_changed)

    def is_paused(self, claim: Claim) -> bool:
        """Whether the claim or its Cluster is paused."""
        return claim.paused or bool(claim.cluster and self.clusters.get(claim.cluster_key))

    def claims_kept_for(self, network: str, address: Address) -> Iterator[str]:
        """Keys of the claims that pools keep this address for, whether they are there or not."""
        for key in self.pools_by_kept.get((network, address)):
            pool = self.given.get(key)
            for name, number in pool.spec.kept.items() if pool else ():
                if pool and number == address.number:
                    yield f"{pool.spec.ref.namespace}/{name}"

    def _can_be_served(self, claim: Claim) -> bool:
        """Whether a waiter would take an address that comes free."""
        has_one = self.records_by_owner_uid.get(claim.subject.uid)
        return not (has_one or claim.subject.dry_run or self.is_paused(claim))

    def records_of(self, keys: Iterable[str]) -> tuple[Record, ...]:
        """The records of these names, in the order of their names."""
        found = (self.records.get(key) for key in sorted(keys))
        return tuple(record for record in found if record is not None)

    def _pool_changed(self, change: Change[PoolView]) -> None:
        key, new = change.key, change.new
        same = change.old is not None and new is not None and change.old.spec == new.spec
        if same and (key in self.problems) == (self.given.get(key) is None):
            return
        self.problems.pop(key, None)
        if new is None:
            self.given.remove(key)
        else:
            try:
                self.given.put(key, _pool_spec(new))
            except InvalidAddress as error:
                self.problems[key] = str(error)
                self.given.remove(key)
        for address in self.addresses_by_pool.get(key):
            self._name(address, self.addresses.get(address))

    def _address_changed(self, change: Change[IpAddress]) -> None:
        self._name(change.key, change.new)
        if change.new is not None:
            self.untold.discard(change.new.made_for)
        claim = self.claims.get(change.key)
        one = change.new or change.old
        if one is not None and one.moved and claim is not None:
            self._note_move(claim.subject.uid)

    def _claim_changed(self, change: Change[Claim]) -> None:
        old, new = change.old, change.new
        for one in (old, new):
            if one is not None and one.moved:
                self._note_move(one.subject.uid)
        if uid := gone_uid(old, new):
            self._forget_move(uid, change.key)

    def _note_move(self, uid: str) -> None:
        if self.records_by_owner_uid.get(uid):
            self.moved.add(uid)

    def _record_changed(self, change: Change[Record]) -> None:
        owner = change.old.owner if change.old else None
        if owner is not None:
            self._forget_move(owner.uid, owner.key)
            if change.new is None:
                self.untold.discard(owner.uid)

    def _forget_move(self, uid: str, key: str) -> None:
        """Once neither the claim nor a record of it is left."""
        claim = self.claims.get(key)
        there = claim is not None and claim.subject.uid == uid
        if not there and not self.records_by_owner_uid.get(uid):
            self.moved.discard(uid)

    def _name(self, key: str, one: IpAddress | None) -> None:
        """An IPAddress names an address: it is in use, whatever the records say."""
        user = f"IPAddress {key}"
        before = self._named.pop(key, None)
        pool = self.given.get(one.pool_key) if one and one.pool_name else None
        if one is not None and pool is None and before and before[1] == one.address:
            # The pool gives nothing away now, and its network is not known; the address is in use.
            self._named[key] = before
            return
        if one is not None and pool is not None and one.address is not None:
            self._named[key] = (pool.spec.network, one.address)
            self.given.use(pool.spec.network, one.address, user)
        if before is not None and self._named.get(key) != before:
            self.given.let_go(*before, user)


def named_by_machine(key: str) -> str:
    """Who uses an address that a Machine names."""
    return f"Machine {key}"


def pool_ref(namespace: str, name: str) -> PoolRef:
    """How records name one of our pools."""
    return PoolRef(IPPOOLS.group, IPPOOLS.name, namespace, name)


def _kept(view: PoolView) -> Iterator[Hashable]:
    """Network and address of all that a pool keeps for somebody."""
    for text in view.spec.reserved.values() if view.spec else ():
        with suppress(InvalidAddress):
            yield view.spec.network if view.spec else "", parse_address(text)


def _owner_uid(record: Record) -> Iterable[Hashable]:
    return (record.owner.uid,) if record.owner is not None and record.owner.uid else ()


def _owner_key(record: Record) -> Iterable[Hashable]:
    return ((record.owner.kind, record.owner.key),) if record.owner is not None else ()


def _pool_spec(view: PoolView) -> PoolSpec:
    """What a pool gives away. Raises ``InvalidAddress`` where that makes no sense."""
    spec = view.spec
    if spec is None:
        raise InvalidAddress(view.problem)
    kept = {name: parse_address(text) for name, text in spec.reserved.items()}
    alone = [AddressRange(one.family, one.number, one.number) for one in kept.values()]
    return PoolSpec(
        ref=pool_ref(view.subject.namespace or "", view.subject.name),
        network=spec.network,
        usable=usable(
            [parse_range(one) for one in (spec.address_cidr, *spec.ranges)],
            [*(parse_range(one) for one in spec.exclude), *alone],
            prefix=spec.prefix,
            gateway=parse_address(spec.gateway) if spec.gateway else None,
            on_link=spec.gateway_on_link,
        ),
        strategy=Strategy[spec.strategy.upper()],
        reuse_seconds=float(spec.reuse_delay_seconds),
        reuse_early=spec.when_only_quarantined == "Reuse",
        kept={name: one.number for name, one in kept.items()},
    )
