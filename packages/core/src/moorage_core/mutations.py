"""Mutations under way: one per address, bounded, fenced, finished or parked on the way out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from moorage_core.actions import Mutate
from moorage_core.avoidance import Avoidance
from moorage_core.caches import uptime
from moorage_core.carry_out import (
    Carrying,
    Found,
    Hooks,
    go_ahead,
    has_own_address,
    is_of_two_steps,
)
from moorage_core.decide.outcomes import REFUSED, may_still_come_true
from moorage_core.decide.restore import MAY_STILL_COME_SECONDS
from moorage_core.model import HAVE_A_CHOICE, Mutation, Outcome
from moorage_core.priority import PrioritySemaphore
from moorage_core.rate_limiter import RateLimiter
from moorage_kube.election.lease import LeadershipLost
from moorage_provider import errors
from moorage_provider.protocol import Machine, Provider

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""So long a pass waits for a look at a target before its mutation."""


@dataclass(slots=True)
class PendingMutations:
    """The background work of all allocations.

    Attributes:
        fence: raises when this process may not change anything any more.
        ended: called with a mutation and its outcome, once per mutation that ran to its end.
        priority: how many may run at once, and who comes first.
        accepted: called with a mutation that the cloud has accepted and not ended at once.
        leaving: see :class:`Hooks`.
        taken_off: called with the second step of a move once the first is done.
        cluster: see :class:`Hooks`.
        leaves: see :class:`Hooks`.
    """

    fence: Callable[[], None]
    ended: Callable[[Mutate, Outcome], None]
    priority: PrioritySemaphore
    accepted: Callable[[Mutate], None] = lambda _: None
    leaving: Callable[[Mutate], Awaitable[None]] = go_ahead
    taken_off: Callable[[Mutate], None] = lambda _: None
    cluster: str = ""
    leaves: Callable[[str], bool] = lambda _: False
    in_flight: dict[str, Mutate] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    avoidance: Avoidance = field(default_factory=Avoidance)
    restore_after: dict[str, dict[str, float]] = field(default_factory=dict)
    restore_refused: dict[str, dict[str, str]] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)
    _failures: dict[str, int] = field(default_factory=dict)
    _found: dict[str, Found] = field(default_factory=dict)
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
        self.avoidance.expire(mutate.ip, uptime())
        self.outcomes.pop(mutate.ip, None)
        task = asyncio.create_task(
            self._run(provider, mutate, rate_limiter or RateLimiter()),
            name=f"{mutate.mutation} {mutate.ip}",
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def look_at(self, provider: Provider, mutate: Mutate) -> None:
        """Read the target of a mutation before its intention is stored.

        Whatever is wrong is found again, and said, when the mutation itself reads it.
        """
        with contextlib.suppress(TimeoutError, errors.CloudError):
            async with asyncio.timeout(LOOK_SECONDS):
                self._remember(mutate, await provider.machine(mutate.machine_id))

    def own_addresses(self) -> dict[str, str]:
        """Node uids of targets seen a moment ago with an address of their own, by reserved one."""
        return {
            ip: found.node_uid
            for ip, found in self._found.items()
            if found.counts and has_own_address(found.machine)
        }

    def forget(self, ip: str) -> None:
        """No allocation has the address any more."""
        self.outcomes.pop(ip, None)
        self.avoidance.forget(ip)
        self.restore_after.pop(ip, None)
        self.restore_refused.pop(ip, None)
        self._failures.pop(ip, None)
        self._found.pop(ip, None)

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
        first = Mutation.DETACH if is_of_two_steps(provider, mutate) else mutate.mutation
        carrying = Carrying(provider, mutate, self._hooks(mutate.ip, rate_limiter))
        try:
            async with self.priority.turn(first):
                await rate_limiter.wait(first)
                self.fence()
                done = await carrying.run()
            rate_limiter.accepted()
            outcome = self._succeeded(carrying.step, must_record_first=not done)
        except errors.CloudError as error:
            if isinstance(error, errors.Throttled):
                rate_limiter.throttled(error.retry_after)
            outcome = self._failed(carrying.step, error)
        except LeadershipLost as lost:
            log.warning("%s of %s is left to the next leader: %s", mutate.mutation, mutate.ip, lost)
        except Exception as error:
            log.exception("%s of %s failed by a bug", mutate.mutation, mutate.ip)
            outcome = self._failed(carrying.step, bug_of(error))
        finally:
            del self.in_flight[mutate.ip]
            self.handles.pop(mutate.ip, None)
            if outcome is not None:
                self.outcomes[mutate.ip] = outcome
                self.ended(carrying.step, outcome)

    def _hooks(self, ip: str, rate_limiter: RateLimiter) -> Hooks:
        async def attaching(step: Mutate) -> None:
            """The status may say so, but nothing waits for that: nobody has the address."""
            self.in_flight[step.ip] = step
            self.handles.pop(step.ip, None)
            self.taken_off(step)
            rate_limiter.accepted()
            await rate_limiter.wait(step.mutation)
            self.fence()

        return Hooks(
            accepted=self._accepted,
            leaving=self.leaving,
            attaching=attaching,
            cluster=self.cluster,
            found=self._found.pop(ip, None),
            owes=self._remember,
            leaves=self.leaves,
        )

    def _remember(self, mutate: Mutate, machine: Machine) -> None:
        """The mutation follows, as soon as the status says what the target is owed."""
        self._found[mutate.ip] = Found(_node_uid(mutate), machine, time.monotonic())

    def _accepted(self, mutate: Mutate, handle: str) -> None:
        """The cloud goes on without us now: have the status say so, for a successor."""
        if handle != mutate.handle:
            self.handles[mutate.ip] = handle
            self.accepted(mutate)

    def _succeeded(self, mutate: Mutate, *, must_record_first: bool) -> Outcome:
        node_uid = _node_uid(mutate)
        self._failures.pop(mutate.ip, None)
        self.avoidance.succeeded(mutate)
        self.restore_after.get(mutate.ip, {}).pop(node_uid, None)
        self.restore_refused.get(mutate.ip, {}).pop(node_uid, None)
        return Outcome(
            mutate.mutation,
            mutate.allocation,
            node_uid=node_uid,
            must_record_first=must_record_first,
        )

    def _failed(self, mutate: Mutate, error: errors.CloudError) -> Outcome:
        failures = self._failures[mutate.ip] = self._failures.get(mutate.ip, 0) + 1
        node_uid = _node_uid(mutate)
        retry_in = _backoff(error, failures)
        if mutate.mutation is Mutation.RESTORE:
            self.restore_after.setdefault(mutate.ip, {})[node_uid] = uptime() + retry_in
            if isinstance(error, REFUSED):
                self.restore_refused.setdefault(mutate.ip, {})[node_uid] = error.message
        elif mutate.mutation in HAVE_A_CHOICE and self._may_still_come(mutate, error):
            # A target that has its own address now may lose it yet: that is looked at later.
            until = uptime() + MAY_STILL_COME_SECONDS
            self.restore_after.setdefault(mutate.ip, {})[node_uid] = until
        self.avoidance.failed(mutate, error, uptime())
        return Outcome(mutate.mutation, mutate.allocation, error, node_uid, retry_in)

    def _may_still_come(self, mutate: Mutate, error: errors.CloudError) -> bool:
        accepted = bool(mutate.handle) or mutate.ip in self.handles
        return may_still_come_true(error, accepted=accepted)


def bug_of(error: Exception) -> errors.CloudError:
    """What a bug counts as: nothing is known of the effect, and it may be about one target."""
    return errors.Unavailable(f"internal error: {type(error).__name__}")


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
