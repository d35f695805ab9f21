"""Virtual time: waiting costs nothing, order stays, and what can never come is found."""

from __future__ import annotations

import asyncio
import time

import pytest

from moorage_testing.virtual_time import START, Deadlock, Restless, run, set_wall_clock

DAY = 86_400.0


def test_a_day_passes_in_which_timers_fire_in_their_order() -> None:
    ran: list[tuple[str, float]] = []

    async def wait(name: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(seconds)
        ran.append((name, loop.time()))

    async def day() -> None:
        await asyncio.gather(wait("night", DAY), wait("noon", DAY / 2), wait("dawn", 1.0))

    run(day())
    assert ran == [("dawn", 1.0), ("noon", DAY / 2), ("night", DAY)]


def test_a_deadline_passes_too() -> None:
    async def late() -> None:
        async with asyncio.timeout(DAY):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run(late())


def test_every_clock_shows_virtual_time_and_only_inside() -> None:
    async def clocks() -> list[float]:
        await asyncio.sleep(DAY)
        return [time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)]

    before = time.monotonic()
    assert run(clocks()) == [START + DAY] * 3
    assert time.monotonic() - before < DAY


def test_the_wall_clock_can_be_set_and_no_other() -> None:
    async def clocks() -> list[float]:
        set_wall_clock(-DAY)
        await asyncio.sleep(1.0)
        return [time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME)]

    assert run(clocks()) == [START + 1.0 - DAY, START + 1.0, START + 1.0]
    with pytest.raises(TypeError, match="no virtual time"):
        asyncio.run(_set_by_a_day())


async def _set_by_a_day() -> None:
    set_wall_clock(DAY)


def test_what_can_never_come_is_an_error_that_names_who_waits() -> None:
    async def endless() -> None:
        waiting = asyncio.create_task(asyncio.Event().wait(), name="the event that never comes")
        await waiting

    with pytest.raises(Deadlock, match=r"the event that never comes: .* at .*locks\.py:\d+"):
        run(endless())


def test_a_loop_that_never_waits_is_an_error_that_names_it() -> None:
    async def spin() -> None:
        while True:  # noqa: ASYNC110 - what is to be found
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.create_task(spin(), name="the restless one")

    with pytest.raises(Restless, match="the restless one"):
        run(main())


def test_work_in_a_thread_is_waited_for_and_takes_no_virtual_time() -> None:
    done: list[str] = []

    async def work() -> float:
        loop = asyncio.get_running_loop()
        timer = asyncio.create_task(asyncio.sleep(DAY))
        await asyncio.to_thread(done.append, "work")
        at = loop.time()
        await timer
        return at

    assert run(work()) == 0.0
    assert done == ["work"]


def test_what_a_coroutine_returns_or_raises_comes_out() -> None:
    async def good() -> int:
        return 7

    async def bad() -> None:
        raise KeyError("lost")

    assert run(good()) == 7
    with pytest.raises(KeyError):
        run(bad())
