"""What a decision about a Machine rests on, and what may be done for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from moorage_ipam.records import Record
from moorage_machine_ipam.machine.hook_config import HookConfig
from moorage_machine_ipam.machine.hook_pools import Slot
from moorage_machine_ipam.machine.hooks import LifecycleHook
from moorage_machine_ipam.machine.projections import Machine


@dataclass(frozen=True, slots=True)
class Supply:
    """What a pool has to give.

    Attributes:
        free: how many addresses can be given away now.
        next_free: seconds until a released address comes free; ``None`` = none waits.
    """

    free: int
    next_free: float | None


@dataclass(frozen=True, slots=True)
class MachineObserved:
    """One Machine and all that concerns it.

    Attributes:
        machine: ``None`` = it is gone.
        config: ``None`` = no hook is configured.
        records: bound records that are the Machine's own, by its uid.
        reserved: records reserved for a Machine of this name, whose addresses it names.
        former: bound records of a Machine of the same name with another uid.
        chosen: slots for which an address is chosen, or asked for without an answer.
        supply: of the pools of the configuration, by key.
        unserved: start hooks on it that were ours before, or stand in the wrong list.
        conflicts: who else has an address that the Machine names, in words.
        lost: uids of Machines of this name that are gone, and for which an address may have been
            bound.
        now: epoch seconds, for messages.
    """

    machine: Machine | None
    config: HookConfig | None = None
    records: tuple[Record, ...] = ()
    reserved: tuple[Record, ...] = ()
    former: tuple[Record, ...] = ()
    chosen: frozenset[str] = frozenset()
    supply: Mapping[str, Supply] | None = None
    unserved: tuple[LifecycleHook, ...] = ()
    conflicts: tuple[str, ...] = ()
    lost: frozenset[str] = frozenset()
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class Allocate:
    """Bind an address to the Machine for each of these slots, if there are enough for all."""

    slots: tuple[Slot, ...]

    def __str__(self) -> str:
        return f"allocate {', '.join(slot.name for slot in self.slots)}"


@dataclass(frozen=True, slots=True)
class ChangeMachine:
    """Write to the Machine, as it was read and not otherwise; ``what`` is for people."""

    patch: tuple[Mapping[str, Any], ...]
    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class NoteDeleting:
    """Write down that the owner of a record is being deleted."""

    record: Record

    def __str__(self) -> str:
        return f"note on {self.record} that its Machine is being deleted"


@dataclass(frozen=True, slots=True)
class TakeOver:
    """Make the Machine the owner of what is its own by all that is known.

    It was reserved for it, or a former Machine of its name had it; and the Machine names it.
    """

    record: Record

    def __str__(self) -> str:
        return f"take over {self.record}"


@dataclass(frozen=True, slots=True)
class ReleaseFormer:
    """Release what a former Machine of the name had, once the API server says that it is gone."""

    record: Record

    def __str__(self) -> str:
        return f"release {self.record.address} of the former Machine"


@dataclass(frozen=True, slots=True)
class Forget:
    """Find out what became of addresses that were asked for and never answered."""

    uid: str

    def __str__(self) -> str:
        return "find out what was allocated"


MachineAction: TypeAlias = (
    "Allocate | ChangeMachine | NoteDeleting | TakeOver | ReleaseFormer | Forget"
)
