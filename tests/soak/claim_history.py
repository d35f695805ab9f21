"""The history of claims and their IPAddresses, write by write, and what is wrong with it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from moorage_machine_ipam.projections import OWNER_ANNOTATION

from .watching import Change

# Times are written in whole seconds, and a watch is late by less than one.
_MARGIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Given:
    """An IPAddress: for which claim, by name and uid, and when it went; 0 = it is there."""

    name: str
    uid: str
    gone_at: float = 0.0


@dataclass(slots=True)
class ClaimHistory:
    """All changes of claims, IPAddresses and IPAllocations.

    Attributes:
        reuse_seconds: for so long a released address is given to nobody else.
        claims: uid and name of the IPAddress that each says it has, by name.
        given: the last IPAddress of each address.
        records: owner's uid, address and phase of each IPAllocation.
        changes: how many there were.
        doubled: addresses with two IPAddresses at one time.
        early: addresses that were given to somebody else too soon.
        moved: claims whose address became another one.
    """

    reuse_seconds: float
    claims: dict[str, tuple[str, str]] = field(default_factory=dict)
    given: dict[str, Given] = field(default_factory=dict)
    records: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    changes: int = 0
    doubled: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    _address_of: dict[str, str] = field(default_factory=dict)
    _first: dict[str, str] = field(default_factory=dict)

    def claim(self, change: Change) -> None:
        """Add a write to a claim."""
        self.changes += 1
        if change.gone:
            self.claims.pop(change.name, None)
            return
        reference = (change.object.get("status") or {}).get("addressRef") or {}
        self.claims[change.name] = (change.object["metadata"]["uid"], reference.get("name", ""))

    def address(self, change: Change) -> None:
        """Add a write to an IPAddress."""
        self.changes += 1
        address = change.object["spec"]["address"]
        last = self.given.get(address)
        if change.gone:
            if last is not None and last.name == change.name:
                self.given[address] = Given(last.name, last.uid, time.monotonic())
            self._address_of.pop(change.name, None)
            return
        uid = change.object["metadata"].get("annotations", {}).get(OWNER_ANNOTATION, "")
        if last is not None and (last.name, last.uid) != (change.name, uid):
            self._compare(address, last, change.name)
        self.given[address] = Given(change.name, uid)
        self._address_of[change.name] = address
        if self._first.setdefault(uid, address) != address:
            self.moved.append(f"{change.name} had {self._first[uid]}, and then {address}")

    def record(self, change: Change) -> None:
        """Add a write to an IPAllocation."""
        self.changes += 1
        if change.gone:
            self.records.pop(change.name, None)
            return
        spec, status = change.object["spec"], change.object.get("status") or {}
        owner = (spec.get("owner") or {}).get("uid", "")
        self.records[change.name] = (owner, spec["address"], status.get("phase", ""))

    @property
    def bound(self) -> int:
        """How many claims say that they have an address."""
        return sum(bool(reference) for _, reference in self.claims.values())

    def unsettled(self, count: int) -> list[str]:
        """What is wrong at rest: each claim has its one address, and nobody else has any."""
        found = [] if len(self.claims) == count else [f"{len(self.claims)} of {count} claims"]
        found += [f"{name} has none" for name, (_, given) in self.claims.items() if not given]
        uids = {uid for uid, _ in self.claims.values()}
        found += _leaked(self.records, uids)
        found += [f"IPAddress {name}: no claim" for name in self._address_of.keys() - self.claims]
        owned = {uid: address for uid, address, _ in self.records.values()}
        found += [
            f"{name} has {address}, but its IPAllocation says {owned.get(uid, 'nothing')}"
            for name, (uid, given) in self.claims.items()
            if given and (address := self._address_of.get(given, "none")) != owned.get(uid)
        ]
        return found

    def _compare(self, address: str, last: Given, name: str) -> None:
        if not last.gone_at:
            self.doubled.append(f"{address} is that of {last.name} and {name}")
        elif time.monotonic() - last.gone_at < self.reuse_seconds - _MARGIN_SECONDS:
            self.early.append(f"{address} went from {last.name} to {name} at once")


def _leaked(records: Mapping[str, tuple[str, str, str]], uids: set[str]) -> Sequence[str]:
    return [
        f"{address} is {phase or 'bound'}"
        for owner, address, phase in records.values()
        if phase != "Bound" or owner not in uids
    ]
