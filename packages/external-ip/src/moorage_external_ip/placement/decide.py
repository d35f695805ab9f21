"""Decide about one claim: which node has its address; pure.

=====================  ==============================  ==================================
the node it is on is   and                             then
=====================  ==============================  ==================================
none                   a node can have it              placed
live                   nothing speaks against it       it stays, whoever else would fit
live                   it should leave, another can    moved: both are told at once
live                   it should leave, none can       it stays, and a condition says why
live                   its agent has said for a        moved to a node that was not tried, and what
                       moment that it cannot have it   it said is kept; else it stays
late or restarting                                     it stays: nobody could tell it to let go
lost                   another can have it             moved: what it held ended with its lease
lost                   too many were lost at once      it stays until renewals come in again
without a Lease        this process began only now     it stays for the longest hold there is
any, or none           all Services are Local, and     withdrawn
                       no endpoint is anywhere
=====================  ==============================  ==================================
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from moorage_domain.plans import PlainStatus, Plan, first_match
from moorage_external_ip.placement import conditions, reasons
from moorage_external_ip.placement.choose import (
    Candidates,
    candidates,
    choose,
    rank_of,
    without_endpoints,
)
from moorage_external_ip.placement.every_node import spread
from moorage_external_ip.placement.model import (
    Assign,
    Life,
    NodeView,
    Observed,
    PlacementAction,
    Rank,
)
from moorage_external_ip.placement.rules import Case, Obstacle, is_lost, why_leave
from moorage_external_ip.placement.trouble import (
    MOMENT_SECONDS,
    refusals,
    tried_field,
    why_rejected,
)

ClaimPlan = Plan[PlacementAction]

_MACS = 32
"""What a claim has room for."""
_LEAST_SECONDS = 0.02
"""A wait that is over a billionth of a second from now would be no wait, again and again."""
_LOOK_SECONDS = 60.0
"""So often it is looked whether a node that said no may be tried again."""


def decide(observed: Observed) -> ClaimPlan:
    """What to do about one claim."""
    plan = first_match(_RULES, observed)
    seconds = observed.troubled_seconds
    if seconds is None or plan.actions:
        return plan
    wait = MOMENT_SECONDS - seconds if seconds < MOMENT_SECONDS else _LOOK_SECONDS
    return replace(plan, wait=timedelta(seconds=max(_LEAST_SECONDS, wait)))


def leave_a_deleted_claim(observed: Observed) -> ClaimPlan | None:
    """Somebody's finalizer keeps it: its address stays where it is until it is gone."""
    if not observed.claim.subject.deleting:
        return None
    return Plan(reasons.DELETING.name, "the claim is being deleted")


def report_an_invalid_address(observed: Observed) -> ClaimPlan | None:
    """Of a claim that a person made."""
    if observed.claim.address is not None:
        return None
    message = f"{observed.claim.text!r} is no address with its length, as 10.0.0.7/24 is"
    status = PlainStatus.ready(reasons.INVALID_ADDRESS.name, message, ready=False)
    return Plan(reasons.INVALID_ADDRESS.name, message, status=status)


def wait_at_the_start(observed: Observed) -> ClaimPlan | None:
    """Nobody is known to be live or dead yet."""
    if not observed.starting:
        return None
    return Plan(reasons.STARTING.name, "leases are watched before any node is judged")


def wait_for_a_hold_that_nobody_saw(observed: Observed) -> ClaimPlan | None:
    """Its Lease went before this process began, and with it what it said of a hold."""
    claim = observed.claim
    if claim.every_node or not claim.node or not conditions.may_hold_unseen(observed, claim.node):
        return None
    wait = max(_LEAST_SECONDS, observed.unseen_seconds)
    return replace(settle(observed), wait=timedelta(seconds=wait))


def leave_what_is_not_its_own(observed: Observed) -> ClaimPlan | None:
    """Another claim has the address, or nobody has looked yet; what has a node keeps it till then.

    Two claims of one address would have two nodes answer.
    """
    claim = observed.claim
    if claim.allocated:
        return None
    if claim.allocated is None and not claim.holders:
        return Plan(reasons.NOT_ALLOCATED.name, "whether the address is its own is not known yet")
    holder = holder_of(observed)
    can_let_go = holder is None or holder.life is Life.LIVE or is_lost(holder)
    if claim.allocated is None or not can_let_go:
        return settle(observed)
    if not claim.holders:
        message = "the address is not its own; the condition Allocated says why"
        status = PlainStatus.ready(reasons.NOT_ALLOCATED.name, message, ready=False)
        return Plan(reasons.NOT_ALLOCATED.name, message, status=status)
    message = f"{claim.address} leaves {', '.join(claim.holders)}: it is not the claim's own"
    action = Assign(every_node=True) if claim.every_node else _assign(observed, None)
    return Plan(reasons.WITHDRAWN.name, message, (action,))


def stay_where_nobody_listens(observed: Observed) -> ClaimPlan | None:
    """An agent that restarts, or is late, would not hear that it has to let go."""
    holder = holder_of(observed)
    if observed.claim.every_node or holder is None or is_lost(holder) or holder.life is Life.LIVE:
        return None
    return settle(observed)


