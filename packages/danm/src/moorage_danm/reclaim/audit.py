"""Audit: addresses that are in use by a network's bits, and that no endpoint has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from moorage_danm import reasons
from moorage_danm.caches import Caches, GroupCaches
from moorage_danm.kinds import networks
from moorage_danm.model.network import Network
from moorage_danm.reclaim.keys import split_network
from moorage_danm.reclaim.networks import NetworkWriter
from moorage_danm.reclaim.pending import NetworkKey, PendingAddresses
from moorage_domain.families import Address
from moorage_domain.lists import names_of
from moorage_domain.plans import Plan
from moorage_kube.client.client import Client
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event, EventRecorder

Mode = Literal["off", "report", "free"]

_SHOWN = 5
_SOON_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class AuditObserved:
    """One network, and the addresses that nobody has.

    Attributes:
        leaked: of each how many seconds that has been so.
        stale: what is known of endpoints may be old.
    """

    network: Network
    leaked: dict[Address, float]
    mode: Mode
    least_seconds: float
    stale: bool = False


@dataclass(frozen=True, slots=True)
class FreeLeaked:
    """Mark addresses as free that nobody has."""

    addresses: frozenset[Address]

    def __str__(self) -> str:
        return f"mark {_shown(self.addresses)} as free"


def decide_audit(observed: AuditObserved) -> Plan[FreeLeaked]:
    """The plan for one network; pure."""
    least = observed.least_seconds
    due = frozenset(one for one, seconds in observed.leaked.items() if seconds >= least)
    waits = [least - seconds for seconds in observed.leaked.values() if seconds < least]
    wait = timedelta(seconds=min(waits) + 0.1) if waits else None
    if not due:
        return Plan(reasons.NOT_LEAKED.name, "no address is in use by nobody", (), wait)
    text = f"{observed.network.ref}: in use, and no endpoint has them: {_shown(due)}"
    free = observed.mode == "free" and not observed.stale
    actions = (FreeLeaked(due),) if free else ()
    if observed.mode == "free" and observed.stale:
        wait = timedelta(seconds=_SOON_SECONDS)
    return Plan(reasons.LEAKED.name, text, actions, wait)


class AuditLogic:
    """Observe, decide, act and report for one network."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        pending: PendingAddresses,
        events: EventRecorder,
        settings: tuple[Mode, float],
    ) -> None:
        """``settings``: what is done, and after how many seconds."""
        self._caches = caches
        self._pending = pending
        self._events = events
        self._mode, self._least = settings
        self._writer = NetworkWriter(client, caches)
        self._leaked: dict[NetworkKey, frozenset[Address]] = {}

    async def observe(self, key: str) -> AuditObserved | None:
        """Read the caches."""
        network_key = split_network(key)
        group = self._caches.groups[network_key[0]]
        network = group.network(network_key[1])
        if network is None or network.problem or self._mode == "off":
            self._leaked.pop(network_key, None)
            return None
        found = frozenset(_leaked(group, network))
        return AuditObserved(
            network,
            self._pending.unclaimed_seconds(network_key, found),
            self._mode,
            self._least,
            any(one.failure for one in self._caches.informers if one.store is group.endpoints),
        )

    def decide(self, observed: AuditObserved) -> Plan[FreeLeaked]:
        """Decide; pure."""
        return decide_audit(observed)

    async def act(self, observed: AuditObserved, action: FreeLeaked) -> None:
        """Carry out the action; it is refused where the network has changed since."""
        network = observed.network
        await self._writer.clear(network, action.addresses, network.freed)

    async def report(self, ended: Pass[AuditObserved, FreeLeaked]) -> None:
        """An Event for addresses that were not known to be leaked."""
        observed, plan = ended.observed, ended.plan
        if observed is None or plan is None or ended.failure is not None:
            return
        network = observed.network
        key = (network.group, network.ref)
        due = frozenset(one for one, seconds in observed.leaked.items() if seconds >= self._least)
        before = self._leaked.get(key, frozenset())
        self._leaked[key] = frozenset() if plan.actions else due
        if due - before:
            await self._events.publish(
                Event(
                    kind=networks(network.group, network.ref.kind),
                    name=network.ref.name,
                    namespace=network.ref.namespace or None,
                    uid=network.uid,
                    type="Warning",
                    reason=plan.reason,
                    message=plan.message,
                )
            )

    def leaked(self) -> Iterator[tuple[str, str, str, int]]:
        """Kind, namespace and name of each network that was looked at, and how many it has."""
        for (_, ref), found in list(self._leaked.items()):
            yield ref.kind.value, ref.namespace, ref.name, len(found)


LeakedReader = Callable[[], Iterator[tuple[str, str, str, int]]]


def _leaked(group: GroupCaches, network: Network) -> Iterator[Address]:
    """Those that are in use, are no gateway, and are no endpoint's, nor are just being freed."""
    taken = {
        address
        for one in group.taken_of(network.ref)
        if one.held and one.taken is not None
        for address in one.taken.addresses
    }
    for part in network.parts:
        if not part.alloc:
            continue
        for index in part.bits().indexes():
            address = Address(part.family, part.base + index)
            if index in part.reserved or address in taken:
                continue
            if not group.by_address.get((network.ref, address)):
                yield address


def _shown(addresses: frozenset[Address]) -> str:
    found = sorted(addresses, key=lambda one: (one.family.value, one.number))
    return names_of(found, _SHOWN)
