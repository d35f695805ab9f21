"""Mutations under way: one per address, bounded, fenced, reported once, parked at shutdown."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
from core_builders import IP1, IP2, node_ref, outcome, until

from moorage_core import mutations as mutations_module
from moorage_core.actions import Mutate
from moorage_core.avoidance import Avoidance
from moorage_core.caches import uptime
from moorage_core.carry_out import FOUND_SECONDS, carry_out
from moorage_core.decide.restore import MAY_STILL_COME_SECONDS
from moorage_core.model import Mutation, Outcome
from moorage_core.mutations import PendingMutations
from moorage_core.priority import PrioritySemaphore
from moorage_core.rate_limiter import RateLimiter
from moorage_kube.election.lease import LeadershipLost
from moorage_provider.errors import (
    AddressNotFound,
    CloudError,
    Denied,
    InUse,
    Locked,
    MachineNotFound,
    MachineUnfit,
    QuotaExceeded,
    Stale,
    Throttled,
    Unavailable,
    Unsupported,
)
from moorage_provider.protocol import Capabilities, MachineHolder
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud, MemoryProvider
from moorage_testing.faults import Fault


class Works:
    """A memory cloud with operations on it, and what they accepted."""

    def __init__(self, cloud: MemoryCloud | None = None, limit: int = 20) -> None:
        self.cloud = cloud or MemoryCloud(ONE_CALL)
        self.provider = MemoryProvider(self.cloud)
        self.ended: list[tuple[Mutate, Outcome]] = []
        self.mutations = PendingMutations(
            fence=lambda: None,
            ended=lambda mutate, outcome: self.ended.append((mutate, outcome)),
            priority=PrioritySemaphore(limit),
        )

    def mutate(self, mutation: Mutation, ip: str, node: str = "n1", **fields: Any) -> Mutate:
        """A mutation that rests on what the cloud shows now."""
        if ip not in self.cloud.holders:
            self.cloud.add_address(ip)
        if f"vm-{node}" not in self.cloud.machine_ids:
            self.cloud.add_machine(f"vm-{node}")
        address = self.cloud.snapshot([ip])[ip]
        machine = "" if mutation is Mutation.DETACH else f"vm-{node}"
        one = Mutate(mutation, "a", ip, address, node_ref(node), machine, "request-1")
        one = replace(one, may_strip=mutation in (Mutation.ATTACH, Mutation.MOVE))
        return replace(one, **fields)

    def attach(self, ip: str = IP1, node: str = "n1") -> Mutate:
        return self.mutate(Mutation.ATTACH, ip, node)

    async def ends(self, mutate: Mutate) -> Outcome:
        """Begin it and wait for its end."""
        count = len(self.ended)
        self.mutations.begin(self.provider, mutate)
        await until(lambda: len(self.ended) > count, "the mutation to end")
        assert self.ended[-1][0] is mutate
        return self.ended[-1][1]

    async def failures(self, error: Exception, count: int) -> list[Outcome]:
        self.cloud.faults.inject(Fault(op="attach", error=error, times=count))
        return [await self.ends(self.attach()) for _ in range(count)]

    def calls(self, op: str) -> int:
        return sum(call.op == op for call in self.cloud.faults.calls)


@pytest.fixture
async def works() -> AsyncIterator[Works]:
    works = Works()
    yield works
    await works.mutations.drain(0)


async def test_a_mutation_runs_to_its_end_and_is_reported_once(works: Works) -> None:
    mutate = works.attach()
    works.mutations.begin(works.provider, mutate)
    assert works.mutations.in_flight == {IP1: mutate}
    await until(lambda: works.ended, "the end")
    done = outcome(Mutation.ATTACH, node_uid="uid-n1")
    assert works.ended == [(mutate, done)]
    assert works.mutations.outcomes == {IP1: done}
    assert works.mutations.in_flight == {}
    assert works.cloud.mutations == [("attach", frozenset({IP1, "vm-n1"}))]


async def test_a_second_mutation_of_an_address_is_refused_while_one_is_under_way(
    works: Works,
) -> None:
    first, second = works.attach(), works.attach(node="n2")
    works.mutations.begin(works.provider, first)
    works.mutations.begin(works.provider, second)
    works.mutations.begin(works.provider, works.attach(IP2, "n2"))
    assert works.mutations.in_flight[IP1] is first
    await until(lambda: not works.mutations.in_flight, "both to end")
    assert [one.ip for one, _ in works.ended] == [IP1, IP2]
    assert works.calls("attach") == 2


async def test_a_new_mutation_forgets_how_the_last_one_ended(works: Works) -> None:
    await works.failures(Denied("no"), 1)
    works.mutations.begin(works.provider, works.attach())
    assert works.mutations.outcomes == {}


async def test_no_more_run_at_once_than_the_limit_allows() -> None:
    works = Works(limit=2)
    works.cloud.faults.inject(Fault(op="machine", delay_seconds=0.2, times=2))
    for number in range(5):
        works.mutations.begin(works.provider, works.attach(f"203.0.113.{number}", f"n{number}"))
    await until(lambda: works.calls("machine") == 2, "two to have begun")
    for _ in range(20):
        await asyncio.sleep(0)
    assert works.calls("machine") == 2
    assert len(works.mutations.in_flight) == 5
    await until(lambda: len(works.ended) == 5, "all to end")
    assert all(ended.error is None for _, ended in works.ended)


async def test_the_handle_of_an_accepted_mutation_is_known_while_it_runs() -> None:
    works = Works(MemoryCloud(ONE_CALL, operation_steps=3))
    accepted: list[str] = []
    works.mutations.accepted = lambda mutate: accepted.append(works.mutations.handles[mutate.ip])
    works.mutations.begin(works.provider, works.attach())
    await until(lambda: accepted, "the handle")
    assert accepted == list(works.cloud.under_way)
    await until(lambda: works.ended, "the end")
    assert works.mutations.handles == {}


async def test_a_successor_goes_on_from_the_handle_and_asks_for_nothing_twice() -> None:
    works = Works(MemoryCloud(ONE_CALL, operation_steps=2))
    mutate = works.attach()
    machine = works.cloud.machine("vm-n1")
    begun = await works.provider.attach(mutate.address, machine, "request-1")
    assert not begun.done
    ended = await works.ends(replace(mutate, handle=begun.handle))
    assert ended.error is None
    assert works.calls("attach") == 1
    assert works.cloud.holder(IP1) == MachineHolder("vm-n1", "nic-vm-n1")


def lose() -> None:
    raise LeadershipLost("another one leads")


async def test_without_the_lease_nothing_is_called_and_nothing_is_reported(works: Works) -> None:
    works.mutations.fence = lose
    works.mutations.begin(works.provider, works.attach())
    await until(lambda: not works.mutations.in_flight, "the mutation to be left")
    assert works.cloud.faults.calls == ()
    assert (works.mutations.outcomes, works.ended) == ({}, [])


async def test_a_lease_lost_on_the_way_is_no_outcome_of_the_mutation(works: Works) -> None:
    works.provider.fence = lose
    works.mutations.begin(works.provider, works.attach())
    await until(lambda: not works.mutations.in_flight, "the mutation to be left")
    assert works.cloud.mutations == []
    assert (works.mutations.outcomes, works.ended) == ({}, [])


async def test_the_fence_is_asked_when_the_turn_comes_not_when_it_is_begun() -> None:
    works = Works(limit=1)
    works.cloud.faults.inject(Fault(op="machine", delay_seconds=0.05))
    works.mutations.begin(works.provider, works.attach(IP1))
    works.mutations.begin(works.provider, works.attach(IP2, "n2"))
    await until(lambda: works.calls("machine") == 1, "the first to have begun")
    works.mutations.fence = lose
    await until(lambda: not works.mutations.in_flight, "both to be over")
    assert works.cloud.mutations == [("attach", frozenset({IP1, "vm-n1"}))]


async def test_a_bug_is_an_outcome_and_logged_with_its_traceback(
    works: Works, caplog: pytest.LogCaptureFixture
) -> None:
    works.cloud.faults.inject(Fault(op="attach", error=ZeroDivisionError("secret text")))
    with caplog.at_level(logging.ERROR):
        ended = await works.ends(works.attach())
    assert isinstance(ended.error, Unavailable)
    assert str(ended.error) == "internal error: ZeroDivisionError"
    assert ended.retry_in > 0
    assert works.mutations.in_flight == {}
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_what_ends_in_time_is_reported_before_the_shutdown(works: Works) -> None:
    works.cloud.faults.inject(Fault(op="attach", delay_seconds=0.05))
    works.mutations.begin(works.provider, works.attach())
    await works.mutations.drain(5)
    assert works.mutations.outcomes == {IP1: outcome(Mutation.ATTACH, node_uid="uid-n1")}


async def test_what_does_not_end_in_time_is_parked_without_an_outcome(works: Works) -> None:
    works.cloud.faults.inject(Fault(op="attach", delay_seconds=60))
    works.mutations.begin(works.provider, works.attach())
    await until(lambda: works.calls("attach"), "the call to be under way")
    began = time.monotonic()
    await works.mutations.drain(0.05)
    await until(lambda: not works.mutations.in_flight, "the mutation to be parked")
    assert time.monotonic() - began < 5
    assert (works.mutations.outcomes, works.ended) == ({}, [])
    assert works.cloud.mutations == []


async def test_a_drain_with_nothing_under_way_ends_at_once(works: Works) -> None:
    draining = asyncio.ensure_future(works.mutations.drain(math.inf))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert draining.done()
    assert (works.mutations.in_flight, works.mutations.outcomes, works.ended) == ({}, {}, [])


@pytest.mark.parametrize(
    "error", [MachineUnfit("stopped"), InUse("taken"), MachineNotFound("gone"), CloudError("late")]
)
async def test_a_node_at_fault_is_avoided_for_ever_longer(works: Works, error: CloudError) -> None:
    lengths = []
    for _ in range(6):
        before = uptime()
        await works.failures(error, 1)
        lengths.append(works.mutations.avoidance.avoided[IP1]["uid-n1"] - before)
    for length, expected in zip(lengths, (60, 120, 240, 480, 600, 600), strict=True):
        assert expected <= length < expected + 5


@pytest.mark.parametrize("error", [Throttled("slow"), Denied("no"), QuotaExceeded("full")])
async def test_a_node_is_not_avoided_for_the_accounts_trouble(
    works: Works, error: CloudError
) -> None:
    await works.failures(error, 2)
    assert works.mutations.avoidance.avoided == {}


@pytest.mark.parametrize(
    "error", [Unavailable("internal error"), Locked("locked"), Stale("changed"), Unsupported("no")]
)
async def test_harm_09_a_target_that_failed_twice_is_a_last_resort(
    works: Works, error: CloudError
) -> None:
    await works.failures(error, 1)
    assert works.mutations.avoidance.doubtful == {}
    lengths = []
    for _ in range(6):
        before = uptime()
        await works.failures(error, 1)
        lengths.append(works.mutations.avoidance.doubtful[IP1]["uid-n1"] - before)
    for length, expected in zip(lengths, (60, 120, 240, 480, 600, 600), strict=True):
        assert expected <= length < expected + 5
    assert works.mutations.avoidance.avoided == {}
    works.mutations.forget(IP1)
    assert works.mutations.avoidance == Avoidance()


@pytest.mark.parametrize(
    "error", [Throttled("slow"), Denied("no"), QuotaExceeded("full"), AddressNotFound("gone")]
)
async def test_harm_09_no_target_is_doubted_for_what_fails_every_target(
    works: Works, error: CloudError
) -> None:
    await works.failures(error, 5)
    assert works.mutations.avoidance.doubtful == {}


async def test_harm_09_success_ends_the_doubt_of_later_failures(works: Works) -> None:
    await works.failures(Unavailable("no answer"), 1)
    assert (await works.ends(works.attach())).error is None
    await works.failures(Unavailable("no answer"), 1)
    assert works.mutations.avoidance.doubtful == {}


@pytest.mark.parametrize("error", [Unavailable("no answer"), CloudError("failed")])
async def test_harm_07_what_may_still_come_true_is_waited_for_before_a_target_is_restored(
    works: Works, error: CloudError
) -> None:
    """It would be seen with the address that it is about to lose."""
    before = uptime()
    await works.failures(error, 1)
    until = works.mutations.restore_after[IP1]["uid-n1"]
    assert MAY_STILL_COME_SECONDS <= until - before < MAY_STILL_COME_SECONDS + 5
    assert (await works.ends(works.attach())).error is None
    assert works.mutations.restore_after == {IP1: {}}


async def test_harm_07_what_the_cloud_refuses_never_comes_true(works: Works) -> None:
    await works.failures(MachineUnfit("stopped"), 1)
    works.cloud.faults.inject(Fault(op="attach", late_error=CloudError("failed late"), times=1))
    assert str((await works.ends(works.attach())).error) == "failed late"
    works.cloud.faults.inject(Fault(op="detach", error=Unavailable("no answer")))
    assert (await works.ends(works.mutate(Mutation.DETACH, IP1))).error is not None
    assert works.mutations.restore_after == {}


async def test_the_node_that_could_not_be_left_is_not_avoided(works: Works) -> None:
    works.cloud.faults.inject(Fault(op="detach", error=InUse("busy")))
    ended = await works.ends(works.mutate(Mutation.DETACH, IP1))
    assert isinstance(ended.error, InUse)
    assert works.mutations.avoidance.avoided == {}


async def test_success_resets_the_count_of_failures(works: Works) -> None:
    await works.failures(MachineUnfit("stopped"), 3)
    assert (await works.ends(works.attach())).error is None
    before = uptime()
    await works.failures(MachineUnfit("stopped"), 1)
    assert 60 <= works.mutations.avoidance.avoided[IP1]["uid-n1"] - before < 65


async def test_avoidance_that_is_over_is_forgotten_with_the_next_mutation(works: Works) -> None:
    now = uptime()
    works.mutations.avoidance.avoided = {
        IP1: {"uid-n1": now - 1, "uid-n2": now + 60},
        IP2: {"x": now - 1},
    }
    works.mutations.begin(works.provider, works.attach(IP1))
    works.mutations.begin(works.provider, works.attach(IP2, "n2"))
    assert works.mutations.avoidance.avoided == {IP1: {"uid-n2": now + 60}}


async def test_an_address_that_is_nobodys_is_forgotten_altogether(works: Works) -> None:
    await works.failures(MachineUnfit("stopped"), 3)
    works.mutations.forget(IP1)
    assert (works.mutations.outcomes, works.mutations.avoidance.avoided) == ({}, {})
    before = uptime()
    await works.failures(MachineUnfit("stopped"), 1)
    assert 60 <= works.mutations.avoidance.avoided[IP1]["uid-n1"] - before < 65
    works.mutations.forget(IP2)


@pytest.mark.parametrize(
    ("error", "first", "longest"),
    [
        (Throttled("slow"), 1.0, 60.0),
        (Unavailable("no answer"), 1.0, 60.0),
        (Denied("no"), 30.0, 300.0),
        (MachineUnfit("stopped"), 30.0, 300.0),
    ],
)
async def test_pauses_double_up_to_a_limit_with_some_spread(
    works: Works, error: CloudError, first: float, longest: float
) -> None:
    outcomes = await works.failures(error, 12)
    for number, ended in enumerate(outcomes):
        pause = min(longest, first * 2**number)
        assert 0.75 * pause <= ended.retry_in <= 1.25 * pause
    assert len({ended.retry_in for ended in outcomes[-3:]}) > 1


async def test_the_cloud_says_when_to_come_back(works: Works) -> None:
    (ended,) = await works.failures(Throttled("slow", retry_after=120.0), 1)
    assert ended.retry_in == 120.0
    (ended,) = await works.failures(Throttled("slow", retry_after=0.01), 1)
    assert ended.retry_in >= 1.5  # the second in a row


async def test_what_was_read_too_early_is_tried_again_at_once_and_then_later(works: Works) -> None:
    first, second, third = await works.failures(Stale("changed meanwhile"), 3)
    assert first.retry_in == 0.0
    assert 1.5 <= second.retry_in <= 2.5  # once; it may also be a cloud that contradicts itself
    assert 3.0 <= third.retry_in <= 5.0
    assert works.mutations.avoidance.avoided == {}


# One mutation, step by step.


async def test_it_waits_until_the_cloud_says_it_is_done() -> None:
    works = Works(MemoryCloud(operation_steps=3))
    await carry_out(works.provider, works.attach(), poll_seconds=0)
    assert works.calls("poll") >= 3
    assert works.cloud.mutations == [("attach", frozenset({IP1, "vm-n1"}))]


async def test_a_failure_that_comes_late_is_a_failure() -> None:
    works = Works(MemoryCloud(operation_steps=2))
    works.cloud.faults.inject(Fault(op="attach", late_error=QuotaExceeded("no more")))
    with pytest.raises(QuotaExceeded):
        await carry_out(works.provider, works.attach(), poll_seconds=0)
    assert works.cloud.mutations == []


@pytest.mark.parametrize("mutation", [Mutation.PREPARE, Mutation.ATTACH, Mutation.MOVE])
async def test_a_stopped_machine_is_refused_before_anything_is_touched(
    works: Works, mutation: Mutation
) -> None:
    mutate = works.mutate(mutation, IP1)
    works.cloud.set_running("vm-n1", running=False)
    with pytest.raises(MachineUnfit, match="vm-n1 is not running"):
        await carry_out(works.provider, mutate)
    assert [call.op for call in works.cloud.faults.calls] == ["machine"]


async def test_no_machine_loses_another_reserved_address(works: Works) -> None:
    mutate = works.attach()
    works.cloud.add_address(IP2)
    works.cloud.assign(IP2, "vm-n1")
    with pytest.raises(MachineUnfit, match=IP2):
        await carry_out(works.provider, mutate)
    assert works.calls("attach") == 0


async def test_an_address_that_is_there_already_may_be_attached_again(works: Works) -> None:
    mutate = works.attach()
    works.cloud.assign(IP1, "vm-n1")
    await carry_out(works.provider, mutate)
    assert works.cloud.mutations == []


async def test_a_machine_elsewhere_is_refused_with_the_clouds_own_reason(works: Works) -> None:
    works.cloud.add_machine("vm-far", location="us-east-1")
    works.cloud.add_address(IP1, location="eu-west-1")
    with pytest.raises(MachineUnfit, match="eu-west-1"):
        await carry_out(works.provider, works.attach(node="far"))
    assert works.calls("attach") == 0


async def test_a_machine_gets_its_own_address_back_even_when_it_could_hold_none() -> None:
    works = Works(MemoryCloud(TWO_STEPS))
    mutate = works.mutate(Mutation.RESTORE, IP1)
    prepare = works.mutate(Mutation.PREPARE, IP1)
    assert not await carry_out(works.provider, prepare)
    assert works.cloud.machine("vm-n1").public_ip
    assert await carry_out(works.provider, replace(prepare, may_strip=True))
    assert works.cloud.machine("vm-n1").public_ip == ""
    works.cloud.set_running("vm-n1", running=False)
    await carry_out(works.provider, mutate)
    assert works.cloud.machine("vm-n1").public_ip


async def test_a_detach_needs_no_machine(works: Works) -> None:
    works.mutate(Mutation.DETACH, IP1)
    works.cloud.assign(IP1, "vm-n1")
    await carry_out(works.provider, works.mutate(Mutation.DETACH, IP1))
    assert [call.op for call in works.cloud.faults.calls] == ["detach"]
    assert works.cloud.holder(IP1) is None


async def test_a_move_is_fenced_by_the_cloud_state_it_rests_on(works: Works) -> None:
    works.attach()
    works.cloud.assign(IP1, "vm-n1")
    mutate = works.mutate(Mutation.MOVE, IP1, "n2")
    works.cloud.add_machine("vm-n3")
    works.cloud.assign(IP1, "vm-n3")
    with pytest.raises(Stale):
        await carry_out(works.provider, mutate)
    assert works.cloud.mutations == []


@pytest.mark.parametrize(
    ("cluster", "only_unmanaged", "moves"),
    [("other", True, False), ("", True, True), ("other", False, True)],
)
async def test_an_address_is_taken_from_a_strangers_machine_only_if_that_is_allowed(
    works: Works, cluster: str, *, only_unmanaged: bool, moves: bool
) -> None:
    works.cloud.add_machine("vm-stranger", cluster=cluster)
    works.cloud.add_address(IP1)
    works.cloud.assign(IP1, "vm-stranger")
    mutate = works.mutate(Mutation.MOVE, IP1, only_unmanaged=only_unmanaged)
    refusal = pytest.raises(Unsupported, match="cluster other")
    with nullcontext() if moves else refusal:
        await carry_out(works.provider, mutate)
    assert bool(works.cloud.mutations) is moves


async def test_a_throttled_scope_is_asked_more_slowly(works: Works) -> None:
    rate_limiter = RateLimiter()
    works.cloud.faults.inject(Fault(op="attach", error=Throttled("slow down", retry_after=0.2)))
    works.mutations.begin(works.provider, works.attach(), rate_limiter)
    await until(lambda: works.ended, "the refusal")
    assert rate_limiter.per_second < math.inf
    assert rate_limiter.reserve() > 0


async def test_a_restore_is_not_done_by_the_address_it_is_pending_for() -> None:
    """The attach came true though its answer was lost: the node has nothing of its own yet."""
    works = Works(MemoryCloud(TWO_STEPS))
    await works.ends(works.mutate(Mutation.PREPARE, IP1, may_strip=True))
    await works.ends(works.attach())
    result = await works.ends(works.mutate(Mutation.RESTORE, IP1))
    assert isinstance(result.error, Stale)


async def test_the_fence_is_asked_after_the_rate_limiter_held_a_mutation_back(works: Works) -> None:
    rate_limiter = RateLimiter(lambda: 100.0)
    rate_limiter.reserve()
    rate_limiter.throttled(retry_after=0.2)
    works.mutations.begin(works.provider, works.attach(), rate_limiter)
    for _ in range(20):
        await asyncio.sleep(0)
    assert set(works.mutations.in_flight) == {IP1}
    works.mutations.fence = lose
    await until(lambda: not works.mutations.in_flight, "the mutation to be left")
    assert works.cloud.faults.calls == ()
    assert (works.mutations.outcomes, works.ended) == ({}, [])


async def test_a_failed_restore_is_tried_again_later_and_its_node_is_not_avoided() -> None:
    works = Works(MemoryCloud(TWO_STEPS))
    works.cloud.faults.inject(Fault(op="compensate", error=MachineUnfit("stopped")))
    await works.ends(works.mutate(Mutation.PREPARE, IP1, may_strip=True))
    before = uptime()
    ended = await works.ends(works.mutate(Mutation.RESTORE, IP1))
    assert 22.5 <= ended.retry_in <= 37.5
    due = works.mutations.restore_after[IP1]["uid-n1"]
    assert before + ended.retry_in <= due <= uptime() + ended.retry_in
    assert works.mutations.avoidance.avoided == {}


async def test_a_restore_that_succeeds_takes_away_the_pause_of_its_own_node_only() -> None:
    works = Works(MemoryCloud(TWO_STEPS))
    due = uptime() + 60
    works.mutations.restore_after[IP1] = {"uid-n1": due, "uid-n2": due}
    await works.ends(works.mutate(Mutation.PREPARE, IP1, may_strip=True))
    assert (await works.ends(works.mutate(Mutation.RESTORE, IP1))).error is None
    assert works.mutations.restore_after == {IP1: {"uid-n2": due}}


@pytest.mark.parametrize(("leaves", "restored"), [(True, False), (False, True)])
async def test_harm_07_an_address_that_leaves_again_is_not_a_node_s_own(
    works: Works, *, leaves: bool, restored: bool
) -> None:
    """One of an allocation, put beside the one that was released; an operator's stays."""
    works.mutations.leaves = lambda ip: ip == IP2 and leaves
    restore = works.mutate(Mutation.RESTORE, IP1)
    works.mutate(Mutation.ATTACH, IP2)
    works.cloud.assign(IP2, "vm-n1")
    ended = await works.ends(restore)
    assert (ended.error is None) == restored
    assert leaves == isinstance(ended.error, Stale)
    assert "restore" not in [op for op, _ in works.cloud.mutations]


