"""Act: what is written for a Service beside its status; each write may be repeated."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, assert_never

from moorage_api.ipclaim import IPCLAIMS, POOL_LABEL
from moorage_domain.errors import MoorageError
from moorage_domain.families import Address
from moorage_external_ip.caches import Caches
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.names import named_address
from moorage_external_ip.projections import CLAIM_KIND, MADE_FOR, Claim, Use
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
from moorage_external_ip.service.fields import claim_fields, uses_patch
from moorage_external_ip.service.first import FirstOfKey
from moorage_external_ip.service.model import Observed
from moorage_external_ip.service.wanted import Wants
from moorage_external_ip.service.wish import Service
from moorage_external_ip.service.withdrawal import external_patch, status_patch
from moorage_ipam.allocations import ATTEMPTS, AddressTaken, Allocations, NoneFree
from moorage_ipam.pools import Pool
from moorage_ipam.records import Owner, Phase, Record, Reservation
from moorage_ipam.times import text_of
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import NotFound

RESERVED_SECONDS = 300.0
"""How long an address waits for its claim; longer than any request may take."""


class ServiceActor:
    """Carries out the actions of Services."""

    def __init__(self, client: Client, caches: Caches, allocations: Allocations) -> None:
        self._client = client
        self._caches = caches
        self._allocations = allocations
        self._wants = Wants(caches)
        # By uid of the Service: owners of records that were asked for, and may be there.
        self._asked: dict[str, set[str]] = {}
        self._first = FirstOfKey()
        self.create_claim: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
        """Makes a claim; who places addresses has its node named from the beginning."""
        self.create_claim = partial(client.create, IPCLAIMS)

    def unsure(self, uid: str) -> bool:
        """Whether an address may be reserved for a Service although no record shows it."""
        return bool(self._asked.get(uid))

    def forget(self, uid: str) -> None:
        """A Service is gone: what was reserved for it ends by itself."""
        self._first.end(uid)
        for identity in self._asked.pop(uid, ()):
            self._allocations.settle(identity)

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action; raises what the API server answers."""
        service = observed.service
        match action:
            case LookUp():
                await self._look_up(service.subject.uid)
            case Take(pool, address):
                await self._take_first(service, pool, address)
            case MakeClaims():
                await self._make_claims(service)
            case Join(claim):
                await self._join(claim, service.use)
            case Leave(claim):
                await self._leave(claim, service.subject.uid)
            case Drop(record):
                self._first.end(service.subject.uid)
                await self._allocations.delete(record)
            case Withdraw() | WriteExternal():
                await self._write(service, action)
            case _:
                assert_never(action)

    async def _write(self, service: Service, action: Withdraw | WriteExternal) -> None:
        match action:
            case Withdraw(addresses):
                await self._withdraw(service, addresses)
            case WriteExternal(texts):
                await self._write_external(service, texts)

    async def _look_up(self, uid: str) -> None:
        for identity in sorted(self._asked.get(uid, ())):
            await self._allocations.look_up(identity)
            self._asked[uid].discard(identity)
        self._asked.pop(uid, None)

    async def _take_first(self, service: Service, name: str, address: Address | None) -> None:
        """Of those that could share it one alone, and only if there is nothing to share by now."""
        key, uid = service.sharing_key, service.subject.uid
        if not key or address is not None:
            await self._take(service, name, address)
            return
        self._first.begin(key, uid)
        try:
            pool = self._caches.given.get(name)
            if pool and self._wants.shared(service, pool.spec.usable.family):
                raise AddressTaken(f"there is an address of the sharing key {key!r} by now")
            await self._take(service, name, address)
        except MoorageError:
            self._first.end(uid)
            raise

    async def _take(self, service: Service, name: str, address: Address | None) -> None:
        if address is not None:
            await self._take_this(service, name, address)
            return
        for _ in range(ATTEMPTS):
            # Afresh: it may have been edited meanwhile.
            pool = self._caches.given.get(name)
            user = f"choice for {service.key}"
            chosen = self._caches.given.choose(pool, user, service.key) if pool else None
            if pool is None or chosen is None:
                break
            try:
                await self._bind(service, name, pool, chosen)
            except AddressTaken:
                continue
            else:
                return
            finally:
                self._caches.given.let_go(pool.spec.network, chosen, user)
        raise NoneFree(f"no address of pool {name} is free")

    async def _take_this(self, service: Service, name: str, address: Address) -> None:
        pool = self._caches.given.get(name)
        if pool is None:
            raise NoneFree(f"pool {name} is gone")
        records = self._caches.given.records_of(pool.spec.network, address)
        if not records:
            await self._bind(service, name, pool, address)
            return
        known = records[0].owner
        if known is None or known.kind != CLAIM_KIND or named_address(known.name) != address:
            raise AddressTaken(f"{address} belongs to {known or 'a person'}")
        # Its claim is gone; if not, a new one of the same name cannot be made.
        owner = self._owner(service, known.name)
        await self._allocations.take_over(records[0], owner, pool.spec.ref)

    async def _bind(self, service: Service, name: str, pool: Pool, address: Address) -> None:
        owner = self._owner(service, self._wants.claim_name(address, name))
        asked = self._asked.setdefault(service.subject.uid, set())
        asked.add(owner.identity)
        try:
            record = await self._allocations.bind(pool.spec.network, address, owner, pool.spec.ref)
        except AddressTaken:
            asked.discard(owner.identity)
            raise
        asked.discard(owner.identity)
        if _request(record) != service.subject.uid:
            raise AddressTaken(f"{address} is being given to another Service")

    def _owner(self, service: Service, claim: str) -> Owner:
        """The claim that is about to be made for a Service."""
        until = text_of(time.time() + RESERVED_SECONDS)
        reservation = Reservation(until, service.subject.uid)
        return Owner(IPCLAIMS.api_version, CLAIM_KIND, "", claim, "", reservation=reservation)

    async def _make_claims(self, service: Service) -> None:
        for record in self._caches.reserved_for(service.subject.uid):
            body = self._body(service, record)
            self._caches.claims.take_created(await self.create_claim(body))
        self._first.end(service.subject.uid)

    def _body(self, service: Service, record: Record) -> dict[str, Any]:
        name = record.owner.name if record.owner else ""
        pool = record.pool.name if record.pool else ""
        view = self._caches.pools.get(pool)
        spec = claim_fields(view.spec if view else None, (service.use,))
        spec["cidr"] = f"{record.address}/{name.rpartition('-')[2]}"
        spec |= uses_patch((service.use,))
        if service.health_port:
            spec["healthCheckNodePorts"] = [service.health_port]
        meta = {"name": name, "annotations": {MADE_FOR: service.key}}
        return {
            "apiVersion": IPCLAIMS.api_version,
            "kind": IPCLAIMS.name,
            "metadata": meta | {"labels": {POOL_LABEL: pool}},
            "spec": spec,
        }

    async def _join(self, claim: Claim, use: Use) -> None:
        others = (one for one in claim.uses if one.uid != use.uid)
        await self._write_uses(claim, (*others, use))

    async def _leave(self, claim: Claim, uid: str) -> None:
        with suppress(NotFound):
            await self._write_uses(claim, tuple(one for one in claim.uses if one.uid != uid))

    async def _write_uses(self, claim: Claim, uses: Iterable[Use]) -> None:
        """Only to the claim as it was seen: another Service may join it at the same time."""
        # As the store has it now: another action of this pass may have written to it.
        known = self._caches.claims.get(claim.subject.name) or claim
        if known.uses != claim.uses:
            known = claim
        subject = known.subject
        meta = {"uid": subject.uid, "resourceVersion": subject.resource_version}
        patch = {"metadata": meta, "spec": uses_patch(uses)}
        answer = await self._client.patch(IPCLAIMS, Target(subject.name), patch)
        self._caches.claims.update_known(answer)

    async def _withdraw(self, service: Service, addresses: frozenset[Address]) -> None:
        await self._patch_service(service, status_patch(service, addresses), "status")

    async def _write_external(self, service: Service, addresses: tuple[str, ...]) -> None:
        known = self._caches.service(service.key) or service
        if known.subject.uid != service.subject.uid:
            return
        await self._patch_service(known, external_patch(known, addresses), None)

    async def _patch_service(
        self, service: Service, body: dict[str, Any], subresource: str | None
    ) -> None:
        known = self._caches.services.get(service.key) or service
        same = known.subject.uid == service.subject.uid
        subject = known.subject if same else service.subject
        meta = {"uid": subject.uid, "resourceVersion": subject.resource_version}
        body["metadata"] = meta | body.get("metadata", {})
        target = Target(subject.name, subject.namespace, subresource)
        with suppress(NotFound):
            answer = await self._client.patch(SERVICES, target, body)
            self._caches.services.update_known(answer)


def _request(record: Record) -> str:
    owner = record.owner
    if record.phase is not Phase.RESERVED or owner is None or owner.reservation is None:
        return ""
    return owner.reservation.request
