"""The controller of pools: what each has in use, whether it may go, and Events of both."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from heapq import nsmallest

from moorage_domain.kinds import Kind
from moorage_domain.plans import Plan
from moorage_domain.subject import Subject
from moorage_ipam.outside import Outside
from moorage_ipam.pool_decide import SHOWN, PoolObserved, decide_pool
from moorage_ipam.pool_reasons import POOL_STATES, WARNINGS
from moorage_ipam.pools import Pools
from moorage_ipam.records import PoolRef, Record
from moorage_kube.cache.store import Index, Store
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.reason_events import condition_events, reason_event
from moorage_kube.telemetry.events import EventRecorder


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """What only the controller that has the kind knows of a pool; as in ``PoolObserved``."""

    subject: Subject
    ref: PoolRef
    problem: str
    waiting: int
    waiters: str
    nearly_full_percent: int = 100
    moved: bool = False


@dataclass(frozen=True, slots=True)
class PoolRecords:
    """Where it stands what pools have in use.

    Attributes:
        by_pool: of records, by the pool that they name.
        in_use: the same, without those that are released.
    """

    given: Pools
    records: Store[Record]
    by_pool: Index[Record]
    in_use: Index[Record]


class PoolLogic:
    """Observe, decide and report for one pool."""

    def __init__(
        self,
        kind: Kind,
        facts: Callable[[str], PoolFacts | PoolRef],
        known: PoolRecords,
        events: EventRecorder,
    ) -> None:
        """``facts``: of a pool by its key; of one that is gone, how records named it."""
        self._kind = kind
        self._facts = facts
        self._known = known
        self._events = events
        self._outside = Outside(known.records, known.by_pool)

    async def observe(self, key: str) -> PoolObserved | None:
        """Read the caches; ``None`` = it is gone."""
        facts, known = self._facts(key), self._known
        if isinstance(facts, PoolRef):
            self._outside.forget(facts)
            return None
        pool = known.given.get(key)
        bound = known.in_use.by_index_key.get(facts.ref, frozenset())
        outside = self._outside.names(pool.spec) if pool else frozenset()
        return PoolObserved(
            subject=facts.subject,
            problem=facts.problem,
            waiters=facts.waiters,
            total=pool.allocator.total if pool else 0,
            used=pool.allocator.used if pool else 0,
            free=pool.allocator.free if pool else 0,
            quarantined=len(pool.quarantined) if pool else 0,
            out_of_range=len(outside),
            waiting=facts.waiting,
            bound=len(bound),
            users=self._first_named(bound) if facts.subject.deleting else (),
            overlapping=known.given.overlapping(key),
            outside=self._first_named(outside),
            nearly_full_percent=facts.nearly_full_percent,
            moved=facts.moved,
        )

    def decide(self, observed: PoolObserved) -> Plan[object]:
        """Decide; pure."""
        return decide_pool(observed)

    async def act(self, observed: PoolObserved, action: object) -> None:
        """A pool has no actions."""

    async def report(self, ended: Pass[PoolObserved, object]) -> None:
        """An Event for each new reason, and for each state that a person should look at."""
        if event := reason_event(self._kind, ended, warnings=WARNINGS):
            await self._events.publish(event)
        for event in condition_events(self._kind, ended, POOL_STATES):
            await self._events.publish(event)

    def _first_named(self, names: Set[str]) -> tuple[str, ...]:
        """The first few addresses of these records, and who has them."""
        found = (self._known.records.get(name) for name in nsmallest(SHOWN, names))
        return tuple(f"{one.address} ({one.owner or 'reserved'})" for one in found if one)
