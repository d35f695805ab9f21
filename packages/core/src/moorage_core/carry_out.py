"""How one mutation is made: the target is read, found fit and changed, and the end awaited."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from moorage_core.actions import Mutate
from moorage_core.decide.begin import attach_next
from moorage_core.decide.outcomes import HolderLeftAlone
from moorage_core.model import Mutation
from moorage_provider import errors
from moorage_provider.protocol import (
    CloudAddress,
    Machine,
    MachineHolder,
    PendingMutation,
    Provider,
)

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
FOUND_SECONDS = 2.0
"""So long a target counts as it was read: a status is written meanwhile, and nothing else."""
_POLL_DEADLINE = 300.0
# So much later than it took an operation is noticed to be done, at most.
_LATE_SHARE = 0.2
# Between two tries to see what became of an operation.
_UNREAD_SECONDS = 2.0
# So long a cloud may show a holder from whom it has taken the address.
_FREE_DEADLINE = 30.0


def _nobody_listens(_mutate: Mutate, _handle: str) -> None:
    """What is done with a handle by default."""


def _stays(_ip: str) -> bool:
    """What is said of an address by default."""
    return False


def _nobody_owes(_mutate: Mutate, _machine: Machine) -> None:
    """What is done with such a target by default."""


async def go_ahead(_mutate: Mutate) -> None:
    """What is done before a step by default."""


@dataclass(slots=True)
class Found:
    """A target as it was read a moment ago, for the same mutation once its status says more.

    Attributes:
        read_at: monotonic seconds.
    """

    node_uid: str
    machine: Machine
    read_at: float

    @property
    def counts(self) -> bool:
        """Whether it was read lately enough."""
        return time.monotonic() - self.read_at < FOUND_SECONDS

    def of(self, mutate: Mutate) -> Machine | None:
        """The mutation's target, as long as that reading counts; ``None`` = read it."""
        same = mutate.node_ref is not None and mutate.node_ref.uid == self.node_uid
        return self.machine if same and self.counts else None


@dataclass(frozen=True, slots=True)
class Hooks:
    """Who has a say while a mutation is made.

    Attributes:
        accepted: gets the handle of a mutation that goes on in the cloud.
        leaving: awaited once the target of a move was found fit, right before the address leaves;
            what it raises stops the move.
        attaching: awaited between the two steps of a move; gets the second one.
        cluster: the cluster that a target must be marked with in its cloud; ``""`` = any, or none.
        found: the target as it was read for this mutation a moment ago; ``None`` = it was not.
        owes: gets the target where its own address must be written down before anything is done.
        leaves: whether an address that is on a machine is there for an allocation only.
    """

    accepted: Callable[[Mutate, str], None] = _nobody_listens
    leaving: Callable[[Mutate], Awaitable[None]] = go_ahead
    attaching: Callable[[Mutate], Awaitable[None]] = go_ahead
    cluster: str = ""
    found: Found | None = None
    owes: Callable[[Mutate, Machine], None] = _nobody_owes
    leaves: Callable[[str], bool] = _stays


