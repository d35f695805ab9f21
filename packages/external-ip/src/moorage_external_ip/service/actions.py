"""What may be done for a Service; every action may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from moorage_domain.families import Address
from moorage_external_ip.projections import Claim
from moorage_ipam.records import Record


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find out what became of an address that was asked for and never answered."""

    def __str__(self) -> str:
        return "find out what was allocated"


@dataclass(frozen=True, slots=True)
class Take:
    """Reserve an address of a pool for a claim of the Service: this one, or the next free one."""

    pool: str
    address: Address | None = None

    def __str__(self) -> str:
        return f"take {self.address or 'an address'} of {self.pool}"


@dataclass(frozen=True, slots=True)
class MakeClaims:
    """Make a claim of each address that is reserved for the Service."""

    def __str__(self) -> str:
        return "make its IpClaim"


@dataclass(frozen=True, slots=True)
class Join:
    """Enter the Service as one that uses a claim, or mend its entry."""

    claim: Claim

    def __str__(self) -> str:
        return f"use IpClaim {self.claim.subject.name}"


@dataclass(frozen=True, slots=True)
class Leave:
    """Take the Service's entry out of a claim."""

    claim: Claim

    def __str__(self) -> str:
        return f"use IpClaim {self.claim.subject.name} no more"


@dataclass(frozen=True, slots=True)
class Drop:
    """Give back an address that was reserved and is not wanted any more."""

    record: Record

    def __str__(self) -> str:
        return f"give back {self.record}"


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take our addresses, and our condition, out of the status of a Service."""

    addresses: frozenset[Address]

    def __str__(self) -> str:
        return "withdraw its addresses from its status"


@dataclass(frozen=True, slots=True)
class WriteExternal:
    """Have spec.externalIPs say these addresses of ours beside those that a person wrote."""

    addresses: tuple[str, ...]

    def __str__(self) -> str:
        return f"write {', '.join(self.addresses) or 'nothing of ours'} into spec.externalIPs"


Action: TypeAlias = "LookUp | Take | MakeClaims | Join | Leave | Drop | Withdraw | WriteExternal"
