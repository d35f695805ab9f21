"""What to do about all addresses of the node, in one plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from moorage_domain.families import Address
from moorage_domain.plans import Plan
from moorage_node_agent.actions import (
    Action,
    Add,
    Announce,
    Probe,
    Refresh,
    Remember,
    Remove,
    Reread,
    Restrict,
)
from moorage_node_agent.decide.address import (
    BURST,
    Case,
    Decision,
    announcement_due,
    case_of,
    decide_address,
    holdings,
)
from moorage_node_agent.link.choose import Candidates
from moorage_node_agent.link.model import Holding, Link
from moorage_node_agent.model import Memory, NodeState, Observed, State
from moorage_node_agent.reasons import CHANGING, REREADING, SETTLED

_SOON_SECONDS = 0.02
"""Until the next announcements, when more are due than may be sent at once."""
_REREAD_SECONDS = 0.5
_ROUTINE_SECONDS = 10.0
"""Between passes where nothing happens; renewals of the Lease need none then."""


def decide(observed: Observed) -> Plan[Action]:
    """What to do now, in an order in which no address is ever up without its restrictions.

    All that is let go comes first: another node may wait for it.
    """
    if observed.read_at <= observed.void_before:
        return _begin_anew(observed)
    candidates = Candidates(observed.links)
    cases = [case_of(claim, observed, candidates) for claim in observed.claims]
    decided = [(case, decide_address(case)) for case in cases]
    announced, memory, due = _announcements(observed, decided)
    later = observed.now + observed.policy.refresh
    refresh_due = observed.refreshed_at + observed.policy.refresh
    refreshing = observed.now >= refresh_due and observed.trusted
    first = (*_first_steps(observed, decided, refreshing=refreshing), *_taking(decided))
    changing = any(isinstance(step, Remove | Probe | Add) for step in first)
    # With Withdraw each renewal is judged: what may not be trusted is let go.
    kept = None if changing or observed.policy.withdraw else _kept(decided)
    states = _doubled(observed) | {case.claim.name: one.said for case, one in decided}
    said = (Announce(announced),) if announced else ()
    steps = (*first, *said, Remember(memory, states, kept))
    if kept is not None:
        due.append(observed.now + _routine(observed))
    else:
        # Where it may not be renewed, the next renewal of the Lease begins a pass.
        due.append(max(refresh_due, observed.now) if observed.trusted and not refreshing else later)
    withdraw_at = observed.lease_at + observed.policy.withdraw_after
    if observed.policy.withdraw and withdraw_at > observed.now:
        due.append(withdraw_at + _SOON_SECONDS)
    reason = CHANGING if changing else SETTLED
    has = sum(decision.said.state is State.ANNOUNCED for _, decision in decided)
    message = f"{has} of {len(observed.claims)} addresses are announced"
    wait = timedelta(seconds=max(0.0, min(due) - observed.now))
    return Plan(reason.name, message, steps, wait)


def _routine(observed: Observed) -> float:
    every = observed.policy.announce_every
    return min(_ROUTINE_SECONDS, every / 3) if every > 0 else _ROUTINE_SECONDS


def _doubled(observed: Observed) -> dict[str, NodeState]:
    """Of two claims of one address only one can have it."""
    return {
        name: NodeState(State.REFUSED, message=f"IpClaim {other} has this address already")
        for name, other in observed.doubled.items()
    }


def _first_steps(
    observed: Observed, decided: list[tuple[Case, Decision]], *, refreshing: bool
) -> tuple[Action, ...]:
    """Let go, keep, and restrict what is about to be taken."""
    steps: list[Action] = []
    if any(decision.reread for _, decision in decided):
        steps.append(Reread())
    if removed := _removed(observed, decided):
        steps.append(Remove(removed))
    if refreshing:
        steps.append(Refresh(_kept(decided)))
    steps.append(Restrict({claim.address: claim.ports for claim in observed.claims if claim.ports}))
    return tuple(steps)


def _taking(decided: list[tuple[Case, Decision]]) -> tuple[Action, ...]:
    """Ask for what is wanted, and add what nobody has."""
    probed = tuple(
        (case.claim.address, decision.probe)
        for case, decision in decided
        if decision.probe is not None
    )
    added = tuple(
        Holding(case.claim.address, decision.add.index)
        for case, decision in decided
        if decision.add is not None
    )
    return (*((Probe(probed),) if probed else ()), *((Add(added),) if added else ()))


def _begin_anew(observed: Observed) -> Plan[Action]:
    """Whatever was believed is old: others may have the addresses by now."""
    states = {
        claim.name: NodeState(State.PROBING, message="the claims are being read again")
        for claim in observed.claims
    }
    steps: list[Action] = [Reread()]
    if observed.held:
        steps.append(Remove(observed.holdings()))
    steps.append(Remember({}, states))
    message = "the agent did not run for a while: all is let go until the claims are read again"
    return Plan(REREADING.name, message, tuple(steps), timedelta(seconds=_REREAD_SECONDS))


def _kept(decided: list[tuple[Case, Decision]]) -> tuple[Holding, ...]:
    return tuple(
        Holding(case.claim.address, decision.keep.index)
        for case, decision in decided
        if decision.keep is not None
    )


def _removed(observed: Observed, decided: list[tuple[Case, Decision]]) -> tuple[Holding, ...]:
    """What no claim asks for, and what is let go."""
    wanted = {case.claim.address for case, _ in decided}
    stale = tuple(one for one in observed.holdings() if one.address not in wanted)
    return stale + tuple(
        one for case, decision in decided for one in holdings(case.claim, decision.remove)
    )


def _announcements(
    observed: Observed, decided: list[tuple[Case, Decision]]
) -> tuple[tuple[tuple[Address, Link], ...], dict[Address, Memory], list[float]]:
    """What is announced now, what is remembered then, and when something is due next."""
    announced: list[tuple[Address, Link]] = []
    memory: dict[Address, Memory] = {}
    due: list[float] = []
    for case, decision in decided:
        address, one = case.claim.address, decision.memory
        link = decision.keep or decision.add
        at = None if link is None or case.claim.wish.loopback else _due(observed, address, one)
        if at is not None and link is not None and at <= observed.now:
            if len(announced) < observed.budget:
                announced.append((address, link))
                one = replace(one, announced=one.announced + 1, announced_at=observed.now)
                at = _due(observed, address, one)
            else:
                at = observed.now + _SOON_SECONDS
        memory[address] = one
        if at is not None and (one.announced < len(BURST) or at <= observed.now + _SOON_SECONDS):
            due.append(at)
        # Later ones go with whatever pass comes next: 500 addresses make no pass for each of them.
        if decision.due is not None:
            due.append(decision.due)
    return tuple(announced), memory, due


def _due(observed: Observed, address: Address, memory: Memory) -> float | None:
    spread = address.number * 2654435761 % 1000 / 1000
    return announcement_due(memory, observed.policy.announce_every, spread)
