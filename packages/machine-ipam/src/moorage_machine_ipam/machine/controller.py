"""The controller of Machines put together."""

from __future__ import annotations

from collections.abc import Callable

from moorage_domain.families import Address
from moorage_domain.plans import Plan
from moorage_ipam.allocations import Allocations
from moorage_ipam.records import Owner, Record
from moorage_ipam.upkeep import OwnerKind, Presence
from moorage_kube.cache.store import Change
from moorage_kube.client.lookup import look_up
from moorage_kube.manager.manager import Manager
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.telemetry.events import Event
from moorage_kube.writes.subjects import Subjects
from moorage_machine_ipam.caches import Caches
from moorage_machine_ipam.decide.machine import decide_machine
from moorage_machine_ipam.kinds import MACHINES
from moorage_machine_ipam.machine.act import MachineActor
from moorage_machine_ipam.machine.caches import MACHINE_KIND, MachineCaches
from moorage_machine_ipam.machine.hook_config import HookConfig
from moorage_machine_ipam.machine.hook_file import HookFile
from moorage_machine_ipam.machine.hook_pools import POOL_KEYS
from moorage_machine_ipam.machine.model import MachineAction, MachineObserved
from moorage_machine_ipam.machine.observe import MachineObserver
from moorage_machine_ipam.machine.projections import Machine, machine_of
from moorage_machine_ipam.reasons import ALLOCATING, POOL_EXHAUSTED, WARNINGS

INFORMED = 16
"""So many that wait look again at least when an address comes free: some need more than one."""


class Machines:
    """All parts of it, and what the records of Machines need to know."""

    def __init__(
        self,
        manager: Manager,
        base: Caches,
        allocations: Allocations,
        hook_file: HookFile | None,
        due: Callable[[Record], float],
    ) -> None:
        """``due``: seconds until a released record's address comes free."""
        self.client, self.events = manager.client, manager.events
        self.queue = WorkQueue()
        self.caches = MachineCaches(base)
        self.hook_file = hook_file
        self.observer = MachineObserver(self.caches, allocations, due, hook_file)
        self.actor = MachineActor(self.client, self.caches, allocations)
        self.owner_kind = OwnerKind(self._presence, self._is_gone, self._has_come)
        self.caches.machines.subscribe(self._machine_changed)
        base.records.subscribe(self._record_changed)
        base.given.subscribe(self._use_changed)
        if hook_file is not None:
            self._config_changed()
            hook_file.subscribe(self._config_changed)
            manager.run_always("hook configuration", hook_file.run)
            manager.require("hook configuration", hook_file.unusable)
        manager.informer(MACHINES, self.caches.machines)
        subjects = Subjects(MACHINES, self.caches.machines, dry_run="")
        manager.add_controller("machines", MachineLogic(self), self.queue, subjects)

    @property
    def config(self) -> HookConfig | None:
        """As the file has it; ``None`` = there is none that can be used."""
        return self.hook_file.config if self.hook_file else None

    # What puts Machines into the queue.

    def _machine_changed(self, change: Change[Machine]) -> None:
        self.queue.add(change.key)

    def _record_changed(self, change: Change[Record]) -> None:
        for record in (change.old, change.new):
            if record is not None and record.owner and record.owner.kind == MACHINE_KIND:
                self.queue.add(record.owner.key)

    def _use_changed(self, pool: str) -> None:
        if pool not in POOL_KEYS or not self.caches.waiting:
            return
        given = self.caches.base.given.get(pool)
        if given is not None and given.allocator.free:
            count = max(INFORMED, given.allocator.free)
            self.queue.add(*list(self.caches.waiting)[:count])

    def _config_changed(self) -> None:
        if self.config is not None:
            self.caches.put_pools(self.config)
        self.queue.add(*self.caches.held)

    # What records need to know of their owners.

    def _presence(self, owner: Owner) -> Presence:
        """Whether a Machine is there, by the cache."""
        if owner.api_version != MACHINES.api_version:
            return Presence.UNKNOWN
        machine = self.caches.machines.get(owner.key)
        if machine is None:
            return Presence.GONE
        same = not owner.uid or machine.subject.uid == owner.uid
        return Presence.THERE if same else Presence.NAMESAKE

    async def ask(self, namespace: str, name: str) -> Machine | None:
        """The Machine of that name as the API server has it now; ``None`` = there is none."""
        raw = await look_up(self.client, MACHINES, name, namespace)
        if raw is None:
            return None
        self.caches.machines.take_created(raw)
        return machine_of(raw)

    async def _is_gone(self, owner: Owner) -> bool:
        """Whether there is no Machine of that name, as the API server says now."""
        return await self.ask(owner.namespace, owner.name) is None

    async def _has_come(self, owner: Owner, address: Address) -> bool:
        """Whether the Machine of that name has the address, as the API server says now."""
        machine = await self.ask(owner.namespace, owner.name)
        return machine is not None and address in machine.literal


class MachineLogic:
    """Observe, decide, act and report for one Machine."""

    def __init__(self, parts: Machines) -> None:
        self._parts = parts
        # By key: uid and reason of what was reported last.
        self._reported: dict[str, tuple[str, str]] = {}

    async def observe(self, key: str) -> MachineObserved | None:
        """Read the caches; nothing is awaited, so that what is observed fits together."""
        observed = self._parts.observer.machine(key)
        if observed is None:
            self._reported.pop(key, None)
            self._parts.caches.waiting.pop(key, None)
        return observed

    def decide(self, observed: MachineObserved) -> Plan[MachineAction]:
        """Decide; pure."""
        return decide_machine(observed)

    async def act(self, observed: MachineObserved, action: MachineAction) -> None:
        """Carry out one action."""
        await self._parts.actor.act(observed, action)

    async def report(self, ended: Pass[MachineObserved, MachineAction]) -> None:
        """Who waits is noted; an Event for each new reason that is a warning, and for its end.

        A Machine has no condition of ours, so a new process says it once more.
        """
        waiting = self._parts.caches.waiting
        if ended.plan is not None and ended.plan.reason == POOL_EXHAUSTED.name:
            waiting.setdefault(ended.key)
        else:
            waiting.pop(ended.key, None)
        if event := self._event(ended):
            await self._parts.events.publish(event)

    def _event(self, ended: Pass[MachineObserved, MachineAction]) -> Event | None:
        outcome = ended.failure or ended.plan
        machine = ended.observed.machine if ended.observed else None
        if outcome is None or machine is None or outcome.reason == ALLOCATING.name:
            return None
        uid, before = self._reported.get(ended.key, ("", ""))
        before = before if uid == machine.subject.uid else ""
        self._reported[ended.key] = (machine.subject.uid, outcome.reason)
        warns = ended.failure is not None or outcome.reason in WARNINGS
        if outcome.reason == before or not (warns or before in WARNINGS):
            return None
        return Event(
            kind=MACHINES,
            name=machine.subject.name,
            namespace=machine.subject.namespace,
            uid=machine.subject.uid,
            type="Warning" if warns else "Normal",
            reason=outcome.reason,
            message=outcome.message,
        )
