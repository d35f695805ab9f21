"""Act: what is written for Machines; each may be repeated."""

from __future__ import annotations

from typing import assert_never

from moorage_ipam.allocations import Allocations, NoneFree
from moorage_ipam.pools import Pool
from moorage_ipam.records import Owner, Phase, Record
from moorage_kube.client.client import Client, Target
from moorage_kube.client.lookup import look_up
from moorage_kube.writes.metadata import patch_if_unchanged
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.machine.caches import MachineCaches
from moorage_machine_ipam.machine.hook_pools import Slot, pool_key
from moorage_machine_ipam.machine.model import (
    Allocate,
    ChangeMachine,
    Forget,
    MachineAction,
    MachineObserved,
    NoteDeleting,
    ReleaseFormer,
    TakeOver,
)
from moorage_machine_ipam.machine.projections import Machine


class MachineActor:
    """Carries out the actions of Machines."""

    def __init__(self, client: Client, caches: MachineCaches, allocations: Allocations) -> None:
        self._client = client
        self._caches = caches
        self._allocations = allocations

    async def act(self, observed: MachineObserved, action: MachineAction) -> None:
        """Carry out one action; raises what the API server answers."""
        match action:
            case Forget(uid):
                await self._allocations.forget(uid)
            case NoteDeleting(record):
                await self._allocations.note_owner_deleting(record)
            case _ if observed.machine is None:
                return
            case Allocate(slots):
                await self._allocate(observed.machine, slots)
            case ChangeMachine():
                await self._change(observed.machine, action)
            case TakeOver(record):
                owner = owner_of(observed.machine, record.owner.slot if record.owner else "")
                await self._allocations.take_over(record, owner, record.pool)
            case ReleaseFormer(record):
                await self._release_former(observed.machine, record)
            case _:
                assert_never(action)

    async def _allocate(self, machine: Machine, slots: tuple[Slot, ...]) -> None:
        owners = {slot: owner_of(machine, slot.name) for slot in slots}
        self._allocations.choose([(self._pool(slot), owner) for slot, owner in owners.items()])
        for slot, owner in owners.items():
            await self._allocations.allocate(pool_key(slot.range.version), owner)

    def _pool(self, slot: Slot) -> Pool:
        pool = self._caches.base.given.get(pool_key(slot.range.version))
        if pool is None:
            raise NoneFree(f"there is no range for {slot.name} any more")
        return pool

    async def _change(self, machine: Machine, action: ChangeMachine) -> None:
        target = Target(machine.subject.name, machine.subject.namespace)
        patch = [dict(one) for one in action.patch]
        answer = await patch_if_unchanged(
            self._client, MACHINES, target, machine.subject.uid, patch
        )
        self._caches.machines.update_known(answer)

    async def _release_former(self, machine: Machine, record: Record) -> None:
        """The cache may be behind: then the record is that of the Machine which is there."""
        subject = machine.subject
        raw = await look_up(self._client, MACHINES, subject.name, subject.namespace or "")
        uid = raw["metadata"]["uid"] if raw is not None else ""
        if uid == machine.subject.uid and record.owner and record.owner.uid != uid:
            await self._allocations.change(record, Phase.QUARANTINED)


def owner_of(machine: Machine, slot: str) -> Owner:
    """The Machine as the owner of the record of a slot."""
    subject = machine.subject
    return Owner(
        MACHINES.api_version,
        MACHINES.name,
        subject.namespace or "",
        subject.name,
        subject.uid,
        slot,
    )
