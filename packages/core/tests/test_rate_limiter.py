"""A scope is changed as fast as the cloud lets it be, and slower right after a refusal."""

from __future__ import annotations

import asyncio
import math

import pytest

from moorage_core.model import Mutation
from moorage_core.rate_limiter import LOOK_BACK_SECONDS, SLOWEST_PER_SECOND, RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rate_limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(clock)


def test_nothing_is_held_back_before_the_first_refusal(rate_limiter: RateLimiter) -> None:
    assert [rate_limiter.reserve() for _ in range(1000)] == [0.0] * 1000


def test_a_refusal_halves_what_was_sent_lately_and_pauses(
    rate_limiter: RateLimiter, clock: Clock
) -> None:
    for _ in range(50):
        rate_limiter.reserve()
    rate_limiter.throttled(retry_after=3.0)
    assert rate_limiter.per_second == 50 / LOOK_BACK_SECONDS / 2
    assert rate_limiter.reserve() == 3.0
    assert rate_limiter.reserve() == pytest.approx(3.2)
    clock.now += 3.0
    assert rate_limiter.reserve() == pytest.approx(0.4)


def test_who_comes_late_for_a_turn_does_not_hold_up_the_others(
    rate_limiter: RateLimiter, clock: Clock
) -> None:
    for _ in range(50):
        rate_limiter.reserve()
    rate_limiter.throttled(retry_after=1.0)
    clock.now += rate_limiter.reserve()
    # Three turns of 0.2 s went by while the process was busy, and are still there.
    clock.now += 0.6
    assert [pytest.approx(rate_limiter.reserve()) for _ in range(4)] == [0.0, 0.0, 0.0, 0.2]
    # What nobody wanted for long is not saved up.
    clock.now += 60.0
    assert [rate_limiter.reserve() for _ in range(6)] == [0.0] * 6
    assert rate_limiter.reserve() == pytest.approx(0.2)


def test_one_burst_of_refusals_is_one_refusal(rate_limiter: RateLimiter) -> None:
    for _ in range(50):
        rate_limiter.reserve()
    for _ in range(20):
        rate_limiter.throttled(None)
    assert rate_limiter.per_second == 5.0


def test_it_never_comes_to_a_stop(rate_limiter: RateLimiter, clock: Clock) -> None:
    for _ in range(20):
        rate_limiter.throttled(None)
        clock.now += 2.0
    assert rate_limiter.per_second == SLOWEST_PER_SECOND


def test_it_grows_with_time_and_ends_unlimited(rate_limiter: RateLimiter, clock: Clock) -> None:
    rate_limiter.throttled(None)
    for _ in range(10):
        rate_limiter.accepted()
    assert rate_limiter.per_second == SLOWEST_PER_SECOND
    for _ in range(200):
        clock.now += 1.0
        rate_limiter.accepted()
    assert rate_limiter.per_second == math.inf


def test_two_hundred_and_fifty_changes_at_five_a_second_take_less_than_a_minute(
    rate_limiter: RateLimiter, clock: Clock
) -> None:
    """T7's share: a bucket of 50 that is refilled with 5 a second, as EC2's."""
    bucket, filled_at, done, began = 50.0, clock.now, 0, clock.now
    while done < 250:
        clock.now += rate_limiter.reserve()
        bucket = min(50.0, bucket + (clock.now - filled_at) * 5.0)
        filled_at = clock.now
        if bucket >= 1.0:
            bucket -= 1.0
            done += 1
            rate_limiter.accepted()
        else:
            rate_limiter.throttled(None)
    assert clock.now - began < 70.0


async def test_of_those_that_wait_what_ends_a_move_is_sent_first() -> None:
    rate_limiter, sent = RateLimiter(), []

    async def send(mutation: Mutation) -> None:
        await rate_limiter.wait(mutation)
        sent.append(mutation)

    for _ in range(1000):
        rate_limiter.reserve()
    rate_limiter.throttled(retry_after=0.05)
    async with asyncio.TaskGroup() as group:
        for mutation in (Mutation.PREPARE, Mutation.RESTORE, Mutation.DETACH, Mutation.ATTACH):
            group.create_task(send(mutation))
    # The first of them was told its moment before the others came.
    assert sent == [Mutation.PREPARE, Mutation.ATTACH, Mutation.DETACH, Mutation.RESTORE]
