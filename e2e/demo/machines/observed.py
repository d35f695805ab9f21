"""One observation of the VMs, the claims, the IPAllocations and the pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

BOUND, QUARANTINED = "Bound", "Quarantined"


@dataclass(frozen=True, slots=True)
class Pool:
    """What the status of the pool says."""

    total: int
    used: int
    free: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Observed:
    """The whole state at one moment.

    Attributes:
        machines: names of all Machines.
        vms: the addresses of each VM that runs, by the name of its Machine.
        kargs: the kernel arguments of the first of them.
        records: the phase of each IPAllocation, by address.
        waiting: what each claim without an address is told, by its name.
        claims: how many claims there are.
    """

    machines: tuple[str, ...]
    vms: Mapping[str, tuple[str, ...]]
    kargs: str
    records: Mapping[str, str]
    waiting: Mapping[str, str]
    claims: int
    pool: Pool

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses that VMs have, also those that two would have."""
        return tuple(address for each in self.vms.values() for address in each)

    @property
    def resting(self) -> frozenset[str]:
        """Addresses that were released and are given to nobody yet."""
        return frozenset(ip for ip, phase in self.records.items() if phase == QUARANTINED)

    def describe(self) -> str:
        """In a few lines, for whoever has to find out what is missing."""
        phases = ", ".join(
            f"{count} {phase}" for phase, count in Counter(self.records.values()).items()
        )
        told = "; ".join(f"{name}: {text}" for name, text in sorted(self.waiting.items()))
        return (
            f"  {len(self.machines)} Machines, {len(self.vms)} VMs, {self.claims} claims\n"
            f"  IPAllocations: {phases or 'none'}\n  pool: {self.pool}\n  waiting: {told or 'none'}"
        )