async def test_a_target_that_was_looked_at_before_is_read_no_second_time(works: Works) -> None:
    mutate = works.mutate(Mutation.ATTACH, IP1, may_strip=False)
    await works.mutations.look_at(works.provider, mutate)
    assert works.mutations.own_addresses() == {IP1: "uid-n1"}
    done = await works.ends(replace(mutate, may_strip=True))
    assert (done.error, works.calls("machine")) == (None, 1)
    assert works.mutations.own_addresses() == {}


async def test_what_was_seen_long_ago_says_nothing_of_a_target(works: Works) -> None:
    await works.mutations.look_at(works.provider, works.attach())
    works.mutations._found[IP1].read_at -= FOUND_SECONDS
    assert works.mutations.own_addresses() == {}


async def test_a_look_that_fails_is_left_to_the_mutation(works: Works) -> None:
    works.cloud.faults.inject(Fault(op="machine", error=CloudError("failed"), times=1))
    await works.mutations.look_at(works.provider, works.attach())
    assert works.mutations.own_addresses() == {}
    assert (await works.ends(works.attach())).error is None


async def test_a_look_takes_no_longer_than_a_pass_may_wait(
    works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mutations_module, "LOOK_SECONDS", 0.05)
    works.cloud.faults.inject(Fault(op="machine", delay_seconds=30.0, times=1))
    await works.mutations.look_at(works.provider, works.attach())
    assert works.mutations.own_addresses() == {}


