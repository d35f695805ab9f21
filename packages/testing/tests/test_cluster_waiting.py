"""Waiting ends with the first true value or, after the deadline, with an error that shows the
last."""

from itertools import count

import pytest

from moorage_testing.waiting import WaitTimeoutError, wait_for, wait_for_async


def test_the_first_true_value_is_returned() -> None:
    numbers = count()
    assert wait_for(lambda: next(numbers) >= 3, 5, "three", interval_seconds=0) is True
    assert next(numbers) == 4


def test_a_missed_deadline_names_the_condition_and_the_last_value() -> None:
    with pytest.raises(WaitTimeoutError, match=r"waited 0 s for rain; last seen: \[\]"):
        wait_for(list, 0, "rain")


def test_the_predicate_is_called_once_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 99.0])
    answers = iter([False, True])
    monkeypatch.setattr("moorage_testing.waiting.time.monotonic", lambda: next(clock))
    assert wait_for(lambda: next(answers), 5, "the last chance", interval_seconds=0)


async def test_asynchronous_predicates_are_awaited() -> None:
    numbers = count()

    async def third() -> int | None:
        number = next(numbers)
        return number if number == 2 else None

    assert await wait_for_async(third, 5, "two", interval_seconds=0) == 2


async def test_asynchronous_waiting_ends_too() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(WaitTimeoutError, match="the end of time"):
        await wait_for_async(never, 0, "the end of time")
