"""Which bits of a network may be cleared now, for endpoints whose addresses were taken; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from moorage_danm import reasons
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.network import Network, NetworkRef
from moorage_domain.families import Address
from moorage_domain.plans import Plan

UNSURE_SECONDS = 60.0
"""A bit that was set, and that no endpoint claimed, for so long is nobody's: creating an endpoint
follows its reservation within moments."""
QUIET_SECONDS = 0.25
MOST_QUIET_SECONDS = 3.0
"""One write for all that come together: it waits until no more came for so long and none is on its
way, but not for longer than this in all."""


@dataclass(frozen=True, slots=True)
class BitSeen:
    """What was seen of one address since it was taken, or since this process began.

    Attributes:
        continuous: its bit was set in every version of the network from before it was taken.
        cleared: its bit was clear in one of them: since then it is not ours any more.
        seconds: how long it was set in every version that was seen, without a gap.
    """

    continuous: bool
    cleared: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Pending:
    """One endpoint whose addresses were taken and are not free yet.

    Attributes:
        taken_seconds: how long ago that was.
        not_before: seconds until its bits may be cleared: its host may just be freeing them.
        seen: what was seen of each address.
        claimed: those that another endpoint has by now.
    """

    endpoint: Endpoint
    taken_seconds: float
    not_before: float
    seen: Mapping[Address, BitSeen]
    claimed: frozenset[Address]


@dataclass(frozen=True, slots=True)
class NetworkObserved:
    """One network and all that waits for it.

    Attributes:
        network: ``None`` = it is not known.
        gone: uids whose addresses were freed, of endpoints that are still there.
        stale: what is known of endpoints may be old.
        coming: more endpoints are just being looked at.
    """

    ref: NetworkRef
    network: Network | None
    pending: tuple[Pending, ...]
    freed: frozenset[str] = frozenset()
    stale: bool = False
    coming: bool = False


@dataclass(frozen=True, slots=True)
class ClearBits:
    """Clear the bits of these addresses, and say whose they were; in one write."""

    addresses: frozenset[Address]
    uids: frozenset[str]

    def __str__(self) -> str:
        found = sorted(map(str, self.addresses))
        return f"mark {', '.join(found[:5])}{' and more' if found[5:] else ''} as free"


@dataclass(frozen=True, slots=True)
class Settle:
    """Nothing is left to free of these endpoints."""

    uids: frozenset[str]
    reads_only = True

    def __str__(self) -> str:
        return f"{len(self.uids)} endpoints have nothing left to free"


@dataclass(frozen=True, slots=True)
class ConfirmMissing:
    """Ask whether the network is gone; then there is nothing to free."""

    uids: frozenset[str]
    reads_only = True

    def __str__(self) -> str:
        return "ask whether the network is gone"


NetworkAction = ClearBits | Settle | ConfirmMissing


def decide_network(observed: NetworkObserved) -> Plan[NetworkAction]:
    """The plan for one network."""
    network, pending = observed.network, observed.pending
    if not pending:
        return Plan(reasons.NOTHING_TO_FREE.name, f"no address of {observed.ref} is being freed")
    if network is None:
        text = f"{observed.ref} is not there"
        uids = frozenset(one.endpoint.uid for one in pending)
        return Plan(reasons.NETWORK_MISSING.name, text, (ConfirmMissing(uids),))
    if network.problem:
        return Plan(reasons.NETWORK_UNREADABLE.name, f"{observed.ref}: {network.problem}")
    if wait := _quiet(observed):
        return _waiting(observed, wait)
    return _free(observed, network)


def _free(observed: NetworkObserved, network: Network) -> Plan[NetworkAction]:
    clear: set[Address] = set()
    freed: set[str] = set()
    settled: set[str] = set()
    waits: list[float] = []
    for one in observed.pending:
        needs = {address: _wait(one, network, address, observed) for address in one.seen}
        left = [wait for wait in needs.values() if wait is not None]
        if not left:
            settled.add(one.endpoint.uid)
        elif max(left) > 0:
            # All addresses of an endpoint in one write: it says whose they were.
            waits.append(max(left))
        else:
            freed.add(one.endpoint.uid)
            clear |= {address for address, wait in needs.items() if wait is not None}
    actions: list[NetworkAction] = [Settle(frozenset(settled))] if settled else []
    if clear:
        actions.append(ClearBits(frozenset(clear), frozenset(freed)))
    if not actions:
        return _waiting(observed, min(waits))
    after = timedelta(seconds=min(waits)) if waits else None
    text = f"{len(clear)} addresses of {observed.ref} come free"
    return Plan(reasons.BITS_CLEARED.name, text, tuple(actions), after)


def _wait(
    one: Pending, network: Network, address: Address, observed: NetworkObserved
) -> float | None:
    """Seconds until a bit may be cleared; ``None`` = there is nothing to clear."""
    if one.endpoint.uid in network.freed or address in one.claimed:
        return None
    part = network.part(address.family)
    index = part.index(address) if part else None
    if part is None or index is None or index in part.reserved or index not in part.bits():
        return None
    seen = one.seen[address]
    if seen.cleared:
        return None
    if seen.continuous:
        return max(one.not_before, 0.0)
    if observed.stale:
        return UNSURE_SECONDS
    return max(UNSURE_SECONDS - seen.seconds, 0.0)


def _quiet(observed: NetworkObserved) -> float:
    """Seconds to wait for more that come together with these; 0 = none."""
    newest = min(one.taken_seconds for one in observed.pending)
    oldest = max(one.taken_seconds for one in observed.pending)
    if oldest >= MOST_QUIET_SECONDS:
        return 0.0
    if observed.coming:
        return QUIET_SECONDS
    return max(QUIET_SECONDS - newest, 0.0)


def _waiting(observed: NetworkObserved, seconds: float) -> Plan[NetworkAction]:
    text = f"{len(observed.pending)} endpoints of {observed.ref} wait for their addresses"
    return Plan(reasons.BITS_WAIT.name, text, wait=timedelta(seconds=seconds + 0.01))
