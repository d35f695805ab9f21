"""What to do for one Service: pure.

A Service is written to only where it is ours; an address is given up only after another one is up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from moorage_domain.conditions import Condition, condition_of
from moorage_domain.plans import PlainStatus, Plan, first_match
from moorage_domain.reasons import Reason
from moorage_external_ip import reasons
from moorage_external_ip.projections import Claim
from moorage_external_ip.service.actions import (
    Action,
    Drop,
    Join,
    Leave,
    LookUp,
    MakeClaims,
    Take,
    Withdraw,
    WriteExternal,
)
from moorage_external_ip.service.ingress import ingress_with, without
from moorage_external_ip.service.model import CONDITION, Observed, SlotState
from moorage_external_ip.service.offers import Refusal, offer_of
from moorage_external_ip.service.wish import Mode
from moorage_external_ip.waits import SOON
from moorage_ipam.records import Record


def decide(observed: Observed) -> Plan[Action]:
    """The plan for one Service."""
    return first_match(RULES, observed)


def look_up_what_is_unsure(observed: Observed) -> Plan[Action] | None:
    """A request without an answer may have been carried out."""
    if not observed.unsure:
        return None
    return _going(reasons.ASSIGNING, "an answer was lost", LookUp())


def keep_while_it_goes(observed: Observed) -> Plan[Action] | None:
    """Somebody's finalizer holds a deleted Service: it serves until it is gone."""
    if not observed.service.subject.deleting:
        return None
    drops = tuple(Drop(one) for one in observed.reserved)
    return Plan(reasons.RELEASING.name, "the Service is being deleted", drops)


def finish_what_is_reserved(observed: Observed) -> Plan[Action] | None:
    """A record waits for its claim; what is not wanted any more is given back."""
    if not observed.reserved:
        return None
    needed = [one for one in observed.reserved if _is_needed(observed, one)]
    drops = tuple(Drop(one) for one in observed.reserved if one not in needed)
    if drops:
        return _going(reasons.RELEASING, "; ".join(map(str, drops)), *drops)
    return _going(reasons.ASSIGNING, "its claim is made", MakeClaims())


def give_all_back(observed: Observed) -> Plan[Action] | None:
    """It asks for nothing: what is ours of it goes, first from its status, then from the claims."""
    if observed.wish.mode is not Mode.NONE:
        return None
    actions = (*_withdrawn(observed), *map(Leave, observed.claims))
    if not actions:
        return Plan(reasons.NOT_OURS.name, "it asks for nothing")
    return _going(reasons.RELEASING, "; ".join(map(str, actions)), *actions)


def refuse_what_makes_no_sense(observed: Observed) -> Plan[Action] | None:
    """A wish that cannot be understood changes nothing of what the Service has."""
    if not observed.wish.problem:
        return None
    reason = reasons.KEPT_FORMER if observed.claims else reasons.REQUEST_REFUSED
    return _told(observed, Refusal(reason, observed.wish.problem))


def get_what_it_lacks(observed: Observed) -> Plan[Action] | None:
    """All that it must have at once, or nothing: half of it would keep others waiting."""
    offers = _offers(observed)
    actions = [one for _, one in offers if not isinstance(one, Refusal)]
    if any(state.slot.required and isinstance(one, Refusal) for state, one in offers):
        actions = [
            one for state, one in offers if state.slot.by_hand and not isinstance(one, Refusal)
        ]
    if not actions:
        return None
    made = (MakeClaims(),) if any(isinstance(one, Take) for one in actions) else ()
    return _going(reasons.ASSIGNING, "; ".join(map(str, actions)), *actions, *made)


def mend_its_entries(observed: Observed) -> Plan[Action] | None:
    """Ports, key and policy of the Service are part of its entry in each claim."""
    use = observed.service.use
    stale = tuple(Join(one) for one in observed.claims if one.use_of(use.uid) != use)
    return _going(reasons.ASSIGNING, "; ".join(map(str, stale)), *stale) if stale else None


def settle(observed: Observed) -> Plan[Action] | None:
    """It has what can be had: its status says so, and what it has no use for is left."""
    refused = [(state, one) for state, one in _offers(observed) if isinstance(one, Refusal)]
    has_some = any(one.held or one.former for one in observed.slots if not one.slot.by_hand)
    must = (one for one in refused if one[0].slot.required)
    any_of = (one for one in refused if not one[0].slot.by_hand and not has_some)
    by_hand = (one for one in refused if one[0].slot.by_hand)
    found = next(chain(must, any_of, by_hand), None)
    if found is None:
        return _assigned(observed, [str(state.slot) for state, _ in refused])
    state, refusal = found
    taken = [one for one in state.former if one.taken]
    if taken:
        message = f"{_text(taken)} answers from another machine; {refusal.message}"
        refusal = Refusal(refusal.reason, message, refusal.wait)
    elif state.former:
        message = f"{refusal.message}; {_text(state.former)} goes on serving"
        refusal = Refusal(reasons.KEPT_FORMER, message, refusal.wait)
    return _told(observed, refusal)


