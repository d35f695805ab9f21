"""What to do for one claim: pure.

A claim goes with the last Service that used it; one that a person has made stays.
"""

from __future__ import annotations

from moorage_domain.conditions import Condition
from moorage_domain.plans import PlainStatus, Plan, first_match
from moorage_domain.reasons import Reason
from moorage_external_ip import reasons
from moorage_external_ip.claim.model import (
    Action,
    Adopt,
    Bind,
    ClaimObserved,
    Delete,
    DropUses,
    LookUp,
    Mend,
    NoteGoing,
    Release,
)
from moorage_external_ip.projections import CLAIM_KIND
from moorage_external_ip.waits import SOON
from moorage_ipam.records import Phase, Record

CONDITION = "Allocated"
"""Type of the condition of claims that is about their address, and not about their node."""


def decide_claim(observed: ClaimObserved) -> Plan[Action]:
    """The plan for one claim."""
    return first_match(RULES, observed)


def leave_what_is_no_address(observed: ClaimObserved) -> Plan[Action] | None:
    """Nobody can have it."""
    if observed.claim.address is not None:
        return None
    return _settled(reasons.UNREADABLE, f'"{observed.claim.cidr}" is no address', ready=False)


def leave_what_goes(observed: ClaimObserved) -> Plan[Action] | None:
    """It is deleted, and somebody's finalizer keeps it: nothing is to be written any more."""
    if not observed.claim.subject.deleting:
        return None
    return Plan(reasons.RETIRING.name, "it is being deleted")


def look_up_what_is_unsure(observed: ClaimObserved) -> Plan[Action] | None:
    """A request without an answer may have been carried out."""
    if not observed.unsure:
        return None
    return _going(reasons.BINDING, "an answer was lost", LookUp())


def bind_its_address(observed: ClaimObserved) -> Plan[Action] | None:
    """The claim is the evidence: its record is made, or mended, before anything else is done."""
    if not observed.records:
        return _going(reasons.BINDING, "its address is bound to it", Bind(None))
    record = observed.records[0]
    if _is_own(observed, record):
        return None
    owner = record.owner
    namesake = owner is not None and owner.kind == CLAIM_KIND
    if not namesake or (owner and owner.name != observed.claim.subject.name):
        whose = f"belongs to {owner}" if owner is not None else "is reserved by a person"
        return _settled(reasons.ADDRESS_CONFLICT, f"{record} {whose}", ready=False)
    return _going(reasons.BINDING, f"{record} is taken over", Bind(record))


def adopt_the_first_versions(observed: ClaimObserved) -> Plan[Action] | None:
    """Its Services stand in references that no garbage collector understands."""
    if not observed.claim.seed_services:
        return None
    known = observed.claim.uids
    adopt = Adopt(tuple(one for one in observed.heirs if one.uid not in known))
    return _going(reasons.ADOPTING, str(adopt), adopt)


def drop_services_that_are_gone(observed: ClaimObserved) -> Plan[Action] | None:
    """There is no finalizer on Services: they go when they want to."""
    if not observed.gone:
        return None
    drop = DropUses(observed.gone)
    return _going(reasons.RETIRING, str(drop), drop)


def retire_when_unused(observed: ClaimObserved) -> Plan[Action] | None:
    """Nobody uses it, and it was made for somebody."""
    if observed.claim.uses or not observed.claim.made_for:
        return None
    own = tuple(one for one in observed.records if _is_own(observed, one))
    notes = tuple(NoteGoing(one) for one in own if not one.owner_deleting)
    actions: tuple[Action, ...] = (*notes, Delete(), *map(Release, own))
    return _going(reasons.RETIRING, "no Service uses it", *actions)


def mend_its_fields(observed: ClaimObserved) -> Plan[Action] | None:
    """What the pool and the Services say of it."""
    if not observed.fields:
        return None
    mend = Mend(observed.fields)
    return _going(reasons.BINDING, str(mend), mend)


def settle(observed: ClaimObserved) -> Plan[Action] | None:
    """All is as it should be, or at least stays as it is."""
    if not observed.claim.made_for and not observed.claim.uses:
        return _settled(reasons.BY_HAND, "it stays until a person deletes it", ready=True)
    if observed.in_pool:
        return _settled(reasons.IN_POOL, f"an address of {observed.pool}", ready=True)
    where = f"pool {observed.pool} does not give it" if observed.pool else "no pool has it"
    return _settled(reasons.OUT_OF_POOL, f"{where}; it stays as it is", ready=True)


RULES = (
    leave_what_is_no_address,
    leave_what_goes,
    look_up_what_is_unsure,
    bind_its_address,
    adopt_the_first_versions,
    drop_services_that_are_gone,
    retire_when_unused,
    mend_its_fields,
    settle,
)


def _is_own(observed: ClaimObserved, record: Record) -> bool:
    owner = record.owner
    return (
        owner is not None
        and owner.uid == observed.claim.subject.uid
        and record.phase is Phase.BOUND
    )


def _going(reason: Reason, message: str, *actions: Action) -> Plan[Action]:
    return Plan(reason.name, message, actions, wait=SOON)


def _settled(reason: Reason, message: str, *, ready: bool) -> Plan[Action]:
    condition = Condition(CONDITION, "True" if ready else "False", reason.name, message)
    return Plan(reason.name, message, status=PlainStatus((condition,)))