@pytest.mark.parametrize(
    ("node", "seconds", "reads"),
    [("n1", 0.0, 1), ("n2", 0.0, 2), ("n1", FOUND_SECONDS, 2)],
    ids=["repeated at once", "another target", "later"],
)
async def test_a_target_is_read_once_for_what_had_to_be_written_down_before(
    works: Works, node: str, seconds: float, reads: int
) -> None:
    first = await works.ends(works.mutate(Mutation.ATTACH, IP1, may_strip=False))
    assert first.must_record_first
    works.mutations._found[IP1].read_at -= seconds
    done = await works.ends(works.mutate(Mutation.ATTACH, IP1, node))
    assert (done.error, done.must_record_first) == (None, False)
    assert works.calls("machine") == reads
    # What was found counts for the next mutation only.
    await works.ends(works.mutate(Mutation.DETACH, IP1))
    await works.ends(works.mutate(Mutation.ATTACH, IP1, node))
    assert works.calls("machine") == reads + 1


async def test_what_was_found_counts_for_the_first_of_two_steps_only() -> None:
    works = Works(MemoryCloud(Capabilities(moves_in_one_call=False, clears_target_first=False)))
    await works.ends(works.attach())
    works.mutations.begin(works.provider, works.mutate(Mutation.MOVE, IP1, "n2", may_strip=False))
    await until(lambda: len(works.ended) == 2, "the target to be found")
    assert works.ended[-1][1].must_record_first
    before = works.calls("machine")
    works.mutations.begin(works.provider, works.mutate(Mutation.MOVE, IP1, "n2"))
    await until(lambda: len(works.ended) == 3, "the move")
    assert works.ended[-1][1].error is None
    assert works.calls("machine") == before + 1


async def test_a_target_that_was_found_unfit_a_moment_ago_is_still_refused(works: Works) -> None:
    """Another cluster's: all that is asked of a target is asked of what was read before, too."""
    await works.ends(works.mutate(Mutation.ATTACH, IP1, may_strip=False))
    works.mutations.cluster = "ours"
    refused = await works.ends(works.mutate(Mutation.ATTACH, IP1))
    assert isinstance(refused.error, MachineUnfit)
