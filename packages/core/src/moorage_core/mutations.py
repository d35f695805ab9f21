"""Mutations under way: one per address, bounded, fenced, finished or parked on the way out."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from moorage_core.actions import Mutate
from moorage_core.caches import uptime
from moorage_core.decide.outcomes import node_at_fault
from moorage_core.model import Mutation, Outcome
from moorage_core.priority import PrioritySemaphore
from moorage_core.rate_limiter import RateLimiter
from moorage_kube.election.lease import LeadershipLost
from moorage_provider import errors
from moorage_provider.protocol import Machine, MachineHolder, PendingMutation, Provider

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
_POLL_DEADLINE = 300.0
_FIRST_AVOIDANCE = 60.0
_LONGEST_AVOIDANCE = 600.0


@dataclass(slots=True)
class PendingMutations:
    """The background work of all allocations.

    Attributes:
        fence: raises when this process may not change anything any more.
        ended: called with a mutation and its outcome, once per mutation that ran to its end.
        priority: how many may run at once, and who comes first.
        accepted: called with a mutation that the cloud has accepted and not ended at once.
    """

    fence: Callable[[], None]
    ended: Callable[[Mutate, Outcome], None]
    priority: PrioritySemaphore
    accepted: Callable[[Mutate], None] = lambda _: None
    in_flight: dict[str, Mutate] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    avoided: dict[str, dict[str, float]] = field(default_factory=dict)
    restore_after: dict[str, dict[str, float]] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def begin(
        self, provider: Provider, mutate: Mutate, rate_limiter: RateLimiter | None = None
    ) -> None:
        """Start a mutation whose intention is stored; a second one for its address is refused.

        ``rate_limiter`` is its scope's, which holds it back where the cloud has refused others.
        """
        if mutate.ip in self.in_flight:
            return
        self.in_flight[mutate.ip] = mutate
        self._forget_old_avoidance(mutate.ip)
        self.outcomes.pop(mutate.ip, None)
        task = asyncio.create_task(
            self._run(provider, mutate, rate_limiter or RateLimiter()),
            name=f"{mutate.mutation} {mutate.ip}",
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, ip: str) -> None:
        """No allocation has the address any more."""
        self.outcomes.pop(ip, None)
        self.avoided.pop(ip, None)
        self.restore_after.pop(ip, None)
        self._failures.pop(ip, None)

    async def drain(self, seconds: float) -> None:
        """Let what is under way end; after the deadline it is parked: its intention is stored."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        parked = list(self._tasks)
        for task in parked:
            task.cancel()
        await asyncio.gather(*parked, return_exceptions=True)

    async def _run(self, provider: Provider, mutate: Mutate, rate_limiter: RateLimiter) -> None:
        outcome: Outcome | None = None
        try:
            async with self.priority.turn(mutate.mutation):
                await rate_limiter.wait(mutate.mutation)
                self.fence()
                done = await carry_out(provider, mutate, self._accepted)
            rate_limiter.accepted()
            outcome = self._succeeded(mutate, must_record_first=not done)
        except errors.CloudError as error:
            if isinstance(error, errors.Throttled):
                rate_limiter.throttled(error.retry_after)
            outcome = self._failed(mutate, error)
        except LeadershipLost as lost:
            log.warning("%s of %s is left to the next leader: %s", mutate.mutation, mutate.ip, lost)
        except Exception as error:
            log.exception("%s of %s failed by a bug", mutate.mutation, mutate.ip)
            bug = errors.Unavailable(f"internal error: {type(error).__name__}")
            outcome = self._failed(mutate, bug)
        finally:
            del self.in_flight[mutate.ip]
            self.handles.pop(mutate.ip, None)
            if outcome is not None:
                self.outcomes[mutate.ip] = outcome
                self.ended(mutate, outcome)

    def _accepted(self, mutate: Mutate, handle: str) -> None:
        """The cloud goes on without us now: have the status say so, for a successor."""
        if handle != mutate.handle:
            self.handles[mutate.ip] = handle
            self.accepted(mutate)

    def _forget_old_avoidance(self, ip: str) -> None:
        now = uptime()
        left = {uid: until for uid, until in self.avoided.pop(ip, {}).items() if until > now}
        if left:
            self.avoided[ip] = left

    def _succeeded(self, mutate: Mutate, *, must_record_first: bool) -> Outcome:
        self._failures.pop(mutate.ip, None)
        self.restore_after.get(mutate.ip, {}).pop(_node_uid(mutate), None)
        return Outcome(
            mutate.mutation,
            mutate.allocation,
            node_uid=_node_uid(mutate),
            must_record_first=must_record_first,
        )

    def _failed(self, mutate: Mutate, error: errors.CloudError) -> Outcome:
        failures = self._failures[mutate.ip] = self._failures.get(mutate.ip, 0) + 1
        node_uid = _node_uid(mutate)
        retry_in = _backoff(error, failures)
        if mutate.mutation is Mutation.RESTORE:
            self.restore_after.setdefault(mutate.ip, {})[node_uid] = uptime() + retry_in
        elif node_at_fault(error) and mutate.mutation is not Mutation.DETACH:
            until = min(_LONGEST_AVOIDANCE, _FIRST_AVOIDANCE * 2 ** min(failures - 1, 8))
            self.avoided.setdefault(mutate.ip, {})[node_uid] = uptime() + until
        return Outcome(mutate.mutation, mutate.allocation, error, node_uid, retry_in)


