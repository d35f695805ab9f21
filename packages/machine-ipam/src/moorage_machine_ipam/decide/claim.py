"""What to do about a claim: the first rule that fits decides.

| the claim | then | reason |
|---|---|---|
| or its IPAddress is marked as moving | keep the address for nobody here | Moving |
| is paused, or its Cluster is | nothing | Paused |
| may have an address that no record shows | look it up | Allocating |
| is deleted, and others hold it | nothing: its machine may still run | InUse |
| is deleted | release what it has, finalizer off | Releasing |
| has an IPAddress that is not its own | nothing | AddressConflict |
| has one whose address is somebody else's, or not its record's | nothing | AddressConflict |
| has an address of another family than its pool | nothing | AddressConflict |
| has an IPAddress that is being deleted | wait until it is gone | AddressLeaving |
| has an IPAddress whose address is nobody's, or a namesake's | take it over | Allocating |
| is meant by a record without a uid | take it over | Allocating |
| has a record and a whole IPAddress | settled; what else it has is released | Allocated |
| has a record | write the IPAddress | Allocating |
| names a Cluster that is missing | nothing | ClusterMissing |
| names no pool that is ready | nothing | PoolNotReady |
| or its pool was restored, or a namesake has a record | wait for its IPAddress | Restoring |
| replaces a namesake that has records | release them | Allocating |
| asks for the address that a namesake has | take it over | Allocating |
| asks for an address that it cannot have | nothing | AllocationFailed |
| comes after more claims than addresses are free | wait | PoolExhausted |
| else | allocate | Allocating |
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from moorage_domain.plans import Finalizer, PlainStatus, Plan, first_match
from moorage_domain.reasons import Reason
from moorage_ipam.records import Phase, Record
from moorage_machine_ipam import reasons
from moorage_machine_ipam.actions import (
    Action,
    Allocate,
    Bind,
    DeleteAddress,
    LookUp,
    Release,
    TakeOver,
    WriteAddress,
)
from moorage_machine_ipam.decide.waiting import LOOK_AGAIN, look_again, until
from moorage_machine_ipam.model import Observed
from moorage_machine_ipam.projections import CLAIM_KIND, FINALIZER, IpAddress

RESTORE_SECONDS = 600.0
"""How long a claim that comes from a backup waits for its IPAddress to come, too."""
NAMESAKE_SECONDS = 60.0
"""How long a claim waits where a record belongs to one of its name: it may come from a backup."""
INFORMED = 16
"""So many waiters say when the next address comes free; for all of them each release would be a
write for each."""
_SOON = timedelta(seconds=1)


def decide(observed: Observed) -> Plan[Action]:
    """The plan for one claim."""
    return first_match(RULES, observed)


def keep_what_moves(observed: Observed) -> Plan[Action] | None:
    """What moves takes its address along: that is noted while it can still be seen."""
    if not observed.moves:
        return None
    # What was restored for it may not have been taken over yet.
    kept = _releases((*observed.records, *observed.former), Phase.MOVED)
    finalizer = Finalizer.ABSENT if observed.claim.subject.deleting else None
    message = "it moves to another cluster, and takes its address along"
    return Plan(reasons.MOVING.name, message, kept, finalizer=finalizer)


def hold_while_paused(observed: Observed) -> Plan[Action] | None:
    """Whoever paused it may be moving it to another cluster just now."""
    if not observed.paused:
        return None
    return Plan(reasons.PAUSED.name, "the claim or its Cluster is paused")


def look_up_what_is_unsure(observed: Observed) -> Plan[Action] | None:
    """An answer was lost: whether it has an address is found out before anything else."""
    if not observed.unsure:
        return None
    return replace(_going("whether it has an address is found out", LookUp()), wait=_SOON)


def release_when_deleted(observed: Observed) -> Plan[Action] | None:
    """A claim that is deleted gives up its address, and then goes."""
    subject = observed.claim.subject
    if not subject.deleting:
        return None
    others = [one for one in subject.finalizers if one != FINALIZER]
    if others:
        # Whoever runs the machine takes it off once the machine is gone, and not before.
        return Plan(reasons.CLAIM_IN_USE.name, f"its address is kept while {others[0]} holds it")
    owned = (*observed.records, *observed.former, *observed.meant)
    actions: tuple[Action, ...] = (
        *((DeleteAddress(),) if _is_deletable(observed.address) else ()),
        *_releases(owned, Phase.QUARANTINED),
    )
    reason = reasons.RELEASING if actions else reasons.RELEASED
    message = "; ".join(map(str, actions)) or "the claim has no address any more"
    return Plan(reason.name, message, actions, finalizer=Finalizer.ABSENT)


def refuse_what_is_not_its_own(observed: Observed) -> Plan[Action] | None:
    """An IPAddress of the claim's name that tells nothing about what the claim has."""
    address, claim = observed.address, observed.claim
    if address is None or address.subject.deleting:
        return None
    if address.pool != claim.pool:
        return _conflict(f"IPAddress {_name(observed)} is of {address.pool}, not {claim.pool}")
    if address.claim not in ("", _name(observed)):
        return _conflict(f"IPAddress {_name(observed)} is for the claim {address.claim}")
    if address.address is None:
        return _conflict(f'IPAddress {_name(observed)} has "{address.text}" for an address')
    return None


