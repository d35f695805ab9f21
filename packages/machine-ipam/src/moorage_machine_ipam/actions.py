"""What may be done for a claim; every action may be repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from moorage_domain.families import Address
from moorage_ipam.records import Phase, Record


@dataclass(frozen=True, slots=True)
class Allocate:
    """Bind the next free address of the pool to the claim.

    Nobody is told before the finalizer is on. Where the claim goes without one, the record says
    whose it was, and is taken back.
    """

    beside_finalizer: ClassVar[bool] = True

    def __str__(self) -> str:
        return "allocate an address"


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind this very address to the claim."""

    address: Address

    def __str__(self) -> str:
        return f"bind {self.address}"


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Make the claim the owner of a record that is its own by all that is known."""

    record: Record

    def __str__(self) -> str:
        return f"take over {self.record}"


@dataclass(frozen=True, slots=True)
class WriteAddress:
    """Create the claim's IPAddress from its record, or mend the owners of the one there is."""

    def __str__(self) -> str:
        return "write the IPAddress"


@dataclass(frozen=True, slots=True)
class DeleteAddress:
    """Delete the claim's IPAddress."""

    def __str__(self) -> str:
        return "delete the IPAddress"


@dataclass(frozen=True, slots=True)
class Release:
    """Put a record into quarantine, or note that its owner took the address along."""

    record: Record
    phase: Phase

    def __str__(self) -> str:
        return f"release {self.record.address}"


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find out what became of an address that was asked for and never answered."""

    def __str__(self) -> str:
        return "find out what was allocated"


Action: TypeAlias = "Allocate | Bind | TakeOver | WriteAddress | DeleteAddress | Release | LookUp"
