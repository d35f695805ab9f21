"""What decisions about claims and pools rest on."""

from __future__ import annotations

from dataclasses import dataclass

from moorage_domain.families import Address, Family
from moorage_ipam.records import Record
from moorage_machine_ipam.projections import Claim, IpAddress


@dataclass(frozen=True, slots=True)
class PoolState:
    """A claim's pool as it is now.

    Attributes:
        problem: why nothing can be allocated from it; ``""`` = nothing is wrong.
        ahead: how many older claims wait for an address of it; not counted beyond ``free + 1``.
        place: how many wait before this claim in all.
        free: how many addresses can be given away now.
        next_free: seconds until a released address comes free; ``None`` = none waits.
        oldest: the record that was released first, and is free otherwise, where it may be given
            away early.
        readable: whether its spec makes sense, so that an IPAddress can be written.
        restoring: it comes from a backup, and IPAddresses that name its addresses may follow.
        family: of its addresses; ``None`` = its spec makes no sense.
    """

    uid: str
    problem: str
    ahead: int = 0
    place: int = 0
    free: int = 0
    next_free: float | None = None
    oldest: Record | None = None
    readable: bool = True
    restoring: bool = False
    family: Family | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """One claim and all that concerns it.

    Attributes:
        pool: ``None`` = there is none of that name.
        paused: the claim or its Cluster is paused.
        cluster_missing: it names a Cluster that is not there.
        records: the records that are the claim's own, by its uid.
        former: bound records of a claim of the same name with another uid.
        meant: bound records for any claim of this name: they say no uid.
        address: the IPAddress of the claim's name.
        holders: the records of that IPAddress's address; more than one contradict each other.
        requested: the address the claim asks for; ``None`` = any, or what it asks for is none.
        requested_by: who has that address, as text; ``""`` = it is free.
        requested_fits: whether the pool may give it away.
        requested_former: one of ``former`` that has it, so that nobody else does.
        moves: it goes to another cluster, and takes its address along.
        unsure: an address may be its own although no record shows it.
        now: epoch seconds.
        age: seconds that the claim has been there, as far as that is certain.
    """

    claim: Claim
    pool: PoolState | None
    paused: bool
    cluster_missing: bool
    records: tuple[Record, ...]
    former: tuple[Record, ...]
    meant: tuple[Record, ...]
    address: IpAddress | None
    holders: tuple[Record, ...]
    requested: Address | None
    requested_by: str
    requested_fits: bool
    requested_former: Record | None
    moves: bool
    unsure: bool
    now: float
    age: float