def _node_uid(mutate: Mutate) -> str:
    return mutate.node_ref.uid if mutate.node_ref else ""


def _backoff(error: errors.CloudError, failures: int) -> float:
    """Seconds to wait before the next attempt, with jitter so that many do not come at once."""
    if isinstance(error, errors.Stale) and failures == 1:
        return 0.0
    retry = isinstance(error, errors.Retry | errors.Stale)
    first, longest = (1.0, 60.0) if retry else (30.0, 300.0)
    asked_for = (error.retry_after or 0.0) if isinstance(error, errors.Retry) else 0.0
    pause = min(longest, first * 2.0 ** min(failures - 1, 8))
    return max(asked_for, pause * random.uniform(0.75, 1.25))  # noqa: S311  # spreads load only


def _nobody_listens(mutate: Mutate, handle: str) -> None:
    """What ``carry_out`` does with a handle by default."""


async def carry_out(
    provider: Provider,
    mutate: Mutate,
    accepted: Callable[[Mutate, str], None] = _nobody_listens,
    poll_seconds: float = POLL_SECONDS,
) -> bool:
    """Read the target, make sure it fits, change it, and wait until the cloud says it is done.

    ``accepted`` gets the handle of a mutation that goes on in the cloud. ``False``: nothing was
    changed, because the target has an ephemeral public address and ``may_strip`` is not set.
    """
    operation = PendingMutation(mutate.handle, done=False)
    if not mutate.handle:
        begun = await _begin(provider, mutate)
        if begun is None:
            return False
        operation = begun
        if not operation.done:
            accepted(mutate, operation.handle)
    await _finish(provider, operation, poll_seconds)
    if mutate.mutation is Mutation.RESTORE:
        await _refuse_unpaid(provider, mutate)
    return True


async def _begin(provider: Provider, mutate: Mutate) -> PendingMutation | None:
    """Ask for it; ``None`` = an ephemeral address is in the way, which is not written down yet."""
    if mutate.only_unmanaged:
        await _refuse_managed_holder(provider, mutate)
    if mutate.mutation is Mutation.DETACH:
        return await provider.detach(mutate.address, mutate.request_id)
    machine = await provider.machine(mutate.machine_id)
    if mutate.mutation is not Mutation.RESTORE:
        _refuse_unfit(provider, mutate, machine)
    ephemeral = machine.public_ip and not machine.public_ip_reserved
    if mutate.mutation is Mutation.PREPARE and ephemeral and not mutate.may_strip:
        return None
    return await _call(provider, mutate, machine)


async def _call(provider: Provider, mutate: Mutate, machine: Machine) -> PendingMutation:
    match mutate.mutation:
        case Mutation.PREPARE:
            return await provider.prepare(mutate.address, machine, mutate.request_id)
        case Mutation.ATTACH:
            return await provider.attach(mutate.address, machine, mutate.request_id)
        case Mutation.MOVE:
            return await provider.move(mutate.address, machine, mutate.request_id)
        case Mutation.RESTORE:
            return await provider.restore(machine, mutate.request_id)
        case Mutation.DETACH:
            return await provider.detach(mutate.address, mutate.request_id)


async def _refuse_unpaid(provider: Provider, mutate: Mutate) -> None:
    """A node that has the address it gave its own up for was not restored; that stays pending.

    An attach whose answer was lost may come true even while the restore is under way.
    """
    machine = await provider.machine(mutate.machine_id)
    if machine.public_ip == mutate.ip:
        raise errors.Stale(f"{mutate.ip} came to machine {machine.machine_id} after all")


def _refuse_unfit(provider: Provider, mutate: Mutate, machine: Machine) -> None:
    """Before any interface is touched: a target that cannot work costs nobody anything."""
    if not machine.running:
        raise errors.MachineUnfit(f"machine {machine.machine_id} is not running")
    if machine.public_ip_reserved and machine.public_ip != mutate.ip:
        raise errors.MachineUnfit(
            f"machine {machine.machine_id} already holds the reserved address {machine.public_ip}"
        )
    if refusal := provider.check(mutate.address, machine):
        raise errors.MachineUnfit(refusal)


async def _refuse_managed_holder(provider: Provider, mutate: Mutate) -> None:
    holder = mutate.address.holder
    if not isinstance(holder, MachineHolder):
        return
    machine = await provider.machine(holder.machine_id)
    if machine.cluster:
        raise errors.Unsupported(
            f"machine {machine.machine_id} holds {mutate.ip} and belongs to cluster"
            f" {machine.cluster}; spec.foreignPolicy IfUnmanaged leaves it alone"
        )


async def _finish(provider: Provider, operation: PendingMutation, poll_seconds: float) -> None:
    deadline = time.monotonic() + _POLL_DEADLINE
    while not operation.done:
        if time.monotonic() > deadline:
            raise errors.Unavailable(f"operation {operation.handle} is not done yet")
        await asyncio.sleep(poll_seconds)
        operation = await provider.poll(operation.handle)
