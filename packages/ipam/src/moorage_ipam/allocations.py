"""Allocations: who writes IPAllocations, so that an address has one owner at any time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Protocol

from moorage_api.ipallocation import IPALLOCATIONS
from moorage_domain.errors import Disposition, MoorageError
from moorage_domain.families import Address
from moorage_domain.kinds import Kind
from moorage_ipam.clock import now_text
from moorage_ipam.pools import Pool, Pools
from moorage_ipam.records import (
    Owner,
    Phase,
    PoolRef,
    Record,
    body_of,
    owner_deleting_patch,
    owner_patch,
    phase_patch,
    record_name,
    record_of,
)
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Target
from moorage_kube.client.errors import AlreadyExists, KubeError, NotFound, Unavailable

ATTEMPTS = 16
"""Addresses that are tried in one pass: each that fails was taken by another replica just now."""


class NoneFree(MoorageError):
    """The pool has nothing to give away; another pass tells why."""

    disposition: ClassVar[Disposition] = Disposition.STALE


class AddressTaken(MoorageError):
    """The address that was asked for belongs to somebody else."""

    disposition: ClassVar[Disposition] = Disposition.STALE


class RecordApi(Protocol):
    """The calls needed; :class:`moorage_kube.client.client.Client` has them."""

    async def get(self, kind: Kind, name: str) -> dict[str, Any]: ...

    async def create(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]: ...

    async def patch(self, kind: Kind, target: Target, body: dict[str, Any]) -> dict[str, Any]: ...

    async def delete(
        self, kind: Kind, name: str, *, uid: str | None, resource_version: str | None
    ) -> None: ...


class Allocations:
    """Binds addresses to owners and releases them, each by one write that only one can win."""

    def __init__(self, client: RecordApi, records: Store[Record], pools: Pools) -> None:
        self._client = client
        self._records = records
        self._pools = pools
        # By identity and slot of the owner: what was chosen for it, or asked for without an answer.
        # It may be there, and may be the owner's.
        self._unsure: dict[str, dict[str, tuple[str, Address]]] = {}

    def unsure(self, identity: str) -> frozenset[str]:
        """The owner's slots whose address may be its own although no record shows it yet."""
        return frozenset(self._unsure.get(identity, ()))

    def choose(self, wanted: Iterable[tuple[Pool, Owner]]) -> None:
        """Choose an address for each, or for none: :meth:`allocate` binds what was chosen.

        Raises :class:`NoneFree`. Whoever needs several would else wait for the last one, and keep
        the others from somebody who waits for those.
        """
        chosen: list[Owner] = []
        for pool, owner in wanted:
            if owner.slot in self.unsure(owner.identity):
                continue
            address = self._pools.choose(pool, _user(owner), owner.key)
            if address is None:
                for one in chosen:
                    self._settle(one.identity, one.slot)
                raise NoneFree(f"{pool.spec.ref} has no free address")
            self._unsure.setdefault(owner.identity, {})[owner.slot] = (pool.spec.network, address)
            chosen.append(owner)

    def preview(self, wanted: Sequence[tuple[Pool, Owner]]) -> tuple[Address, ...]:
        """What :meth:`choose` would choose now; nothing is taken. Raises :class:`NoneFree`."""
        known = {owner: owner.slot in self.unsure(owner.identity) for _, owner in wanted}
        self.choose(wanted)
        found = tuple(self._unsure[owner.identity][owner.slot][1] for owner in known)
        for owner, was_there in known.items():
            if not was_there:
                self._settle(owner.identity, owner.slot)
        return found

    async def allocate(self, pool_key: str, owner: Owner) -> Record:
        """Bind a free address of the pool to its owner.

        Raises :class:`NoneFree` where there is none, and errors of the API server.
        """
        known = self._unsure.get(owner.identity, {}).get(owner.slot)
        for _ in range(ATTEMPTS):
            # Afresh: it may have been edited meanwhile.
            pool = self._pools.get(pool_key)
            if pool is None:
                break
            network, address = known or self._choice(pool, owner)
            if address is None:
                break
            record = await self._create(network, address, owner, pool.spec.ref)
            if record is not None:
                return record
            known = None
        raise NoneFree(f"no address of pool {pool_key} is free")

    async def bind(
        self, network: str, address: Address, owner: Owner, pool: PoolRef | None
    ) -> Record:
        """Bind this very address to its owner. Raises :class:`AddressTaken`."""
        record = await self._create(network, address, owner, pool)
        if record is None:
            raise AddressTaken(f"{address} belongs to somebody else")
        return record

    async def look_up(self, identity: str) -> tuple[Record, ...]:
        """Find out what became of requests without an answer; the owner's records that are there.

        Afterwards nothing is unsure any more: what arrives still later is shown by the watch.
        """
        result = []
        for slot, (network, address) in list(self._unsure.get(identity, {}).items()):
            found = await self._find(network, address)
            self._settle(identity, slot)
            if found is not None and found.owner is not None and found.owner.identity == identity:
                result.append(found)
        return tuple(result)

    async def forget(self, identity: str) -> None:
        """The owner goes: what was asked for it without an answer is found out, and released."""
        for record in await self.look_up(identity):
            await self.change(record, Phase.QUARANTINED)

    def settle(self, identity: str) -> None:
        """Nothing is unsure about this owner: it is known, or the owner is gone."""
        for slot in self.unsure(identity):
            self._settle(identity, slot)

    async def change(self, record: Record, phase: Phase) -> None:
        """Put a record into a phase. Raises ``Conflict``."""
        await self._patch(record, phase_patch(record, phase, now_text()))

    async def take_over(self, record: Record, owner: Owner, pool: PoolRef | None) -> None:
        """Bind a record to another owner. Raises ``Conflict``."""
        await self._patch(record, owner_patch(record, owner, pool, now_text()))

    async def note_owner_deleting(self, record: Record) -> None:
        """Write down that the owner is being deleted: once it is gone, that was meant."""
        await self._patch(record, owner_deleting_patch(record))

    async def delete(self, record: Record) -> None:
        """The address is free, if nobody has taken the record over meanwhile."""
        version = record.resource_version
        with suppress(NotFound):
            await self._client.delete(
                IPALLOCATIONS, record.name, uid=record.uid, resource_version=version
            )
        self._records.forget(record.name, record.uid)

    def _choice(self, pool: Pool, owner: Owner) -> tuple[str, Address | None]:
        return pool.spec.network, self._pools.choose(pool, _user(owner), owner.key)

    async def _patch(self, record: Record, patch: dict[str, Any]) -> None:
        answer = await self._client.patch(IPALLOCATIONS, Target(record.name), patch)
        self._records.update_known(answer)

    async def _create(
        self, network: str, address: Address, owner: Owner, pool: PoolRef | None
    ) -> Record | None:
        """The owner's record of this address; ``None``: somebody else has it."""
        self._pools.use(network, address, _user(owner))
        self._unsure.setdefault(owner.identity, {})[owner.slot] = (network, address)
        body = body_of(network, address, owner, pool, now_text())
        try:
            self._records.take_created(await self._client.create(IPALLOCATIONS, body))
        except AlreadyExists:
            await self._find(network, address)
        except Unavailable:
            # It may have been done, and nobody else gets the address until that is known.
            raise
        except KubeError:
            self._settle(owner.identity, owner.slot)
            raise
        record = self._records.get(record_name(network, address))
        self._settle(owner.identity, owner.slot)
        return record if record is not None and _is_of(record, owner) else None

    async def _find(self, network: str, address: Address) -> Record | None:
        """The record of an address as the API server has it now; the store has it then, too."""
        try:
            raw = await self._client.get(IPALLOCATIONS, record_name(network, address))
        except NotFound:
            return None
        self._records.take_created(raw)
        self._records.update_known(raw)
        return record_of(raw)

    def _settle(self, identity: str, slot: str) -> None:
        slots = self._unsure.get(identity, {})
        if slot not in slots:
            return
        network, address = slots.pop(slot)
        if not slots:
            del self._unsure[identity]
        self._pools.let_go(network, address, _user_of(identity, slot))


def is_write_for(owner: Owner, user: str) -> bool:
    """Whether an address is used because a write of ours for this owner is under way."""
    own = _user_of(owner.identity, "")
    return user == own or user.startswith(f"{own} ")


def _user(owner: Owner) -> str:
    return _user_of(owner.identity, owner.slot)


def _user_of(identity: str, slot: str) -> str:
    return f"write for {identity} {slot}".rstrip()


def _is_of(record: Record, owner: Owner) -> bool:
    found = record.owner
    return found is not None and (found.identity, found.slot) == (owner.identity, owner.slot)
