"""A scope is changed as fast as the cloud lets it be, and slower right after a refusal."""

from __future__ import annotations

import asyncio
import math

import pytest

from moorage_core.model import Mutation
from moorage_core.rate_limiter import (
    FASTEST_PER_SECOND,
    LOOK_BACK_SECONDS,
    SLOWEST_PER_SECOND,
    RateLimiter,
)
from moorage_provider.protocol import Pace


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
    # The first of them got its turn before the others came.
    assert sent == [Mutation.PREPARE, Mutation.ATTACH, Mutation.DETACH, Mutation.RESTORE]


def test_after_a_refusal_no_turn_comes_before_the_cloud_allows_one(
    rate_limiter: RateLimiter, clock: Clock
) -> None:
    for _ in range(100):
        rate_limiter.reserve()
    rate_limiter.throttled(retry_after=3.0)
    clock.now += 0.5
    # A shorter pause asked for by a refusal of the same moment does not bring the next turn nearer.
    rate_limiter.throttled(retry_after=0.1)
    assert rate_limiter.reserve() == 2.5
    clock.now += 0.4
    rate_limiter.throttled(retry_after=10.0)
    assert rate_limiter.per_second == 10.0
    assert rate_limiter.reserve() == 10.0


def test_without_a_word_of_the_cloud_the_pause_is_a_second(rate_limiter: RateLimiter) -> None:
    rate_limiter.reserve()
    rate_limiter.throttled(None)
    assert rate_limiter.reserve() == 1.0


def test_only_what_was_sent_lately_and_not_what_waits_says_how_fast_was_too_fast(
    rate_limiter: RateLimiter, clock: Clock
) -> None:
    for _ in range(50):
        rate_limiter.reserve()
    clock.now += LOOK_BACK_SECONDS + 0.1
    for _ in range(20):
        rate_limiter.reserve()
    rate_limiter.throttled(None)
    assert rate_limiter.per_second == 20 / LOOK_BACK_SECONDS / 2
    for _ in range(28):
        clock.now += 1.0
        rate_limiter.accepted()
    assert rate_limiter.per_second == 30.0
    clock.now += 60.0
    held_back = [seconds for _ in range(90) if (seconds := rate_limiter.reserve()) > 0]
    rate_limiter.throttled(None)
    sent = 90 - len(held_back)
    assert sent < 40
    assert rate_limiter.per_second == sent / LOOK_BACK_SECONDS / 2


def test_it_grows_by_one_a_second_and_a_refusal_restarts_the_second(
    rate_limiter: RateLimiter, clock: Clock
) -> None:
    for _ in range(100):
        rate_limiter.reserve()
    rate_limiter.throttled(None)
    clock.now += 0.9
    rate_limiter.accepted()
    assert rate_limiter.per_second == 10.0
    clock.now += 0.1
    rate_limiter.accepted()
    rate_limiter.accepted()
    assert rate_limiter.per_second == 11.0
    clock.now += 1.0
    rate_limiter.accepted()
    assert rate_limiter.per_second == 12.0


def test_just_below_the_fastest_rate_it_is_still_held_back(
    rate_limiter: RateLimiter, clock: Clock
) -> None:
    for _ in range(1000):
        rate_limiter.reserve()
    rate_limiter.throttled(None)
    assert rate_limiter.per_second == FASTEST_PER_SECOND
    clock.now += 1.0
    rate_limiter.accepted()
    assert rate_limiter.per_second == math.inf


def test_no_more_is_sent_than_the_cloud_documents(clock: Clock) -> None:
    paced = RateLimiter(clock, Pace(most=3, seconds=60.0))
    assert [paced.reserve() for _ in range(4)] == [0.0, 0.0, 0.0, 60.0]
    clock.now += 70.0
    # Of the last minute only the fourth is left, which was sent ten seconds ago.
    assert [paced.reserve() for _ in range(3)] == [0.0, 0.0, 50.0]


def test_a_refusal_slows_down_within_the_documented_pace(clock: Clock) -> None:
    paced = RateLimiter(clock, Pace(most=3, seconds=60.0))
    paced.reserve()
    paced.throttled(retry_after=5.0)
    assert paced.reserve() == 5.0
    assert [paced.reserve() > 5.0 for _ in range(2)] == [True, True]
    assert paced.reserve() >= 60.0
