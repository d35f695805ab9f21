"""What decisions about claims rest on, and what may be done for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from moorage_external_ip.projections import Claim, Use
from moorage_ipam.records import Record


@dataclass(frozen=True, slots=True)
class ClaimObserved:
    """One claim and all that concerns it.

    Attributes:
        records: of its address, in the network of its pool; the one of the address's name first.
        pool: name of its pool; ``""`` = it names none and none has its address.
        in_pool: the pool is there and gives this address.
        gone: entries of Services that are not there any more.
        heirs: Services that own it by the first version's references, and are there.
        fields: what its spec and labels say otherwise than the pool and the Services do.
        unsure: a write of its record has had no answer.
    """

    claim: Claim
    records: tuple[Record, ...]
    pool: str
    in_pool: bool
    gone: tuple[Use, ...]
    heirs: tuple[Use, ...]
    fields: Mapping[str, Any]
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class LookUp:
    """Find out what became of a record that was asked for and never answered."""

    def __str__(self) -> str:
        return "find out what was bound"


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind the claim's address to it, or take its record over."""

    record: Record | None

    def __str__(self) -> str:
        return f"take over {self.record}" if self.record else "bind its address"


@dataclass(frozen=True, slots=True)
class Adopt:
    """Enter the Services of the first version, and take its references off."""

    uses: tuple[Use, ...]

    def __str__(self) -> str:
        return f"take it over for {', '.join(one.key for one in self.uses) or 'nobody'}"


@dataclass(frozen=True, slots=True)
class DropUses:
    """Take out Services that are gone."""

    uses: tuple[Use, ...]

    def __str__(self) -> str:
        return f"{', '.join(one.key for one in self.uses)} is gone"


@dataclass(frozen=True, slots=True)
class Mend:
    """Have its spec and labels say what the pool and the Services say."""

    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"write {', '.join(self.fields.get('spec', self.fields))}"


@dataclass(frozen=True, slots=True)
class NoteGoing:
    """Write into its record that the claim goes on purpose: once it is gone, that was meant."""

    record: Record

    def __str__(self) -> str:
        return f"note in {self.record} that it goes"


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the claim, if nobody has joined it."""

    def __str__(self) -> str:
        return "delete it"


@dataclass(frozen=True, slots=True)
class Release:
    """Give its address back."""

    record: Record

    def __str__(self) -> str:
        return f"release {self.record.address}"


Action: TypeAlias = "LookUp | Bind | Adopt | DropUses | Mend | NoteGoing | Delete | Release"