def refuse_contradiction(observed: Observed) -> Plan[Action] | None:
    """Two objects say different things about the address: people decide which is right."""
    address = observed.address
    if address is None or address.subject.deleting:
        return None
    says, claim_key = f"IPAddress {_name(observed)} says {address.text}, but", observed.claim.key
    if observed.records and not _own_record(observed):
        return _conflict(f"{says} {observed.records[0]} is the claim's, too")
    for holder in observed.holders:
        # What a claim of its name once took along comes back with its IPAddress.
        if holder not in observed.records and not holder.is_of(f"{CLAIM_KIND} {claim_key}"):
            whose = f"belongs to {holder.owner}" if holder.owner else "is reserved by a person"
            return _conflict(f"{says} {holder} {whose}")
    return None


def refuse_another_family(observed: Observed) -> Plan[Action] | None:
    """Only a pool of its family says how an address is reached; who has one keeps it as it is."""
    family = observed.pool.family if observed.pool else None
    if family is None or _own_record(observed):
        return None
    said = observed.address.address if observed.address else None
    known = (said, *(one.address for one in (*observed.records, *observed.meant)))
    for one in known:
        if one is not None and one.family is not family:
            pool = f"IPPool {observed.claim.pool_name}"
            return _conflict(f"{one} is {one.family}, but {pool} gives {family} addresses")
    return None


def wait_for_the_former_address(observed: Observed) -> Plan[Action] | None:
    """An IPAddress of its name is going; until then there can be no other one."""
    if observed.address is None or not observed.address.subject.deleting:
        return None
    return _waiting(reasons.ADDRESS_LEAVING, f"IPAddress {_name(observed)} is being deleted")


def adopt_what_it_has(observed: Observed) -> Plan[Action] | None:
    """Its IPAddress is the evidence of what it has, also after a restore or a move."""
    address = observed.address
    if address is None or address.address is None or observed.records or not _readable(observed):
        return None
    if observed.holders:
        holder = observed.holders[0]
        return _going(f"{holder} is taken over", TakeOver(holder), WriteAddress())
    return _going(
        f"{address.text} of its IPAddress is bound to it", Bind(address.address), WriteAddress()
    )


def take_what_is_meant_for_it(observed: Observed) -> Plan[Action] | None:
    """A record that names the claim without a uid was made for whoever has the name."""
    if observed.records or not observed.meant or not _readable(observed):
        return None
    meant = observed.meant[0]
    return _going(f"{meant} is taken over", TakeOver(meant), WriteAddress())


def settle(observed: Observed) -> Plan[Action] | None:
    """It has a record; its IPAddress and its status follow from that."""
    if not observed.records:
        return None
    record = _own_record(observed) or min(
        observed.records, key=lambda one: (one.phase is not Phase.BOUND, one.name)
    )
    whole = observed.address is not None and _is_whole(observed, observed.address)
    if not whole or record.phase is not Phase.BOUND:
        if not _readable(observed):
            return None
        taken = () if record.phase is Phase.BOUND else (TakeOver(record),)
        return _going(f"{record.address} is bound to it", *taken, WriteAddress())
    # Another replica that led at the same time has allocated, too; the IPAddress says which counts.
    surplus = (*(one for one in observed.records if one != record), *observed.former)
    message = f"{record.address} of {observed.claim.pool_name}"
    ready = PlainStatus.ready(reasons.ALLOCATED.name, message, ready=True)
    status = PlainStatus(ready.conditions, {"addressRef": {"name": _name(observed)}})
    releases = _releases(surplus, Phase.QUARANTINED)
    return Plan(
        reasons.ALLOCATED.name, message, releases, status=status, finalizer=Finalizer.PRESENT
    )


def wait_for_its_cluster(observed: Observed) -> Plan[Action] | None:
    """Whether the claim is paused is not known before its Cluster is there."""
    if not observed.cluster_missing:
        return None
    message = f"there is no Cluster {observed.claim.cluster}"
    return _waiting(reasons.CLUSTER_MISSING, message)


def wait_for_its_pool(observed: Observed) -> Plan[Action] | None:
    """Nothing is allocated from a pool that is not there or makes no sense."""
    pool, name = observed.pool, observed.claim.pool_name
    if pool is None:
        return _waiting(reasons.POOL_NOT_READY, f"there is no IPPool {name} in its namespace")
    if pool.problem:
        return _waiting(reasons.POOL_NOT_READY, f"IPPool {name}: {pool.problem}")
    return None


