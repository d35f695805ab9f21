"""Admission: a Machine that is about to be created gets its addresses before it is there.

Every replica answers, whether it leads or not. An address is reserved by its IPAllocation, which
the API server lets only one create; the controller of Machines binds it to the Machine once that
is there, and :mod:`moorage_ipam.upkeep` ends the reservation of one that never comes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from moorage_api.ipallocation import DEFAULT_NETWORK
from moorage_domain.admission import AdmissionRequest, Patched
from moorage_domain.admission import Decision as Answer
from moorage_domain.errors import Disposition, MoorageError
from moorage_domain.families import Address
from moorage_ipam.allocations import Allocations, NoneFree, is_write_for
from moorage_ipam.pools import Pool
from moorage_ipam.records import Owner, Phase, Record, Reservation
from moorage_ipam.times import text_of
from moorage_kube.client.errors import Conflict, NotFound
from moorage_kube.webhook.webhook import Webhook
from moorage_machine_ipam.caches import named_by_machine
from moorage_machine_ipam.decide.admission import (
    AdmissionObserved,
    AskForName,
    Reserve,
    decide_admission,
    unavailable,
)
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.machine.caches import MACHINE_KIND
from moorage_machine_ipam.machine.controller import Machines
from moorage_machine_ipam.machine.hook_pools import POOL_KEYS, Slot, pool_key
from moorage_machine_ipam.machine.patches import MachineError, devices
from moorage_machine_ipam.machine.projections import addresses_of_device
from moorage_machine_ipam.machine.registration import PATH, TIMEOUT_SECONDS
from moorage_machine_ipam.settings import MachineIpamSettings

logger = logging.getLogger(__name__)

ROUNDS = 8
"""So often it is decided again because somebody else was faster; then the maker tries again."""
PAUSE_SECONDS = 5.0
# As the API server makes names up: five letters that make no words, at most 63 in all.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5
_LONGEST = 63


@dataclass(slots=True)
class Visit:
    """One request while it is answered.

    Attributes:
        name: of the Machine.
        name_is_taken: ``None`` = the API server has not been asked.
        reserved: whether an address may have been reserved for it.
        used_again: names of records that an earlier request reserved: that one's Machine may be
            there by now.
        preview: what a dry run shows.
    """

    request: AdmissionRequest
    name: str
    name_is_taken: bool | None = None
    reserved: bool = False
    used_again: set[str] = field(default_factory=set)
    preview: Mapping[Slot, Address] = field(default_factory=dict)

    @property
    def owner(self) -> Owner:
        """The Machine that is to come."""
        return Owner(MACHINES.api_version, MACHINE_KIND, self.request.namespace, self.name, "")


class MachineAdmission:
    """Answers for Machines; what it reserves is kept only where its answer says so."""

    def __init__(
        self, machines: Machines, allocations: Allocations, settings: MachineIpamSettings
    ) -> None:
        self._machines = machines
        self._base = machines.caches.base
        self._allocations = allocations
        self._seconds = settings.reservation_seconds
        self._dry_run = settings.dry_run
        # Names need not be secret, only different.
        self._dice = random.Random()  # noqa: S311  # as above
        self._unanswered: asyncio.Queue[Visit] = asyncio.Queue()
        self.webhook = Webhook(PATH, self.admit, deadline=TIMEOUT_SECONDS / 2)

    async def admit(self, request: AdmissionRequest) -> Answer:
        """The answer; where there is none in time, what was reserved for it is given back."""
        visit, answer = Visit(request, self._name(request)), None
        try:
            answer = await self._answer(visit)
        finally:
            if visit.reserved and not isinstance(answer, Patched):
                self._unanswered.put_nowait(visit)
        return answer

    async def give_back(self) -> None:
        """For ever: free what was reserved for requests that were not answered, or refused."""
        while True:
            visit = await self._unanswered.get()
            if not await self._is_given_back(visit):
                self._unanswered.put_nowait(visit)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _is_given_back(self, visit: Visit) -> bool:
        """Whether nothing that this very request reserved is reserved any more.

        Who has used a reservation meanwhile has written to it, and keeps it: then the version that
        is known here is an old one. What this one has used again is not given back: it ends by
        itself.
        """
        try:
            await self._allocations.look_up(visit.owner.identity)
            for record in self._reserved(visit):
                reservation = record.owner.reservation if record.owner else None
                is_own = reservation is not None and reservation.request == visit.request.uid
                if is_own and record.name not in visit.used_again:
                    with suppress(Conflict):
                        await self._allocations.delete(record)
        except MoorageError as error:
            logger.warning("a reservation for %s is given back later: %s", visit.owner, error)
            return False
        return True

    async def _answer(self, visit: Visit) -> Answer:
        for _ in range(ROUNDS):
            verdict = decide_admission(self._observe(visit))
            if not isinstance(verdict, AskForName | Reserve):
                return verdict
            try:
                await self._act(visit, verdict)
            except MoorageError as error:
                # Somebody else was faster: what is there now decides.
                if error.disposition is not Disposition.STALE:
                    return unavailable(str(error))
        return unavailable("others were faster, again and again")

    def _observe(self, visit: Visit) -> AdmissionObserved:
        """From the caches; nothing is awaited, so that what is observed fits together."""
        config, holders = self._machines.config, {}
        unowned = set()
        for address in _named(visit.request):
            if others := self._others(visit, address):
                holders[address] = others
            elif self._is_free(address):
                unowned.add(address)
        return AdmissionObserved(
            request=visit.request,
            name=visit.name,
            config=config,
            problem=self._problem(),
            name_is_known=visit.owner.key in self._machines.caches.machines,
            name_is_taken=visit.name_is_taken,
            reserved=self._reserved(visit),
            unowned=frozenset(unowned),
            holders=holders,
            supply=self._machines.observer.supply(config) if config else {},
            preview=visit.preview,
            dry_run=self._dry_run,
            now=time.time(),
        )

    def _problem(self) -> str:
        base, machines = self._base, self._machines
        stores = (base.pools, base.records, base.addresses, machines.caches.machines)
        if not all(store.synced for store in stores):
            return "it is not known yet which addresses are in use"
        file = machines.hook_file
        return (file.unusable() or "") if file else "there is no --hook-config"

    def _reserved(self, visit: Visit) -> tuple[Record, ...]:
        keys = self._base.records_by_owner.get((MACHINE_KIND, visit.owner.key))
        return tuple(one for one in self._base.records_of(keys) if one.phase is Phase.RESERVED)

    def _others(self, visit: Visit, address: Address) -> str:
        """Who else has an address; ``""`` = nobody, or a Machine of this name had it."""
        given = self._base.given
        for record in given.records_of(DEFAULT_NETWORK, address):
            whose = record.owner or record.moved_owner
            is_own = not whose or record.is_of(str(visit.owner))
            return "" if is_own else f"it belongs to {whose}"
        own = named_by_machine(visit.owner.key)
        users = given.users(DEFAULT_NETWORK, address) - {own}
        others = sorted(one for one in users if not is_write_for(visit.owner, one))
        return f"{others[0]} says so" if others else ""

    def _is_free(self, address: Address) -> bool:
        """Whether a range of the file has it, and nobody."""
        given = self._base.given
        return self._pool_of(address) is not None and not given.records_of(DEFAULT_NETWORK, address)

    async def _act(self, visit: Visit, verdict: AskForName | Reserve) -> None:
        if isinstance(verdict, AskForName):
            found = await self._machines.ask(visit.request.namespace, visit.name)
            visit.name_is_taken = found is not None
        elif visit.request.dry_run:
            chosen = self._allocations.preview(
                [(self._pool(slot), self._expected(visit, slot.name)) for slot in verdict.slots]
            )
            visit.preview = dict(zip(verdict.slots, chosen, strict=True))
        else:
            visit.reserved = True
            await self._reserve(visit, verdict)

    async def _reserve(self, visit: Visit, wanted: Reserve) -> None:
        for record in wanted.again:
            slot = record.owner.slot if record.owner else ""
            visit.used_again.add(record.name)
            try:
                await self._allocations.take_over(record, self._expected(visit, slot), None)
            except NotFound:
                self._base.records.forget(record.name, record.uid)
                raise
        for slot_name, address in wanted.named:
            if pool := self._pool_of(address):
                owner = self._expected(visit, slot_name)
                await self._allocations.bind(DEFAULT_NETWORK, address, owner, pool.spec.ref)
        expected = {one: self._expected(visit, one.name) for one in wanted.slots}
        self._allocations.choose([(self._pool(one), owner) for one, owner in expected.items()])
        for one, owner in expected.items():
            await self._allocations.allocate(pool_key(one.range.version), owner)

    def _pool_of(self, address: Address) -> Pool | None:
        """The range of the file that has an address."""
        pools = map(self._base.given.get, POOL_KEYS)
        return next((one for one in pools if one is not None and one.has(address)), None)

    def _pool(self, slot: Slot) -> Pool:
        pool = self._base.given.get(pool_key(slot.range.version))
        if pool is None:
            raise NoneFree(f"there is no range for {slot.name} any more")
        return pool

    def _expected(self, visit: Visit, slot: str) -> Owner:
        reservation = Reservation(text_of(time.time() + self._seconds), visit.request.uid)
        return replace(visit.owner, slot=slot, reservation=reservation)

    def _name(self, request: AdmissionRequest) -> str:
        """The Machine's name; where the API server has yet to make one up, it is made up here.

        Only so does a reservation have an owner that people and other replicas can find.
        """
        meta = (request.object or {}).get("metadata") or {}
        name, prefix = request.name or meta.get("name"), meta.get("generateName")
        if name or not prefix:
            return str(name or "")
        suffix = "".join(self._dice.choices(_LETTERS, k=_SUFFIX))
        return f"{str(prefix)[: _LONGEST - _SUFFIX]}{suffix}"


def _named(request: AdmissionRequest) -> frozenset[Address]:
    """The addresses that its devices name already."""
    try:
        there = devices(request.object or {})
    except MachineError:
        return frozenset()
    return frozenset(one for device in there for one in addresses_of_device(device))