class Carrying:
    """One mutation being made, with all its steps.

    Where a cloud has no call that moves an address, a move is two: taken off its holder, given to
    its new node. The intention of both is stored before the first, so the second follows at once:
    between them nobody has the address, and nothing else is waited for.

    Attributes:
        step: what is asked of the cloud now; what fails is this.
    """

    def __init__(
        self, provider: Provider, mutate: Mutate, hooks: Hooks, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self.step = mutate
        self._provider = provider
        self._hooks = hooks
        self._poll_seconds = poll_seconds

    async def run(self) -> bool:
        """Make it to its end; see :func:`carry_out`."""
        if is_of_two_steps(self._provider, self.step) and not await self._take_off(self.step):
            return False
        return await carry_out(self._provider, self.step, self._hooks, self._poll_seconds)

    async def _take_off(self, move: Mutate) -> bool:
        provider, hooks, poll_seconds = self._provider, self._hooks, self._poll_seconds
        if not move.handle and await _find_clear(provider, move, hooks) is None:
            return False
        # What fails from here on is no fault of the target.
        self.step = replace(move, mutation=Mutation.DETACH)
        if not move.handle:
            await hooks.leaving(move)
        await carry_out(provider, self.step, hooks, poll_seconds)
        address = await _until_free(provider, move, poll_seconds)
        # A call has gone out since: the target is read again before it gets the address.
        self._hooks = replace(hooks, found=None)
        self.step = attach_next(move, address)
        await hooks.attaching(self.step)
        return True


def is_of_two_steps(provider: Provider, mutate: Mutate) -> bool:
    """Whether it is a move that takes two calls."""
    return mutate.mutation is Mutation.MOVE and not provider.capabilities.moves_in_one_call


async def carry_out(
    provider: Provider,
    mutate: Mutate,
    hooks: Hooks = Hooks(),
    poll_seconds: float = POLL_SECONDS,
) -> bool:
    """Read the target, make sure it fits, change it, and wait until the cloud says it is done.

    ``False``: nothing was changed, because the target has an ephemeral public address and
    ``may_strip`` is not set.
    """
    operation = PendingMutation(mutate.handle, done=False)
    if not mutate.handle:
        begun = await _begin(provider, mutate, hooks)
        if begun is None:
            return False
        operation = begun
        if not operation.done:
            hooks.accepted(mutate, operation.handle)
    await _finish(provider, operation, poll_seconds)
    if mutate.mutation is Mutation.RESTORE:
        await _refuse_unpaid(provider, mutate)
    return True


async def _begin(provider: Provider, mutate: Mutate, hooks: Hooks) -> PendingMutation | None:
    """Ask for it; ``None`` = an ephemeral address is in the way, which is not written down yet."""
    if mutate.mutation is Mutation.DETACH:
        return await provider.detach(mutate.address, mutate.request_id)
    if mutate.mutation is Mutation.RESTORE:
        return await _restore(provider, mutate, hooks)
    found = await _find_clear(provider, mutate, hooks)
    if found is None:
        return None
    if mutate.mutation is Mutation.MOVE:
        await hooks.leaving(mutate)
    return await _call(provider, mutate, found)


async def _restore(provider: Provider, mutate: Mutate, hooks: Hooks) -> PendingMutation:
    """Give a machine a public address of its own, where it has none for good.

    One that is there for an allocation leaves again.
    """
    machine = await provider.machine(mutate.machine_id)
    if machine.public_ip_reserved and hooks.leaves(machine.public_ip):
        raise errors.Stale(f"{machine.public_ip} is still on machine {machine.machine_id}")
    if machine.public_ip:
        return PendingMutation()
    return await provider.restore(machine, mutate.request_id)


async def _find_clear(provider: Provider, mutate: Mutate, hooks: Hooks) -> Machine | None:
    """The target as it is now; ``None`` = its own address must be written down first.

    Raises where it cannot have the address, or nobody may take it.
    """
    if mutate.only_unmanaged:
        await _refuse_managed_holder(provider, mutate)
    found = hooks.found.of(mutate) if hooks.found else None
    machine = found or await provider.machine(mutate.machine_id)
    _refuse_other_cluster(machine, hooks.cluster)
    _refuse_unfit(provider, mutate, machine)
    if mutate.may_strip or not has_own_address(machine):
        return machine
    hooks.owes(mutate, machine)
    return None


def has_own_address(machine: Machine) -> bool:
    """Whether a target has a public address of its own: the status says first that it is taken.

    Where it is not taken first, the reserved one replaces it, and a cloud lends one again at best.
    """
    return bool(machine.public_ip) and not machine.public_ip_reserved


async def _until_free(provider: Provider, move: Mutate, poll_seconds: float) -> CloudAddress:
    """The address as the cloud shows it once its old holder has it no more.

    Raises ``Stale`` where somebody else has it, or the old holder for too long.
    """
    deadline = time.monotonic() + _FREE_DEADLINE
    while True:
        address = (await provider.snapshot([move.ip])).get(move.ip)
        if address is None:
            raise errors.AddressNotFound(f"{move.ip} vanished while it was moved")
        holder = address.holder
        if holder is None or _is_on(address, move.machine_id):
            return address
        if holder != move.address.holder or time.monotonic() > deadline:
            raise errors.Stale(f"{move.ip} has another holder than nobody after it was taken off")
        await asyncio.sleep(poll_seconds)


def _is_on(address: CloudAddress, machine_id: str) -> bool:
    holder = address.holder
    on_it = isinstance(holder, MachineHolder) and holder.machine_id == machine_id
    return on_it and isinstance(holder, MachineHolder) and not holder.misplaced


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


def _refuse_other_cluster(machine: Machine, cluster: str) -> None:
    """A kubelet may name any machine of the account as its own."""
    if cluster and machine.cluster != cluster:
        whose = f"cluster {machine.cluster}" if machine.cluster else "no cluster"
        raise errors.MachineUnfit(
            f"machine {machine.machine_id} is marked as one of {whose}, and --cloud-cluster is"
            f" {cluster}"
        )


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
        raise HolderLeftAlone(
            f"machine {machine.machine_id} holds {mutate.ip} and belongs to cluster"
            f" {machine.cluster}; spec.foreignPolicy IfUnmanaged leaves it alone"
        )


async def _finish(provider: Provider, operation: PendingMutation, poll_seconds: float) -> None:
    began = time.monotonic()
    pause, asked_for = poll_seconds, operation.poll_after
    while not operation.done:
        if time.monotonic() - began > _POLL_DEADLINE:
            raise errors.Unavailable(f"operation {operation.handle} is not done yet")
        await asyncio.sleep(pause)
        # Most are done much sooner than the cloud asks to wait, which it asks of all alike: what is
        # done is noticed a little later than it took, at most.
        pause = max(poll_seconds, min(asked_for, _LATE_SHARE * (time.monotonic() - began)))
        try:
            operation = await provider.poll(operation.handle)
        except errors.StateUnread as unread:
            pause = max(pause, unread.retry_after or _UNREAD_SECONDS)
            log.info("operation %s goes on, unseen: %s", operation.handle, unread)
        else:
            asked_for = operation.poll_after or asked_for
