"""Observe: one claim, or one pool, and all that concerns it; from the caches only."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, parse_address
from moorage_ipam.allocations import Allocations
from moorage_ipam.first_seen import FirstSeen
from moorage_ipam.pool_logic import PoolFacts
from moorage_ipam.pools import Pool
from moorage_ipam.records import Phase, PoolRef, Record
from moorage_ipam.times import epoch_of
from moorage_machine_ipam.caches import Caches, named_by_machine, pool_ref
from moorage_machine_ipam.decide.claim import RESTORE_SECONDS
from moorage_machine_ipam.model import Observed, PoolState
from moorage_machine_ipam.projections import CLAIM_KIND, Claim, IpAddress

_SKEW_SECONDS = 300.0
"""By no more than this is our clock ahead of that of the API server."""


class Observer:
    """Reads the caches for both controllers."""

    def __init__(
        self,
        caches: Caches,
        allocations: Allocations,
        due: Callable[[Record], float],
        *,
        has_clusters: bool,
    ) -> None:
        """``due``: seconds until a released record's address comes free."""
        self._caches = caches
        self._allocations = allocations
        self._due = due
        self._has_clusters = has_clusters
        self._first_seen = FirstSeen()

    def claim(self, key: str) -> Observed | None:
        """One claim; ``None`` = it is gone, or not on a pool of ours."""
        caches = self._caches
        claim = caches.claims.get(key)
        if claim is None:
            self._first_seen.forget(f"claim {key}")
            return None
        uid = claim.subject.uid
        records = caches.records_of(caches.records_by_owner_uid.get(uid))
        namesakes = caches.records_of(caches.records_by_owner.get((CLAIM_KIND, key)))
        bound = [one for one in namesakes if one not in records and one.phase is Phase.BOUND]
        address = caches.addresses.get(key)
        pool = caches.given.get(claim.pool_key)
        former = tuple(
            one
            for one in bound
            if one.owner
            and one.owner.uid
            and one.owner.uid not in caches.moved
            and one.owner.uid not in caches.untold
        )
        requested, fits = self._requested(claim, pool)
        holders = self._records_of(pool, requested)
        return Observed(
            claim=claim,
            pool=self._pool_state(claim, pool),
            paused=caches.is_paused(claim),
            cluster_missing=self._is_cluster_missing(claim),
            records=records,
            former=former,
            meant=tuple(one for one in bound if one.owner and not one.owner.uid),
            address=address,
            holders=self._holders(address, pool, records),
            requested=requested,
            requested_by=self._user(claim, pool, requested),
            requested_fits=fits,
            requested_former=next((one for one in holders if one in former), None),
            moves=claim.moved or uid in caches.moved,
            unsure=bool(self._allocations.unsure(uid)),
            now=time.time(),
            age=self._age(f"claim {key}", uid, claim.created),
        )

    def pool(self, key: str) -> PoolFacts | PoolRef:
        """One pool; of one that is gone, how records named it."""
        caches = self._caches
        view = caches.pools.get(key)
        if view is None:
            self._first_seen.forget(f"pool {key}")
            return pool_ref(*_namespace_and_name(key))
        return PoolFacts(
            subject=view.subject,
            ref=pool_ref(view.subject.namespace or "", view.subject.name),
            problem=caches.problems.get(key, ""),
            waiting=caches.waiters.count(key),
            waiters="claims",
            nearly_full_percent=view.spec.nearly_full_percent if view.spec else 100,
            moved=view.moved,
        )

    def _pool_state(self, claim: Claim, pool: Pool | None) -> PoolState | None:
        view = self._caches.pools.get(claim.pool_key)
        if view is None:
            return None
        problem = self._caches.problems.get(claim.pool_key, "")
        if view.subject.deleting:
            problem = "it is being deleted"
        elif view.paused:
            problem = "it is paused"
        if pool is None:
            return PoolState(view.subject.uid, problem, readable=False)
        free = pool.allocator.free
        released = self._caches.given.first_released(pool)
        age = self._age(f"pool {claim.pool_key}", view.subject.uid, view.created)
        return PoolState(
            uid=view.subject.uid,
            problem=problem,
            ahead=self._caches.waiters.ahead_of(claim, free),
            place=self._caches.waiters.place_of(claim),
            free=free,
            next_free=self._due(released) if released else None,
            oldest=released if pool.spec.reuse_early else None,
            restoring=view.restored and age < RESTORE_SECONDS,
            family=pool.spec.usable.family,
        )

    def _holders(
        self, address: IpAddress | None, pool: Pool | None, own: Sequence[Record]
    ) -> tuple[Record, ...]:
        """Who has the address that an IPAddress says, by the records."""
        if address is None or address.address is None:
            return ()
        if pool is not None:
            return self._records_of(pool, address.address)
        # The pool does not say its network now; what is the claim's own stays so.
        return tuple(one for one in own if one.address == address.address)

    def _is_cluster_missing(self, claim: Claim) -> bool:
        return bool(
            self._has_clusters and claim.cluster and claim.cluster_key not in self._caches.clusters
        )

    def _requested(self, claim: Claim, pool: Pool | None) -> tuple[Address | None, bool]:
        """The only address that the claim can get, and whether the pool has it for this claim."""
        if pool is None:
            return None, False
        family = pool.spec.usable.family
        kept = pool.spec.kept.get(claim.subject.name)
        if kept is not None and not claim.requested:
            return Address(family, kept), True
        if not claim.requested:
            return None, False
        try:
            asked = parse_address(claim.requested)
        except InvalidAddress:
            return None, False
        return asked, pool.has(asked) or (asked.family is family and asked.number == kept)

    def _user(self, claim: Claim, pool: Pool | None, address: Address | None) -> str:
        """Who else uses an address, in words; ``""`` = nobody does."""
        if pool is None or address is None:
            return ""
        users = self._caches.given.users(pool.spec.network, address)
        # The Machine that the claim is for may show it already.
        users -= {named_by_machine(claim.machine_key)}
        if not users:
            return ""
        records = self._records_of(pool, address)
        if not records:
            return f"{', '.join(sorted(users))} says so"
        record = records[0]
        if record.phase is Phase.QUARANTINED:
            return "it was released, and its reuse delay is not over"
        return f"it belongs to {record.owner or 'a person'}"

    def _records_of(self, pool: Pool | None, address: Address | None) -> tuple[Record, ...]:
        """The records of an address in the network of a pool."""
        if pool is None or address is None:
            return ()
        return self._caches.given.records_of(pool.spec.network, address)

    def _age(self, key: str, uid: str, created: str) -> float:
        """Seconds since this process saw it first, or the process before: it says when it came.

        Two machines' clocks need not agree, but for what was there long ago.
        """
        came = epoch_of(created)
        by_wall = time.time() - came - _SKEW_SECONDS if came is not None else 0.0
        return max(self._first_seen.seconds(key, uid), by_wall)


def _namespace_and_name(key: str) -> tuple[str, str]:
    namespace, _, name = key.rpartition("/")
    return namespace, name
