"""What to do about a Machine: the first rule that fits decides.

| the Machine | then | reason |
|---|---|---|
| is gone | find out what was asked for it and never answered | MachineGone |
| has come, and an address was reserved for it | bind that to it | ReservationTaken |
| has the name of one that had addresses | take those over, or release them | Replacing |
| is deleted | note it on its records, then take our hooks off; nothing is added | Leaving |
| is Cluster API's, or on its way | nothing: what we write would be undone | OtherAuthority |
| has our start hook, and a VM already | nothing: no VM would read it | TooLate |
| has our start hook, and no place for addresses | nothing | MachineUnusable |
| waits for more addresses than are free | wait, and take none | PoolExhausted |
| waits, and lacks addresses | allocate all that it lacks | Allocating |
| waits, and has them all | one patch: devices, start hook off, preTerminate on | AddressesWritten |
| waits by a hook that was ours, or in the wrong list | nothing: nobody serves it | HookUnserved |
| names an address of somebody else | nothing | MachineConflict |
| else | nothing | MachineSettled |

Its addresses are released once the Machine is gone, and not before: at preTerminate its VM still
runs. That is the business of :mod:`moorage_ipam.upkeep`, at once where the record says that the
Machine was being deleted, else after a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from moorage_domain.plans import Plan, first_match
from moorage_domain.reasons import Reason
from moorage_ipam.records import Record
from moorage_machine_ipam import reasons
from moorage_machine_ipam.decide.waiting import look_again, until
from moorage_machine_ipam.machine.hook_config import HookConfig
from moorage_machine_ipam.machine.hook_pools import Slot, pool_key, rendered, slots_of
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
from moorage_machine_ipam.machine.patches import (
    JsonPatch,
    MachineError,
    addresses_patch,
    comes_too_late,
    devices_to_address,
    paused_by_authority,
    release_hooks_patch,
)
from moorage_machine_ipam.render.values import InvalidNetwork

Decision = Plan[MachineAction]

_SOON = timedelta(seconds=1)


def decide_machine(observed: MachineObserved) -> Decision:
    """The plan for one Machine."""
    return first_match(RULES, observed)


def find_out_what_is_lost(observed: MachineObserved) -> Decision | None:
    """A Machine went while an address was being bound to it."""
    if not observed.lost:
        return None
    actions = tuple(Forget(uid) for uid in sorted(observed.lost))
    message = "a Machine of this name went while addresses were bound to it"
    # Another one of its name may be there, which nothing else would wake.
    return Plan(reasons.MACHINE_GONE.name, message, actions, wait=_SOON)


def nothing_when_gone(observed: MachineObserved) -> Decision | None:
    """Its records know what to do without it."""
    return None if observed.machine else _plan(reasons.MACHINE_GONE, "it is gone")


def bind_what_is_reserved(observed: MachineObserved) -> Decision | None:
    """The Machine that an address was reserved for names it: it has come."""
    if not observed.reserved:
        return None
    texts = ", ".join(str(one.address) for one in observed.reserved)
    actions = map(TakeOver, observed.reserved)
    return _plan(reasons.RESERVATION_TAKEN, f"{texts}, reserved for it, is bound to it", *actions)


def settle_with_a_former_one(observed: MachineObserved) -> Decision | None:
    """A Machine that came from a backup has the addresses of the one before; a new one has not."""
    if not observed.former or observed.machine is None:
        return None
    named = observed.machine.addresses
    actions: list[MachineAction] = [
        TakeOver(one) if one.address in named else ReleaseFormer(one) for one in observed.former
    ]
    return _plan(reasons.REPLACING, "; ".join(map(str, actions)), *actions)


def let_go_when_deleted(observed: MachineObserved) -> Decision | None:
    """Our hooks are in nobody's way; the addresses stay bound until the Machine is gone."""
    machine = observed.machine
    if machine is None or not machine.subject.deleting:
        return None
    actions: list[MachineAction] = [
        NoteDeleting(one) for one in observed.records if not one.owner_deleting
    ]
    if observed.chosen:
        actions.append(Forget(machine.subject.uid))
    if machine.raw is not None:
        hook = observed.config.hook if observed.config else None
        patch = release_hooks_patch(machine.raw, hook)
        if patch:
            actions.append(_change(patch, "take our lifecycle hooks off"))
    kept = ", ".join(str(one.address) for one in observed.records) or "no address"
    return _plan(reasons.LEAVING, f"it is being deleted; {kept} is kept until it is gone", *actions)


def leave_to_the_other_authority(observed: MachineObserved) -> Decision | None:
    """What we write to a Machine that Cluster API has would be overwritten."""
    found = _held(observed)
    if found is None or not paused_by_authority(found[0]):
        return None
    return _plan(reasons.OTHER_AUTHORITY, "Cluster API has it: status.authoritativeAPI says so")


