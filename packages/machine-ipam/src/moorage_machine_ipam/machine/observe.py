"""Observe: one Machine and all that concerns it; from the caches only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from moorage_ipam.allocations import Allocations
from moorage_ipam.records import Phase, Record
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.machine.caches import MACHINE_KIND, MachineCaches
from moorage_machine_ipam.machine.hook_config import HookConfig
from moorage_machine_ipam.machine.hook_file import HookFile
from moorage_machine_ipam.machine.hook_pools import pool_key
from moorage_machine_ipam.machine.hooks import LifecycleHook, StartList
from moorage_machine_ipam.machine.model import MachineObserved, Supply
from moorage_machine_ipam.machine.projections import Machine


class MachineObserver:
    """Reads the caches."""

    def __init__(
        self,
        caches: MachineCaches,
        allocations: Allocations,
        due: Callable[[Record], float],
        hook_file: HookFile | None,
    ) -> None:
        """``due``: seconds until a released record's address comes free."""
        self._due = due
        self._caches = caches
        self._allocations = allocations
        self._hook_file = hook_file

    @property
    def config(self) -> HookConfig | None:
        """As the file has it; ``None`` = there is none that can be used."""
        return self._hook_file.config if self._hook_file else None

    def machine(self, key: str) -> MachineObserved | None:
        """One Machine; ``None`` = nothing of it concerns us."""
        lost = self._lost(key)
        machine = self._caches.machines.get(key)
        if machine is None:
            return MachineObserved(None, lost=lost) if lost else None
        observed = self._observed(machine, lost)
        return observed if _concerns_us(observed, machine) else None

    def _observed(self, machine: Machine, lost: frozenset[str]) -> MachineObserved:
        base, uid, config = self._caches.base, machine.subject.uid, self.config
        records = self._bound(base.records_by_owner_uid.get(uid))
        keys = base.records_by_owner.get((MACHINE_KIND, machine.key))
        namesakes = self._bound(keys)
        # Those of Cluster API are another kind of that name.
        former = (one for one in namesakes if one.owner and one.owner.uid not in ("", uid))
        return MachineObserved(
            machine=machine,
            config=config,
            records=records,
            reserved=tuple(
                one
                for one in base.records_of(keys)
                if one.phase is Phase.RESERVED and one.address in machine.literal
            ),
            former=tuple(
                one for one in former if one.owner and one.owner.api_version == MACHINES.api_version
            ),
            chosen=self._allocations.unsure(uid),
            supply=self.supply(config) if config else {},
            unserved=self._unserved(machine, config.hook) if config else (),
            conflicts=self._caches.conflicts(machine),
            lost=lost,
            now=time.time(),
        )

    def _unserved(self, machine: Machine, hook: LifecycleHook) -> tuple[LifecycleHook, ...]:
        """Start hooks of ours that are none any more, or stand in the wrong list."""
        former = self._hook_file.former if self._hook_file else frozenset()
        wrong = {replace(hook, start_list=one) for one in StartList} - {hook}
        return tuple(one for one in sorted(former | wrong, key=str) if machine.is_held_by(one))

    def _bound(self, keys: frozenset[str]) -> tuple[Record, ...]:
        found = self._caches.base.records_of(keys)
        return tuple(one for one in found if one.phase is Phase.BOUND)

    def _lost(self, key: str) -> frozenset[str]:
        """Uids that may have an address; the others are forgotten."""
        uids = self._caches.lost.pop(key, set())
        left = {uid for uid in uids if self._allocations.unsure(uid)}
        if left:
            self._caches.lost[key] = left
        return frozenset(left)

    def supply(self, config: HookConfig) -> dict[str, Supply]:
        """What the ranges of a configuration have to give now."""
        base, result = self._caches.base, {}
        for one in config.ranges:
            key = pool_key(one.version)
            pool = base.given.get(key)
            if pool is None:
                result[key] = Supply(0, None)
                continue
            released = base.given.first_released(pool)
            next_free = self._due(released) if released else None
            result[key] = Supply(pool.allocator.free, next_free)
        return result


def _concerns_us(observed: MachineObserved, machine: Machine) -> bool:
    hook, deleting = observed.config.hook if observed.config else None, machine.subject.deleting
    if (hook is not None and machine.is_held_by(hook)) or (deleting and machine.has(hook)):
        return True
    if observed.reserved:
        return True
    leaves = deleting and (observed.records or observed.chosen)
    told = observed.conflicts or observed.unserved
    return bool(leaves or observed.former or told or observed.lost)
