"""Act: the only writes to a claim beside its status; each may be repeated."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, assert_never

from moorage_api.ipclaim import IPCLAIMS
from moorage_external_ip.caches import Caches
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
from moorage_external_ip.projections import CLAIM_KIND, MADE_FOR, Claim
from moorage_external_ip.service.fields import uses_patch
from moorage_ipam.allocations import Allocations
from moorage_ipam.records import Owner, Phase, Record
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import NotFound


class ClaimActor:
    """Carries out the actions of claims."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        allocations: Allocations,
        network: Callable[[Claim], str],
        reuse_seconds: Callable[[Record], float],
    ) -> None:
        self._client = client
        self._caches = caches
        self._allocations = allocations
        self._network = network
        self._reuse_seconds = reuse_seconds

    async def act(self, observed: ClaimObserved, action: Action) -> None:
        """Carry out one action; raises what the API server answers."""
        claim = observed.claim
        match action:
            case LookUp():
                await self._allocations.look_up(claim.subject.uid)
            case Bind(record):
                await self._bind(observed, record)
            case Adopt(uses):
                await self._adopt(claim, uses)
            case DropUses(gone):
                left = (one for one in claim.uses if one not in gone)
                await self._patch(claim, {"spec": uses_patch(left)})
            case Mend(fields):
                await self._patch(claim, dict(fields))
            case NoteGoing() | Delete() | Release():
                await self._retire(claim, action)
            case _:
                assert_never(action)

    async def _retire(self, claim: Claim, action: NoteGoing | Delete | Release) -> None:
        match action:
            case NoteGoing(record):
                await self._allocations.note_owner_deleting(record)
            case Delete():
                await self._delete(claim)
            case Release(record):
                await self._release(record)

    async def _bind(self, observed: ClaimObserved, record: Record | None) -> None:
        claim, address = observed.claim, observed.claim.address
        pool = self._caches.given.get(observed.pool)
        ref = pool.spec.ref if pool and observed.in_pool else None
        subject = claim.subject
        owner = Owner(IPCLAIMS.api_version, CLAIM_KIND, "", subject.name, subject.uid)
        if record is not None:
            await self._allocations.take_over(record, owner, ref)
        elif address is not None:
            await self._allocations.bind(self._network(claim), address, owner, ref)

    async def _adopt(self, claim: Claim, uses: tuple[Any, ...]) -> None:
        # From now on it goes with the last Service that uses it.
        made_for = claim.made_for or next(iter(claim.seed_services), "")
        meta = {"ownerReferences": None, "annotations": {MADE_FOR: made_for}}
        await self._patch(claim, {"metadata": meta, "spec": uses_patch((*claim.uses, *uses))})

    async def _patch(self, claim: Claim, body: dict[str, Any]) -> None:
        subject = claim.subject
        same = {"uid": subject.uid, "resourceVersion": subject.resource_version}
        body["metadata"] = body.get("metadata", {}) | same
        answer = await self._client.patch(IPCLAIMS, Target(subject.name), body)
        self._caches.claims.update_known(answer)

    async def _delete(self, claim: Claim) -> None:
        subject = claim.subject
        version = subject.resource_version
        with suppress(NotFound):
            await self._client.delete(
                IPCLAIMS, subject.name, uid=subject.uid, resource_version=version
            )
        self._caches.claims.forget(subject.name, subject.uid)

    async def _release(self, record: Record) -> None:
        """As it is now: the note that its owner goes has changed it."""
        known = self._caches.records.get(record.name)
        if known is None or known.uid != record.uid or known.owner != record.owner:
            return
        if self._reuse_seconds(known) > 0:
            await self._allocations.change(known, Phase.QUARANTINED)
        else:
            await self._allocations.delete(known)
