"""How one address that a Service asks for can be had, or why it cannot; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from moorage_domain.reasons import Reason
from moorage_external_ip import reasons
from moorage_external_ip.service.actions import Join, Take
from moorage_external_ip.service.model import PoolState, SlotState, Wanted
from moorage_external_ip.waits import LOOK_AGAIN, look_again, until

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """It cannot be had now."""

    reason: Reason
    message: str
    wait: timedelta = LOOK_AGAIN


def offer_of(state: SlotState, now: float) -> Take | Join | Refusal:
    """The one way to an address of a slot that has none.

    ============================  =================================================
    it asks for an address        that one, or none
    its status says one           that one, if nobody else has it: it had it before
    a claim has its sharing key   that one, if it may be shared
    else                          the first pool that may give one and has one free
    ============================  =================================================
    """
    if state.wanted is not None:
        return _certain(state.wanted)
    if state.remembered is not None:
        found = _certain(state.remembered)
        if not isinstance(found, Refusal):
            return found
    if state.shared is not None:
        return Join(state.shared)
    return _any(state, now)


def _certain(wanted: Wanted) -> Take | Join | Refusal:
    if wanted.refused:
        return Refusal(reasons.REQUEST_REFUSED, f"{wanted.address}: {wanted.refused}")
    if wanted.claim is not None:
        if wanted.cannot_share:
            return Refusal(reasons.ADDRESS_IN_USE, f"{wanted.address}: {wanted.cannot_share}")
        return Join(wanted.claim)
    if wanted.used_by:
        return Refusal(reasons.ADDRESS_IN_USE, f"{wanted.address}: {wanted.used_by}")
    return Take(wanted.pool, wanted.address)


def _any(state: SlotState, now: float) -> Take | Refusal:
    allowed = [one for one in state.pools if not one.why_not]
    for one in allowed:
        if one.ahead < one.free:
            return Take(one.name)
    if allowed:
        return _exhausted(state, allowed, now)
    family = state.slot.family
    if not state.pools:
        return Refusal(reasons.NO_POOL, f"there is no pool of {family}")
    why = "; ".join(f"{one.name}: {one.why_not}" for one in state.pools[:_SHOWN])
    more = len(state.pools) - _SHOWN
    why += f"; and {more} more" if more > 0 else ""
    return Refusal(reasons.NO_POOL, f"no pool gives it an {family} address: {why}")


def _exhausted(state: SlotState, pools: list[PoolState], now: float) -> Refusal:
    names = ", ".join(one.name for one in pools[:_SHOWN])
    message = f"no {state.slot.family} address of {names} is free"
    if any(one.free for one in pools):
        message += " for it: older Services wait"
    times = [one.next_free for one in pools if one.next_free is not None]
    soonest = min(times, default=None)
    return Refusal(reasons.POOL_EXHAUSTED, message + until(now, soonest), look_again(soonest))