RULES = (
    look_up_what_is_unsure,
    keep_while_it_goes,
    finish_what_is_reserved,
    give_all_back,
    refuse_what_makes_no_sense,
    get_what_it_lacks,
    mend_its_entries,
    settle,
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """Claims that serve, and those that do so no more."""

    serving: tuple[Claim, ...]
    left: tuple[Claim, ...]


def _going(reason: Reason, message: str, *actions: Action) -> Plan[Action]:
    # No status on the way: each is a write, and the next pass has the last word.
    return Plan(reason.name, message, actions, wait=SOON)


def _offers(observed: Observed) -> list[tuple[SlotState, Take | Join | Refusal]]:
    lacking = (state for state in observed.slots if state.held is None)
    return [(state, offer_of(state, observed.now)) for state in lacking]


def _assigned(observed: Observed, missing: list[str]) -> Plan[Action]:
    addresses = _text(_kept(observed).serving) or "nothing"
    message = addresses + (f"; without {', '.join(missing)}" if missing else "")
    reason = reasons.ASSIGNED
    if observed.unshareable:
        reason, message = reasons.SHARING_CONFLICT, observed.unshareable
    return _final(observed, reason.name, message, None, ready=True)


def _told(observed: Observed, refusal: Refusal) -> Plan[Action]:
    return _final(observed, refusal.reason.name, refusal.message, refusal.wait, ready=False)


def _final(
    observed: Observed, reason: str, message: str, wait: timedelta | None, *, ready: bool
) -> Plan[Action]:
    """Status first: what it no longer says can be left then."""
    kept = _kept(observed)
    leaves = tuple(map(Leave, kept.left))
    if observed.wish.mode is Mode.INPUT:
        return Plan(reason, message, (*_withdrawn(observed), *leaves), wait)
    condition = Condition(CONDITION, "True" if ready else "False", reason, message)
    if observed.wish.mode is Mode.EXTERNAL:
        status = PlainStatus((condition,), _fields(observed, ()))
        return Plan(reason, message, (*_external(observed, kept), *leaves), wait, status)
    status = PlainStatus((condition,), _fields(observed, kept.serving))
    external = (WriteExternal(()),) if observed.service.added else ()
    return Plan(reason, message, (*external, *leaves), wait, status)


def _kept(observed: Observed) -> _Kept:
    """The former claim serves until a node has the one that takes its place."""
    serving: list[Claim] = []
    for state in observed.slots:
        if state.slot.by_hand:
            continue
        if state.held is not None:
            serving.append(state.held)
        if state.held is None or not state.held.ready:
            serving.extend(state.former)
    if observed.wish.problem:
        serving = list(observed.claims)
    by_hand = (one.held for one in observed.slots if one.slot.by_hand and one.held is not None)
    names = {one.subject.name for one in (*serving, *by_hand)}
    left = tuple(one for one in observed.claims if one.subject.name not in names)
    return _Kept(tuple(serving), left)


def _fields(observed: Observed, serving: Iterable[Claim]) -> dict[str, object]:
    """``status.loadBalancer``; entries of others stay as they are."""
    wanted = [one.address for one in serving if one.address is not None]
    ours = {one.address for one in observed.claims if one.address is not None} | observed.stale
    found = ingress_with(observed.service.ingress, wanted, ours - set(wanted))
    if found == list(observed.service.ingress):
        return {}
    return {"loadBalancer": {"ingress": found} if found else {}}


def _external(observed: Observed, kept: _Kept) -> tuple[Action, ...]:
    wanted = tuple(str(one.address) for one in kept.serving if one.address)
    service = observed.service
    is_so = set(service.annotated) == set(wanted) and set(wanted) <= set(service.external)
    return () if is_so else (WriteExternal(wanted),)


def _withdrawn(observed: Observed) -> tuple[Action, ...]:
    """What takes everything of ours off the Service itself."""
    service = observed.service
    ours = {one.address for one in observed.claims if one.address is not None} | observed.stale
    marked = bool(condition_of(service.subject.status, CONDITION))
    found: list[Action] = []
    if marked or len(without(service.ingress, ours)) < len(service.ingress):
        found.append(Withdraw(frozenset(ours)))
    if service.added:
        found.append(WriteExternal(()))
    return tuple(found)


def _is_needed(observed: Observed, record: Record) -> bool:
    """Whether a slot that has no claim yet takes the reserved address."""
    return any(
        state.held is None
        and state.slot.family is record.address.family
        and state.slot.asked in (None, record.address)
        for state in observed.slots
    )


def _text(claims: Iterable[Claim]) -> str:
    return ", ".join(str(one.address or one.cidr) for one in claims)
