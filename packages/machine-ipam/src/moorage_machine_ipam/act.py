"""Act: the only writes beside the claim itself; each may be repeated."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, assert_never

from moorage_api.ippool import IPPOOLS
from moorage_domain.errors import MoorageError
from moorage_domain.kinds import Kind
from moorage_domain.subject import Subject
from moorage_ipam.allocations import Allocations, NoneFree
from moorage_ipam.records import Owner, Phase, Record
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import NotFound, Unavailable
from moorage_machine_ipam.actions import (
    Action,
    Allocate,
    Bind,
    DeleteAddress,
    LookUp,
    Release,
    TakeOver,
    WriteAddress,
)
from moorage_machine_ipam.caches import Caches
from moorage_machine_ipam.model import Observed
from moorage_machine_ipam.projections import (
    CLAIM_KIND,
    CLUSTER_LABEL,
    OWNER_ANNOTATION,
    Claim,
    PoolView,
)


class Actor:
    """Carries out the actions of claims."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        allocations: Allocations,
        claims: Kind,
        addresses: Kind,
    ) -> None:
        self._client = client
        self._caches = caches
        self._allocations = allocations
        self._claims = claims
        self._addresses = addresses

    async def act(self, observed: Observed, action: Action) -> None:
        """Carry out one action; raises what the API server answers."""
        claim = observed.claim
        match action:
            case Allocate():
                await self._allocate(claim)
            case Bind(address):
                await self._bind(claim, address)
            case TakeOver(record):
                await self._take_over(claim, record)
            case WriteAddress():
                await self._write_address(observed)
            case DeleteAddress():
                await self._delete_address(observed)
            case Release(record, phase):
                await self._allocations.change(record, phase)
            case LookUp():
                await self._allocations.look_up(claim.subject.uid)
            case _:
                assert_never(action)

    def owner(self, claim: Claim) -> Owner:
        """The claim as the owner of a record."""
        subject = claim.subject
        return Owner(
            self._claims.api_version,
            CLAIM_KIND,
            subject.namespace or "",
            subject.name,
            subject.uid,
            cluster=claim.cluster,
        )

    async def _allocate(self, claim: Claim) -> None:
        uid = claim.subject.uid
        self._caches.untold.add(uid)
        try:
            await self._allocations.allocate(claim.pool_key, self.owner(claim))
        except Unavailable:
            # It may have been done, and the record may appear once the claim is gone.
            raise
        except MoorageError:
            self._caches.untold.discard(uid)
            raise

    async def _take_over(self, claim: Claim, record: Record) -> None:
        pool = self._caches.given.get(claim.pool_key)
        ref = pool.spec.ref if pool and pool.has(record.address) else None
        await self._allocations.take_over(record, self.owner(claim), ref)

    async def _bind(self, claim: Claim, address: Any) -> None:  # noqa: ANN401 - an Address
        pool = self._caches.given.get(claim.pool_key)
        if pool is None:
            raise NoneFree(f"IPPool {claim.pool_key} is gone")
        await self._allocations.bind(pool.spec.network, address, self.owner(claim), pool.spec.ref)

    async def _write_address(self, observed: Observed) -> None:
        claim = observed.claim
        record = self._record(claim)
        view = self._caches.pools.get(claim.pool_key)
        pool = self._caches.given.get(claim.pool_key)
        if record is None or view is None or pool is None:
            raise NoneFree(f"what {claim.key} had is gone, or its pool changed")
        self._caches.untold.discard(claim.subject.uid)
        references = self._owners(claim, view)
        made_for = {OWNER_ANNOTATION: claim.subject.uid}
        known = self._caches.addresses.get(claim.key)
        if known is None or known.subject.deleting:
            if record.address.family is not pool.spec.usable.family:
                raise NoneFree(f"{record.address} is not of the family of IPPool {claim.pool_key}")
            body = self._body(claim, record, view)
            body["metadata"] |= {"ownerReferences": references, "annotations": made_for}
            self._caches.addresses.take_created(await self._client.create(self._addresses, body))
            return
        subject = known.subject
        # Another IPAddress of this name that came meanwhile answers 409.
        meta = {"uid": subject.uid, "ownerReferences": references, "annotations": made_for}
        target = Target(subject.name, subject.namespace)
        answer = await self._client.patch(self._addresses, target, {"metadata": meta})
        self._caches.addresses.update_known(answer)

    def _record(self, claim: Claim) -> Record | None:
        keys = self._caches.records_by_owner_uid.get(claim.subject.uid)
        found = [one for one in self._caches.records_of(keys) if one.phase is Phase.BOUND]
        known = self._caches.addresses.get(claim.key)
        said = known.address if known else None
        return min(found, key=lambda one: (one.address != said, one.name), default=None)

    def _body(self, claim: Claim, record: Record, view: PoolView) -> dict[str, Any]:
        spec: dict[str, Any] = {
            "address": str(record.address),
            "prefix": view.spec.prefix if view.spec else record.address.family.value,
            "claimRef": {"name": claim.subject.name},
            "poolRef": claim.pool.to_wire(),
        }
        if view.spec is not None and view.spec.gateway:
            spec["gateway"] = view.spec.gateway
        meta: dict[str, Any] = {"name": claim.subject.name, "namespace": claim.subject.namespace}
        if claim.cluster:
            meta["labels"] = {CLUSTER_LABEL: claim.cluster}
        return {
            "apiVersion": self._addresses.api_version,
            "kind": self._addresses.name,
            "metadata": meta,
            "spec": spec,
        }

    def _owners(self, claim: Claim, view: PoolView) -> list[dict[str, Any]]:
        """The claim, with which the IPAddress goes, and the pool, for tools that move both."""
        return [
            _reference(self._claims, claim.subject) | {"controller": True},
            _reference(IPPOOLS, view.subject),
        ]

    async def _delete_address(self, observed: Observed) -> None:
        address = observed.address
        if address is None:
            return
        subject = address.subject
        with suppress(NotFound):
            await self._client.delete(
                self._addresses, subject.name, subject.namespace, uid=subject.uid
            )
        self._caches.addresses.forget(observed.claim.key, subject.uid)


def _reference(kind: Kind, owner: Subject) -> dict[str, Any]:
    # blockOwnerDeletion takes a right that the owner's kind may not have; see writes.owners.
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": owner.name,
        "uid": owner.uid,
    }