def withdraw_without_endpoints(observed: Observed) -> ClaimPlan | None:
    """Nobody can serve what would arrive; the status of the Services stays as it is."""
    claim = observed.claim
    if claim.every_node or not claim.holders or not without_endpoints(observed):
        return None
    if observed.held and (holder := holder_of(observed)) and is_lost(holder):
        return settle(observed)
    message = f"{claim.address} leaves {claim.node}: no endpoint is on any node"
    return Plan(reasons.WITHDRAWN.name, message, (_assign(observed, None),))


def spread_over_all_nodes(observed: Observed) -> ClaimPlan | None:
    """With EveryNode."""
    if not observed.claim.every_node:
        return None
    return spread(observed)


def place(observed: Observed) -> ClaimPlan | None:
    """The first node of an address."""
    claim = observed.claim
    if claim.node:
        return None
    target = choose(observed, candidates(observed).best)
    if target is None:
        return None
    message = f"{claim.address} goes to {target.name}"
    return _to(observed, target, reasons.PLACED.name, message)


def move(observed: Observed) -> ClaimPlan | None:
    """Another node takes over, if one can."""
    claim, holder = observed.claim, holder_of(observed)
    if holder is None or (observed.held and is_lost(holder)):
        return None
    why = why_move(observed, holder)
    if why is None:
        return None
    others = _without(candidates(observed), holder)
    target = choose(observed, others.ready if why is Obstacle.NO_ENDPOINT else others.best)
    if target is None and why is Obstacle.NO_ENDPOINT:
        target = _target_with_ending_endpoints(observed, holder, others)
    if target is None:
        return None
    said = f" ({refusals(observed)[-1]})" if why is Obstacle.SAID_NO else ""
    message = f"{claim.address} moves from {holder.name}, {_phrase(why)}{said}, to {target.name}"
    plan = _to(observed, target, reasons.MOVED.name, message)
    if why is not Obstacle.SAID_NO:
        return plan
    # Written down before it leaves: it does not come back to a node that cannot have it. Who says
    # so has let go: if it answers all the same, that is a conflict.
    status = PlainStatus(fields=tried_field(observed))
    return replace(plan, status=status, actions=(Assign(target.name),))


def correct_the_label(observed: Observed) -> ClaimPlan | None:
    """Agents find their claims by it; claims of the first version may lack it."""
    claim = observed.claim
    if claim.label == claim.node and not claim.nodes:
        return None
    assign = Assign(node=claim.node)
    return Plan(reasons.LABELED.name, f"the label says {claim.label!r}", (assign,))


def settle(observed: Observed) -> ClaimPlan:
    """Nothing is to be done but to say how it is."""
    return conditions.settled(observed, _kept_for_lack(observed))


_RULES = (
    leave_a_deleted_claim,
    report_an_invalid_address,
    wait_at_the_start,
    wait_for_a_hold_that_nobody_saw,
    leave_what_is_not_its_own,
    stay_where_nobody_listens,
    withdraw_without_endpoints,
    spread_over_all_nodes,
    place,
    move,
    correct_the_label,
    settle,
)


def holder_of(observed: Observed) -> NodeView | None:
    """The node that shall have the address; ``None`` = none was chosen."""
    name = observed.claim.node
    return observed.nodes.get(name, NodeView(name)) if name else None


def why_move(observed: Observed, holder: NodeView) -> Obstacle | None:
    """Why the address should leave the node it is on; ``None`` = it stays."""
    found = why_leave(Case(holder, observed)) or why_rejected(observed)
    if found is not None or rank_of(observed.local, holder.name) is Rank.READY:
        return found
    served = candidates(observed, holder).served
    return Obstacle.NO_ENDPOINT if rank_of(served, holder.name) is not Rank.READY else None


def _target_with_ending_endpoints(
    observed: Observed, holder: NodeView, others: Candidates
) -> NodeView | None:
    """No node has ready endpoints: one with ending ones is better than one with none."""
    is_worse = rank_of(others.served, holder.name) is Rank.UNREADY
    return choose(observed, others.ending) if is_worse else None


def _without(found: Candidates, holder: NodeView) -> Candidates:
    ready = tuple(node for node in found.ready if node.name != holder.name)
    ending = tuple(node for node in found.ending if node.name != holder.name)
    return Candidates(ready, ending, found.served, found.unserved, found.removed)


def _kept_for_lack(observed: Observed) -> Obstacle | None:
    """Why the address should leave a node where it stays, since no other can have it."""
    holder = holder_of(observed)
    if observed.claim.every_node or holder is None or holder.life is not Life.LIVE:
        return None
    why = why_move(observed, holder)
    # An ending endpoint still serves: nothing is wrong yet.
    return None if why is Obstacle.NO_ENDPOINT else why


def _to(observed: Observed, target: NodeView, reason: str, message: str) -> ClaimPlan:
    assumes = frozenset({("node", target.name)})
    return Plan(reason, message, (_assign(observed, target),), assumes=assumes)


def _assign(observed: Observed, target: NodeView | None) -> Assign:
    claim = observed.claim
    holder = holder_of(observed)
    if holder is None:
        return Assign(node=target.name if target else "")
    # Who had it before and has not let go yet may answer a probe, too.
    still = claim.previous_macs if claim.previous in claim.reports else ()
    macs = tuple(dict.fromkeys((*holder.macs, *still)))[:_MACS]
    return Assign(target.name if target else "", previous=holder.name, macs=macs)


def _phrase(why: Obstacle) -> str:
    return why.value if why.value.startswith(("with", "whose")) else f"which is {why.value}"
