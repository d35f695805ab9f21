"""Observe: one Service and all that concerns it; from the caches only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from moorage_domain.conditions import condition_of
from moorage_domain.families import Address
from moorage_external_ip.caches import Caches
from moorage_external_ip.pool.spec import has_room_for
from moorage_external_ip.projections import Claim
from moorage_external_ip.service.model import CONDITION, Observed, PoolState, SlotState
from moorage_external_ip.service.sharing import why_not_shared
from moorage_external_ip.service.wanted import Wants
from moorage_external_ip.service.wish import Mode, Service, Slot, Wish
from moorage_ipam.records import Record


class ServiceObserver:
    """Reads the caches for the controller of Services."""

    def __init__(
        self,
        caches: Caches,
        unsure: Callable[[str], bool],
        due: Callable[[Record], float],
    ) -> None:
        """``unsure``: of a Service's uid; ``due``: seconds until a released address is free."""
        self._caches = caches
        self._unsure = unsure
        self._due = due
        self._wants = Wants(caches)

    def service(self, key: str) -> Observed | None:
        """One Service; ``None`` = it is gone."""
        caches = self._caches
        service = caches.service(key)
        if service is None:
            return None
        uid = service.subject.uid
        claims = caches.claims_of(uid)
        wish = caches.wish(service)
        slots = tuple(self._slots(service, wish, claims))
        return Observed(
            service=service,
            wish=wish,
            slots=slots,
            claims=claims,
            reserved=caches.reserved_for(uid),
            unsure=self._unsure(uid),
            stale=self._stale(service, wish, claims),
            unshareable=self._unshareable(service, claims),
            now=time.time(),
        )

    def _slots(self, service: Service, wish: Wish, claims: tuple[Claim, ...]) -> list[SlotState]:
        by_hand = {slot.asked for slot in wish.slots if slot.by_hand} - service.addresses
        found: list[SlotState] = []
        left = [one for one in claims if one.address not in by_hand]
        # Those that ask for one address first: else another slot would take its claim.
        for slot in sorted(wish.slots, key=lambda one: (one.by_hand, one.asked is None)):
            # What a person lists may be the very address that the Service has anyway.
            among = list(claims) if slot.by_hand else left
            if slot.by_hand and not self._concerns_us(slot, among):
                continue
            held = self._held(service, slot, among)
            if held in left:
                left.remove(held)
            found.append(self._slot_state(service, slot, held))
        return [_with_former(state, service, left) for state in found]

    def _held(self, service: Service, slot: Slot, claims: list[Claim]) -> Claim | None:
        """The claim that is what the slot asks for; that which its status says comes first."""
        fits = [one for one in claims if _fits(service, slot, one)]
        shown = service.addresses
        return min(fits, key=lambda c: (c.address not in shown, c.subject.name), default=None)

    def _slot_state(self, service: Service, slot: Slot, held: Claim | None) -> SlotState:
        if held is not None:
            return SlotState(slot, held)
        if slot.asked is not None:
            wanted = self._wants.wanted(service, slot.asked, by_hand=slot.by_hand)
            return SlotState(slot, wanted=wanted)
        remembered = self._wants.remembered(service, slot.family)
        shared = self._wants.shared(service, slot.family)
        return SlotState(slot, None, (), None, remembered, shared, self._pools(service, slot))

    def _concerns_us(self, slot: Slot, claims: list[Claim]) -> bool:
        """Addresses that people write by hand are ours only where a pool or a node has them."""
        address = slot.asked
        if address is None or any(one.address == address for one in claims):
            return True
        return has_room_for(self._caches.given, address) or bool(self._wants.forbidden(address))

    def _pools(self, service: Service, slot: Slot) -> tuple[PoolState, ...]:
        """All pools of the family, in the order in which they are asked."""
        names = [
            name
            for name, pool in self._caches.given.items()
            if pool.spec.usable.family is slot.family
        ]
        names.sort(key=self._caches.order)
        return tuple(self._pool(service, name) for name in names)

    def _pool(self, service: Service, name: str) -> PoolState:
        why_not = self._wants.why_not(service, name)
        pool = self._caches.given.get(name)
        if why_not or pool is None:
            return PoolState(name, why_not or "it is gone")
        free = pool.allocator.free
        ahead = self._caches.waiting.ahead_of(service, name, free)
        released = self._caches.given.first_released(pool)
        next_free = self._due(released) if released is not None else None
        return PoolState(name, "", free, ahead, next_free)

    def _stale(self, service: Service, wish: Wish, claims: tuple[Claim, ...]) -> frozenset[Address]:
        """Addresses of our pools in its status that it does not have: promises of nobody.

        Of a Service that is not ours any more only where we wrote the status: the claim may be lost
        in the same moment as it leaves its type.
        """
        marked = condition_of(service.subject.status, CONDITION)
        if wish.mode is not Mode.STATUS and not marked:
            return frozenset()
        own = {one.address for one in claims}
        return frozenset(
            one for one in service.addresses if one not in own and self._caches.is_ours(one)
        )

    def _unshareable(self, service: Service, claims: tuple[Claim, ...]) -> str:
        """Why one of its claims should not be shared as it is, where others had it before."""
        for claim in claims:
            pool, _ = self._caches.pool_of_claim(claim)
            across = self._wants.across_namespaces(pool)
            why_not = why_not_shared(claim, service.use, across_namespaces=across)
            if why_not:
                return f"{claim.address}: {why_not}"
        return ""


def _with_former(state: SlotState, service: Service, left: list[Claim]) -> SlotState:
    """What serves until there is something better; a second one that fits as well is no such."""
    slot = state.slot
    if slot.by_hand:
        return state
    former = tuple(
        one
        for one in left
        if one.address is not None
        and one.address.family is slot.family
        and not _fits(service, slot, one)
    )
    # Who has another address wants a new one, and not the one that its status still says.
    return replace(state, former=former, remembered=None if former else state.remembered)


def _fits(service: Service, slot: Slot, claim: Claim) -> bool:
    address = claim.address
    if address is None or address.family is not slot.family or claim.subject.deleting:
        return False
    if slot.asked is not None:
        return address == slot.asked
    if claim.taken:
        return False
    # One that names its pools is of one of them; else any will do, also one that left its pool.
    return not service.pools or claim.pool in service.pools