def wait_for_what_is_restored(observed: Observed) -> Plan[Action] | None:
    """After a restore in any order the claim gets what its IPAddress says, once that is there."""
    if observed.pool is not None and observed.pool.restoring:
        message = f"IPPool {observed.claim.pool_name} comes from a backup, and more may follow"
        return _waiting(reasons.RESTORING, message, timedelta(minutes=1))
    if not observed.claim.restored and not observed.former:
        return None
    left = (RESTORE_SECONDS if observed.claim.restored else NAMESAKE_SECONDS) - observed.age
    if left <= 0:
        return None
    message = "its IPAddress may still be restored from a backup"
    if observed.former:
        message = f"{observed.former[0]} belongs to a claim of this name; {message}"
    return _waiting(reasons.RESTORING, message, timedelta(seconds=max(1.0, left)))


def release_what_a_namesake_had(observed: Observed) -> Plan[Action] | None:
    """It is another claim: what the former one had may be the very address that it waits for."""
    same = observed.requested_former if observed.requested_fits else None
    releases = _releases(tuple(one for one in observed.former if one != same), Phase.QUARANTINED)
    return _going("; ".join(map(str, releases)), *releases) if releases else None


def refuse_request(observed: Observed) -> Plan[Action] | None:
    """A claim that asks for one address gets that one or none."""
    asked = observed.claim.requested
    if not asked and observed.requested is None:
        return None
    if observed.requested is None:
        return _waiting(reasons.ALLOCATION_FAILED, f'"{asked}" is no IP address')
    if not observed.requested_fits:
        return _waiting(
            reasons.ALLOCATION_FAILED, f"{asked} is no address of IPPool {observed.claim.pool_name}"
        )
    same = observed.requested_former
    if same is not None:
        return _going(f"{same} is taken over", TakeOver(same), WriteAddress())
    if observed.requested_by:
        message = f"{observed.requested} is in use: {observed.requested_by}"
        return _waiting(reasons.ALLOCATION_FAILED, message)
    message = f"{observed.requested} is bound to it"
    return _going(message, Bind(observed.requested), WriteAddress())


def wait_for_its_turn(observed: Observed) -> Plan[Action] | None:
    """The oldest claims come first; the others wait until something comes free."""
    pool = observed.pool
    if pool is None or pool.ahead < pool.free:
        return None
    if pool.oldest is not None and pool.ahead == pool.free:
        early = pool.oldest
        return _going(
            f"{early.address} is given away before its time", TakeOver(early), WriteAddress()
        )
    message = f"no address of IPPool {observed.claim.pool_name} is free"
    if pool.place >= INFORMED:
        return _waiting(reasons.POOL_EXHAUSTED, f"{message}, and older claims wait")
    message += until(observed.now, pool.next_free)
    return _waiting(reasons.POOL_EXHAUSTED, message, look_again(pool.next_free))


def allocate(observed: Observed) -> Plan[Action] | None:
    """All is well: it gets the next address."""
    del observed  # nothing is left to ask
    return _going("an address is bound to it", Allocate(), WriteAddress())


RULES = (
    keep_what_moves,
    hold_while_paused,
    look_up_what_is_unsure,
    release_when_deleted,
    refuse_what_is_not_its_own,
    refuse_contradiction,
    refuse_another_family,
    wait_for_the_former_address,
    adopt_what_it_has,
    take_what_is_meant_for_it,
    settle,
    wait_for_its_cluster,
    wait_for_its_pool,
    wait_for_what_is_restored,
    release_what_a_namesake_had,
    refuse_request,
    wait_for_its_turn,
    allocate,
)


def _going(message: str, *actions: Action) -> Plan[Action]:
    # No status on the way: each is a write, and the next pass has the last word.
    return Plan(reasons.ALLOCATING.name, message, actions, finalizer=Finalizer.PRESENT)


def _waiting(reason: Reason, message: str, wait: timedelta = LOOK_AGAIN) -> Plan[Action]:
    status = PlainStatus.ready(reason.name, message, ready=False)
    return Plan(reason.name, message, wait=wait, status=status)


def _conflict(message: str) -> Plan[Action]:
    return _waiting(reasons.ADDRESS_CONFLICT, f"{message}; find out which is right")


def _releases(records: tuple[Record, ...], phase: Phase) -> tuple[Action, ...]:
    return tuple(Release(one, phase) for one in records if one.phase is Phase.BOUND)


def _own_record(observed: Observed) -> Record | None:
    """The claim's record of the address that its IPAddress says; ``None`` = it has none."""
    said = observed.address.address if observed.address else None
    return next((one for one in observed.records if one.address == said), None)


def _is_deletable(address: IpAddress | None) -> bool:
    return address is not None and bool(address.pool_name) and not address.subject.deleting


def _is_whole(observed: Observed, address: IpAddress) -> bool:
    """Whether the IPAddress belongs to this very claim, and to its pool."""
    uid = observed.claim.subject.uid
    wanted = {uid} | ({observed.pool.uid} if observed.pool else set())
    return address.controller == address.made_for == uid and wanted <= address.owner_uids


def _readable(observed: Observed) -> bool:
    """Whether it is known what an IPAddress of the pool has to say."""
    return observed.pool is not None and observed.pool.readable


def _name(observed: Observed) -> str:
    return observed.claim.subject.name