def warn_when_too_late(observed: MachineObserved) -> Decision | None:
    """Its VM has started without the addresses, or never will."""
    found = _held(observed)
    if found is None or not comes_too_late(found[0], found[1].hook):
        return None
    phase, hook = found[0]["status"]["phase"], found[1].hook
    message = (
        f"its phase is {phase}, so it gets no addresses by the {hook.start_list} hook {hook.name}"
        " any more: remove the hook, or replace the Machine"
    )
    return _plan(reasons.TOO_LATE, message)


def give_addresses(observed: MachineObserved) -> Decision | None:
    """A Machine that waits for us gets all its addresses by one patch."""
    found = _held(observed)
    if found is None:
        return None
    raw, config = found
    try:
        there = devices_to_address(raw)
        # What stands in the way of the patch is said before an address is taken for it.
        addresses_patch(raw, config.hook, {})
        slots = slots_of(there, config)
        given = {slot: record for slot in slots if (record := _record(observed, slot))}
        missing = tuple(slot for slot in slots if slot not in given)
        if missing:
            return _allocate(observed, missing)
        addresses = {slot: record.address for slot, record in given.items()}
        patch = addresses_patch(raw, config.hook, rendered(there, config, addresses))
    except (MachineError, InvalidNetwork) as error:
        return _plan(reasons.MACHINE_UNUSABLE, str(error))
    texts = [f"{record.address} for device {slot.device}" for slot, record in given.items()]
    what = f"write {', '.join(texts) or 'no addresses: its devices take them from pools'}"
    return _plan(reasons.ADDRESSES_WRITTEN, what, _change(patch, what))


def warn_of_a_hook_nobody_serves(observed: MachineObserved) -> Decision | None:
    """The file names another hook by now; who wrote the Machine's own can tell what was meant."""
    machine, config = observed.machine, observed.config
    if machine is None or machine.raw is None or config is None:
        return None
    waits = [one for one in observed.unserved if not comes_too_late(machine.raw, one)]
    if not waits:
        return None
    message = (
        f"it waits by the hook {waits[0]}, but the file names {config.hook}: correct one of the"
        " two, in the MachineSet too, and replace the Machine"
    )
    return _plan(reasons.HOOK_UNSERVED, message)


def report_conflict(observed: MachineObserved) -> Decision | None:
    """Two have one address: a person decides who keeps it."""
    if not observed.conflicts:
        return None
    return _plan(reasons.MACHINE_CONFLICT, "; ".join(observed.conflicts))


def nothing_else(_: MachineObserved) -> Decision | None:
    """Most Machines are none of our business."""
    return _plan(reasons.MACHINE_SETTLED, "it waits for nothing of ours")


RULES = (
    find_out_what_is_lost,
    nothing_when_gone,
    bind_what_is_reserved,
    settle_with_a_former_one,
    let_go_when_deleted,
    leave_to_the_other_authority,
    warn_when_too_late,
    give_addresses,
    warn_of_a_hook_nobody_serves,
    report_conflict,
    nothing_else,
)


def _held(observed: MachineObserved) -> tuple[Mapping[str, Any], HookConfig] | None:
    """A Machine that our start hook holds, with the configuration; ``None``: it does not."""
    machine, config = observed.machine, observed.config
    if machine is None or machine.raw is None or config is None:
        return None
    return (machine.raw, config) if machine.is_held_by(config.hook) else None


def _record(observed: MachineObserved, slot: Slot) -> Record | None:
    """The Machine's record for a slot; ``None``: it has none that the device could use.

    One of a range that the file had before stays bound: had the file changed just after the patch,
    the Machine would have that address. It is released with the Machine.
    """
    for record in observed.records:
        if record.owner and record.owner.slot == slot.name and slot.fits(record.address):
            return record
    return None


def _allocate(observed: MachineObserved, missing: tuple[Slot, ...]) -> Decision:
    supply = observed.supply or {}
    needed = Counter(slot.range for slot in missing if slot.name not in observed.chosen)
    for one, count in needed.items():
        pool = supply[pool_key(one.version)]
        if pool.free < count:
            message = f"{count} of {one.cidr} needed, {pool.free} free"
            message += until(observed.now, pool.next_free)
            wait = look_again(pool.next_free)
            return Plan(reasons.POOL_EXHAUSTED.name, message, wait=wait)
    action = Allocate(missing)
    return _plan(reasons.ALLOCATING, str(action), action)


def _change(patch: JsonPatch, what: str) -> ChangeMachine:
    return ChangeMachine(tuple(patch), what)


def _plan(reason: Reason, message: str, *actions: MachineAction) -> Decision:
    return Plan(reason.name, message, actions)
