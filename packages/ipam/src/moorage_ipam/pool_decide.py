"""What to say about a pool, and whether it may go: pure."""

from __future__ import annotations

from dataclasses import dataclass

from moorage_domain.conditions import Condition
from moorage_domain.plans import Finalizer, PlainStatus, Plan
from moorage_domain.subject import Subject
from moorage_ipam import pool_reasons as reasons

SHOWN = 5
"""So many users are named in one message."""


@dataclass(frozen=True, slots=True)
class PoolObserved:
    """One pool, and how much of it is in use.

    Attributes:
        problem: why its spec makes no sense; ``""`` = it does.
        waiters: what waits for an address of it, in the plural.
        nearly_full_percent: from so much in use on it is nearly full.
        moved: somebody moves it to another cluster, and takes its finalizers off.
        bound: records that name it and are not released.
        users: the first few of those, in words; of a pool that is being deleted only.
        outside: the first few of those ``out_of_range``, in words.
        overlapping: keys of other pools of its network that have addresses in common with it.
    """

    subject: Subject
    problem: str
    waiters: str
    total: int
    used: int
    free: int
    quarantined: int
    out_of_range: int
    waiting: int
    bound: int
    users: tuple[str, ...]
    overlapping: tuple[str, ...]
    outside: tuple[str, ...] = ()
    nearly_full_percent: int = 100
    moved: bool = False


def decide_pool(observed: PoolObserved) -> Plan[object]:
    """The plan for one pool."""
    subject = observed.subject
    if subject.deleting and (not observed.bound or observed.moved):
        return Plan("Deleted", "nothing of it is in use", finalizer=Finalizer.ABSENT)
    conditions = (
        _ready(observed),
        _nearly_full(observed),
        _exhausted(observed),
        _overlap(observed),
        _out_of_range(observed),
    )
    status = PlainStatus(
        conditions,
        {
            "total": str(observed.total),
            "used": observed.used,
            "free": str(observed.free),
            "quarantined": observed.quarantined,
            "outOfRange": observed.out_of_range,
            "waiting": observed.waiting,
        },
    )
    ready = conditions[0]
    # Whoever moves a pool takes its finalizers off first, and deletes it then.
    finalizer = None if subject.deleting or observed.moved else Finalizer.PRESENT
    return Plan(ready.reason, ready.message, status=status, finalizer=finalizer)


def _ready(observed: PoolObserved) -> Condition:
    if observed.subject.deleting:
        named = _named(observed.users, observed.bound)
        message = f"it is deleted once these addresses are released: {named}"
        return Condition("Ready", "False", reasons.IN_USE.name, message)
    if observed.problem:
        return Condition("Ready", "False", reasons.INVALID.name, observed.problem)
    return Condition("Ready", "True", reasons.POOL_READY.name, "addresses can be given away")


def _nearly_full(observed: PoolObserved) -> Condition:
    limit = observed.nearly_full_percent
    full = observed.total > 0 and observed.used * 100 >= limit * observed.total
    if full:
        message = f"{limit} % or more of its addresses are in use"
        return Condition("NearlyFull", "True", reasons.ABOVE_THRESHOLD.name, message)
    message = f"less than {limit} % of its addresses are in use"
    return Condition("NearlyFull", "False", reasons.BELOW_THRESHOLD.name, message)


def _exhausted(observed: PoolObserved) -> Condition:
    if observed.total > 0 and observed.free == 0:
        message = f"no address is free; {observed.waiting} {observed.waiters} wait"
        return Condition("Exhausted", "True", reasons.NONE_FREE.name, message)
    return Condition("Exhausted", "False", reasons.SOME_FREE.name, "addresses are free")


def _overlap(observed: PoolObserved) -> Condition:
    if observed.overlapping:
        others = ", ".join(observed.overlapping[:SHOWN])
        message = f"addresses of it are of these pools, too, and are given once: {others}"
        return Condition("Overlapping", "True", reasons.SHARED_ADDRESSES.name, message)
    message = "no other pool of its network has addresses of it"
    return Condition("Overlapping", "False", reasons.ALONE.name, message)


def _out_of_range(observed: PoolObserved) -> Condition:
    if observed.out_of_range:
        named = _named(observed.outside, observed.out_of_range)
        message = (
            "the pool was edited under addresses in use, which stay with their owners until these"
            f" go: {named}"
        )
        return Condition("OutOfRange", "True", reasons.OUTSIDE.name, message)
    message = "every address of it in use is in its ranges"
    return Condition("OutOfRange", "False", reasons.INSIDE.name, message)


def _named(shown: tuple[str, ...], total: int) -> str:
    """The first few of them, and how many more there are."""
    more = total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
