"""Leftovers: an IPAddress of ours whose claim is gone goes, too.

The garbage collector does not see to it: its pool, an owner as well, is still there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from moorage_domain.kinds import Kind
from moorage_domain.plans import Plan
from moorage_ipam.first_seen import FirstSeen
from moorage_ipam.upkeep import ORPHAN_SECONDS, RESTORED_ORPHAN_SECONDS
from moorage_kube.cache.store import Change
from moorage_kube.client.client import Client
from moorage_kube.client.errors import NotFound
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_machine_ipam.caches import Caches
from moorage_machine_ipam.projections import IpAddress

IsThere: TypeAlias = Callable[[str, str, str], Awaitable[bool]]
"""Whether a claim is there, by namespace, name and uid, as the API server says now."""
Action: TypeAlias = Literal["delete the IPAddress"]


@dataclass(frozen=True, slots=True)
class Observed:
    """One IPAddress of ours, and how long its claim has not been seen."""

    address: IpAddress
    missing_seconds: float


class Leftovers:
    """The controller of IPAddresses without a claim; its keys are theirs."""

    def __init__(self, client: Client, kind: Kind, caches: Caches, is_there: IsThere) -> None:
        self.queue = WorkQueue()
        self._client = client
        self._kind = kind
        self._caches = caches
        self._is_there = is_there
        self._missing_since = FirstSeen()
        caches.addresses.subscribe(self._address_changed)

    def _address_changed(self, change: Change[IpAddress]) -> None:
        if change.new is None or self._is_known(change.key, change.new):
            # Whoever sees its claim go has it looked at.
            self._missing_since.forget(change.key)
        elif change.old is None or change.old.made_for != change.new.made_for:
            self.queue.add(change.key)

    def _is_known(self, key: str, address: IpAddress) -> bool:
        """Whether a claim of its name is there that made it, or wants it: then that sees to it.

        One that wants it takes it over, however long it is paused: it was moved.
        """
        claim = self._caches.claims.get(key)
        return claim is not None and (
            claim.subject.uid == address.made_for or claim.pool == address.pool
        )

    async def observe(self, key: str) -> Observed | None:
        """One IPAddress that we made, and whether its claim is there."""
        address = self._caches.addresses.get(key)
        if address is None or not address.made_for or address.subject.deleting:
            return None
        namespace = address.subject.namespace or ""
        # The API server has the last word, and is asked only where the cache shows none.
        if self._is_known(key, address) or await self._is_there(
            namespace, address.subject.name, address.made_for
        ):
            self._missing_since.forget(key)
            return None
        return Observed(address, self._missing_since.seconds(key, address.made_for))

    def decide(self, observed: Observed) -> Plan[Action]:
        """Delete it once the claim has been gone for long enough; pure."""
        name = observed.address.subject.name
        patience = RESTORED_ORPHAN_SECONDS if observed.address.restored else ORPHAN_SECONDS
        left = patience - observed.missing_seconds
        if left > 0:
            wait = timedelta(seconds=max(1.0, left))
            return Plan("ClaimMissing", f"the claim of IPAddress {name} is not there", wait=wait)
        return Plan(
            "ClaimGone", f"the claim of IPAddress {name} is gone", ("delete the IPAddress",)
        )

    async def act(self, observed: Observed, action: Action) -> None:
        """Delete that very IPAddress."""
        del action  # there is only one
        subject = observed.address.subject
        with suppress(NotFound):
            await self._client.delete(self._kind, subject.name, subject.namespace, uid=subject.uid)

    async def report(self, ended: Pass[Observed, Action]) -> None:
        """The log line is enough: the one who would look at it is gone."""
