"""What decisions about Services rest on."""

from __future__ import annotations

from dataclasses import dataclass

from moorage_domain.families import Address
from moorage_external_ip.projections import Claim
from moorage_external_ip.service.wish import Service, Slot, Wish
from moorage_ipam.records import Record

CONDITION = "moorage.dev/Addresses"
"""Type of the condition of Services."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool of the family of a slot, as it concerns one Service.

    Attributes:
        why_not: why it may not give the Service an address; ``""`` = it may.
        free: how many addresses can be given away now.
        ahead: how many older Services could have one of them; not counted beyond ``free + 1``.
        next_free: seconds until a released address comes free; ``None`` = none was released.
    """

    name: str
    why_not: str
    free: int = 0
    ahead: int = 0
    next_free: float | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One certain address, and whether the Service can have it.

    Attributes:
        pool: name of the pool that it is taken from; ``""`` = none has it.
        refused: why nobody may have it, or this Service may not; ``""`` = it may.
        claim: the claim that there is of it.
        cannot_share: why the Service may not use that claim, too; ``""`` = it may.
        used_by: who else has it, where no claim says so; ``""`` = nobody has.
    """

    address: Address
    pool: str
    refused: str = ""
    claim: Claim | None = None
    cannot_share: str = ""
    used_by: str = ""


@dataclass(frozen=True, slots=True)
class SlotState:
    """One address that the Service asks for, and what there is for it.

    Attributes:
        held: the claim that the Service uses for it.
        former: claims of the family that it uses, and that are not what it asks for now.
        wanted: of the address that it asks for; ``None`` = any will do.
        remembered: an address that its status says and no claim does.
        shared: a claim of its sharing key that it may use, too.
        pools: of the family, in the order in which they are asked.
    """

    slot: Slot
    held: Claim | None = None
    former: tuple[Claim, ...] = ()
    wanted: Wanted | None = None
    remembered: Wanted | None = None
    shared: Claim | None = None
    pools: tuple[PoolState, ...] = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """One Service and all that concerns it.

    Attributes:
        claims: that it uses.
        reserved: records that wait for a claim of it.
        unsure: an address may be reserved for it although no record shows it.
        stale: addresses of our pools that its status says and that it does not have.
        unshareable: why one of its claims should not be shared as it is; ``""`` = all is well.
        now: epoch seconds.
    """

    service: Service
    wish: Wish
    slots: tuple[SlotState, ...]
    claims: tuple[Claim, ...]
    reserved: tuple[Record, ...]
    unsure: bool
    stale: frozenset[Address]
    unshareable: str
    now: float
