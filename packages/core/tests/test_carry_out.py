"""How a move is made: its target is found fit first, and where it takes two steps both follow."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from core_builders import IP1, node_ref, until

from moorage_core.actions import Mutate
from moorage_core.carry_out import carry_out
from moorage_core.model import Mutation, Outcome
from moorage_core.mutations import PendingMutations
from moorage_core.priority import PrioritySemaphore
from moorage_core.rate_limiter import RateLimiter
from moorage_kube.election.lease import LeadershipLost
from moorage_provider.errors import (
    CloudError,
    MachineUnfit,
    Stale,
    StateUnread,
    Throttled,
    Unavailable,
)
from moorage_provider.protocol import Capabilities, OtherHolder, PendingMutation
from moorage_testing import virtual_time
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider
from moorage_testing.faults import Fault

TWO_WRITES = Capabilities(moves_in_one_call=False, clears_target_first=False)


class Moves:
    """An address on vm-n1 of a cloud without a call that moves it, and what became of its move."""

    def __init__(self, capabilities: Capabilities = TWO_WRITES, steps: int = 0) -> None:
        self.cloud = MemoryCloud(capabilities, operation_steps=steps)
        self.provider = MemoryProvider(self.cloud)
        self.ended: list[Outcome] = []
        self.left: list[Mutate] = []
        self.second: list[Mutate] = []
        self.mutations = PendingMutations(
            fence=lambda: None,
            ended=lambda _, outcome: self.ended.append(outcome),
            priority=PrioritySemaphore(5),
            leaving=self.leave,
            taken_off=self.second.append,
        )
        for name in ("n1", "n2"):
            self.cloud.add_machine(f"vm-{name}")
        self.cloud.add_address(IP1)
        self.cloud.assign(IP1, "vm-n1")

    async def leave(self, move: Mutate) -> None:
        self.left.append(move)

    def move(self, **fields: Any) -> Mutate:
        address = self.cloud.snapshot([IP1])[IP1]
        return Mutate(
            Mutation.MOVE, "a", IP1, address, node_ref("n2"), "vm-n2", "request-1",
            previous=node_ref("n1"), allocation_uid="uid-a", may_strip=True, **fields,
        )  # fmt: skip

    async def ends(self, move: Mutate | None = None, limiter: RateLimiter | None = None) -> Outcome:
        self.mutations.begin(self.provider, move or self.move(), limiter)
        await until(lambda: self.ended, "the move to end")
        return self.ended[-1]

    def where(self) -> str:
        return getattr(self.cloud.holder(IP1), "machine_id", "")

    @property
    def ops(self) -> list[str]:
        return [op for op, _ in self.cloud.mutations]


@pytest.fixture
async def moves() -> AsyncIterator[Moves]:
    moves = Moves()
    yield moves
    await moves.mutations.drain(0)


async def test_both_steps_follow_each_other_and_end_as_one(moves: Moves) -> None:
    outcome = await moves.ends()
    assert (outcome.mutation, outcome.error, moves.where()) == (Mutation.ATTACH, None, "vm-n2")
    assert moves.ops == ["detach", "attach"]
    assert [one.previous for one in moves.left] == [node_ref("n1")]
    (attach,) = moves.second
    assert (attach.mutation, attach.handle, attach.address.holder) == (Mutation.ATTACH, "", None)
    assert attach.request_id != "request-1"
    calls = [call.op for call in moves.cloud.faults.calls]
    assert calls == ["machine", "detach", "snapshot", "machine", "attach"]


async def test_an_unfit_target_is_known_before_anything_leaves(moves: Moves) -> None:
    moves.cloud.set_running("vm-n2", running=False)
    outcome = await moves.ends()
    assert isinstance(outcome.error, MachineUnfit)
    assert (moves.ops, moves.left, moves.where()) == ([], [], "vm-n1")
    assert set(moves.mutations.avoidance.avoided[IP1]) == {"uid-n2"}


async def test_where_the_labels_stay_the_address_stays(moves: Moves) -> None:
    async def refuse(_: Mutate) -> None:
        raise Unavailable("the API server does not answer")

    moves.mutations.leaving = refuse
    outcome = await moves.ends()
    assert isinstance(outcome.error, Unavailable)
    assert (moves.ops, moves.mutations.avoidance.avoided) == ([], {})


async def test_the_target_is_not_blamed_for_a_holder_that_keeps_it(moves: Moves) -> None:
    moves.cloud.faults.inject(Fault(op="detach", error=CloudError("failed")))
    outcome = await moves.ends()
    assert (outcome.mutation, moves.where()) == (Mutation.DETACH, "vm-n1")
    assert moves.mutations.avoidance.avoided == {}


async def test_who_takes_it_between_the_steps_keeps_it(moves: Moves) -> None:
    other = OtherHolder("load balancer lb-1")
    moves.cloud.after_mutation = lambda op: (
        moves.cloud.assign(IP1, other) if op == "detach" else None
    )
    outcome = await moves.ends()
    assert isinstance(outcome.error, Stale)
    assert moves.cloud.holder(IP1) == other


async def test_a_lease_lost_between_the_steps_leaves_the_second_to_the_next_leader(
    moves: Moves,
) -> None:
    def lose(_: Mutate) -> None:
        def fence() -> None:
            raise LeadershipLost("another one leads")

        moves.mutations.fence = fence

    moves.mutations.taken_off = lose
    moves.mutations.begin(moves.provider, moves.move())
    await until(lambda: not moves.mutations.in_flight, "it to be left")
    assert (moves.ops, moves.ended) == (["detach"], [])


async def test_a_refusal_of_the_second_step_slows_the_scope_down(moves: Moves) -> None:
    moves.cloud.faults.inject(Fault(op="attach", error=Throttled("slow", retry_after=5.0)))
    limiter = RateLimiter()
    outcome = await moves.ends(limiter=limiter)
    assert (outcome.mutation, moves.where()) == (Mutation.ATTACH, "")
    assert limiter.reserve() > 4.0


async def test_while_the_second_step_is_under_way_it_is_what_the_status_says() -> None:
    moves = Moves(steps=3)
    seen: list[tuple[str, str]] = []
    moves.mutations.accepted = lambda mutate: seen.append(
        (moves.mutations.in_flight[IP1].mutation, moves.mutations.handles[mutate.ip])
    )
    await moves.ends()
    assert [mutation for mutation, _ in seen] == ["move", "attach"]
    assert len({handle for _, handle in seen}) == 2


async def test_a_successor_goes_on_from_the_handle_of_the_first_step() -> None:
    moves = Moves(steps=3)
    move = moves.move()
    begun = await moves.provider.detach(move.address, "request-1")
    outcome = await moves.ends(moves.move(handle=begun.handle))
    assert (outcome.error, moves.where()) == (None, "vm-n2")
    assert moves.ops == ["detach", "attach"]
    assert moves.left == [], "they came off before the first step"


@pytest.mark.parametrize(
    ("marked", "whose"), [("theirs", "one of cluster theirs"), ("", "one of no cluster")]
)
async def test_sec_05_a_machine_of_another_cluster_is_unfit_before_anything_leaves(
    moves: Moves, marked: str, whose: str
) -> None:
    moves.mutations.cluster = "ours"
    moves.cloud.add_machine("vm-other", cluster=marked)
    outcome = await moves.ends(replace(moves.move(), machine_id="vm-other"))
    assert isinstance(outcome.error, MachineUnfit)
    assert whose in outcome.error.message
    assert "--cloud-cluster" in outcome.error.message
    assert (moves.ops, moves.left, moves.where()) == ([], [], "vm-n1")


async def test_sec_05_a_machine_that_is_marked_as_ours_is_fit(moves: Moves) -> None:
    moves.mutations.cluster = "ours"
    moves.cloud.add_machine("vm-ours", cluster="ours")
    outcome = await moves.ends(replace(moves.move(), machine_id="vm-ours"))
    assert (outcome.error, moves.where()) == (None, "vm-ours")


class Polls(MemoryProvider):
    """Notes when it was asked what became of a mutation."""

    def __init__(self, cloud: MemoryCloud) -> None:
        super().__init__(cloud)
        self.at: list[float] = []

    async def poll(self, handle: str) -> PendingMutation:
        self.at.append(time.monotonic())
        return await super().poll(handle)

    @property
    def pauses(self) -> list[float]:
        """Between two questions, and before the first one."""
        return [round(b - a, 3) for a, b in itertools.pairwise(self.at)]


def polled(cloud: MemoryCloud) -> Polls:
    """An address given to a machine, and its operation followed to its end, in virtual time."""
    cloud.add_machine("vm-n2", with_public_ip=False)
    cloud.add_address(IP1)
    provider = Polls(cloud)
    address = cloud.snapshot([IP1])[IP1]
    attach = Mutate(Mutation.ATTACH, "a", IP1, address, node_ref("n2"), "vm-n2", "request-1")

    async def main() -> None:
        provider.at.append(time.monotonic())
        assert await carry_out(provider, attach)

    virtual_time.run(main())
    assert getattr(cloud.holder(IP1), "machine_id", "") == "vm-n2"
    assert [op for op, _ in cloud.mutations] == ["attach"]
    return provider


def test_an_operation_is_looked_at_soon_and_then_as_seldom_as_the_cloud_asks() -> None:
    cloud = MemoryCloud(TWO_WRITES, operation_steps=26)
    cloud.poll_after = 10.0
    pauses = polled(cloud).pauses
    # Sooner at first: most operations are done long before, and the address is nowhere meanwhile.
    assert pauses[:7] == [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.6]
    for number, pause in enumerate(pauses[6:], 6):
        # What is done is noticed a fifth later than it took, at most.
        assert pause == pytest.approx(min(10.0, sum(pauses[:number]) / 5), abs=0.001)
    assert pauses[-2:] == [10.0, 10.0]


def test_where_the_cloud_asks_for_nothing_the_pauses_stay_short() -> None:
    assert polled(MemoryCloud(TWO_WRITES, operation_steps=4)).pauses == [0.5] * 4


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (Throttled("too many calls", "TooManyRequests", 30.0), [0.5, 30.0, 30.0, 0.5]),
        (Unavailable("no answer", "Timeout"), [0.5, 2.0, 2.0, 0.5]),
    ],
)
def test_an_operation_that_cannot_be_looked_at_goes_on_and_its_handle_is_kept(
    error: CloudError, pauses: list[float]
) -> None:
    cloud = MemoryCloud(TWO_WRITES, operation_steps=2)
    cloud.faults.inject(Fault(op="poll", error=error, times=2))
    assert polled(cloud).pauses == pauses


def test_an_operation_that_failed_is_not_waited_for() -> None:
    cloud = MemoryCloud(TWO_WRITES, operation_steps=1)
    late = Unavailable("the operation came to nothing", "InternalServerError")
    cloud.faults.inject(Fault(op="attach", late_error=late))
    with pytest.raises(Unavailable, match="came to nothing") as failed:
        polled(cloud)
    assert not isinstance(failed.value, StateUnread)
