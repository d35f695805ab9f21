"""Keys are handled once at a time, in time, and never lost. Time is simulated."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable

import pytest
from virtual_time import simulate

from moorage_kube.client import backoff
from moorage_kube.reconcile.queue import Handler, WorkQueue

Call = tuple[str, float]


@pytest.fixture
def without_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are as long as they may be."""
    monkeypatch.setattr(backoff, "_JITTER", (1.0, 1.0))


class Worker:
    """A handler that records its keys and when they came, and takes its time."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.calls: list[Call] = []
        self.answers: dict[str, list[float | Exception | None]] = defaultdict(list)
        self.running: list[str] = []
        self.most_at_once = 0

    async def __call__(self, key: str) -> float | None:
        assert key not in self.running
        self.running.append(key)
        self.most_at_once = max(self.most_at_once, len(self.running))
        self.calls.append((key, round(asyncio.get_running_loop().time(), 3)))
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running.remove(key)
        answer = self.answers[key].pop(0) if self.answers[key] else None
        if isinstance(answer, Exception):
            raise answer
        return answer


async def work(
    queue: WorkQueue,
    handler: Handler,
    seconds: float = 10_000.0,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Let the workers run for so many simulated seconds."""
    running = asyncio.create_task(queue.run(handler, workers=2))
    if meanwhile is not None:
        await meanwhile()
    await asyncio.sleep(seconds)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_keys_are_handled_once_each_in_the_order_they_came() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()
        for key in ("a", "b", "a", "c", "b"):
            queue.add(key)
        assert queue.depth == 3
        await work(queue, worker)
        assert worker.calls == [("a", 0.0), ("b", 0.0), ("c", 0.0)]
        assert queue.depth == 0

    simulate(story)


def test_so_many_keys_as_workers_are_handled_at_the_same_time() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=1.0)
        for key in "abcd":
            queue.add(key)
        await work(queue, worker)
        assert worker.most_at_once == 2
        assert [at for _, at in worker.calls] == [0.0, 0.0, 1.0, 1.0]

    simulate(story)


def test_a_queue_can_have_fewer_workers_than_the_process_gives_it() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(most_workers=1), Worker(seconds=1.0)
        for key in "abcd":
            queue.add(key)
        await work(queue, worker)
        assert worker.most_at_once == 1
        assert [at for _, at in worker.calls] == [0.0, 1.0, 2.0, 3.0]

    simulate(story)


def test_a_key_added_while_it_is_handled_is_handled_once_more_afterwards() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=5.0)

        async def meanwhile() -> None:
            queue.add("a")
            await asyncio.sleep(1.0)
            queue.add("a")
            queue.add("a")
            assert queue.depth == 1

        await work(queue, worker, meanwhile=meanwhile)
        assert worker.calls == [("a", 0.0), ("a", 5.0)]

    simulate(story)


def test_of_several_wishes_for_later_the_earliest_counts() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()
        queue.add_after("late", 5.0)
        queue.add_after("late", 60.0)
        queue.add_after("early", 60.0)
        queue.add_after("early", 7.0)
        assert queue.depth == 0
        await work(queue, worker)
        assert worker.calls == [("late", 5.0), ("early", 7.0)]

    simulate(story)


def test_a_run_now_replaces_one_planned_for_later() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()
        queue.add_after("a", 60.0)
        queue.add("a")
        queue.add_after("a", 30.0)
        await work(queue, worker)
        assert worker.calls == [("a", 0.0)]

    simulate(story)


def test_the_handler_says_when_it_wants_to_run_again() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()
        worker.answers["a"] = [30.0, 0.0, None]
        queue.add("a")
        await work(queue, worker)
        assert worker.calls == [("a", 0.0), ("a", 30.0), ("a", 30.0)]

    simulate(story)


def test_a_run_that_comes_due_during_another_follows_it() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=5.0)

        async def meanwhile() -> None:
            queue.add("a")
            await asyncio.sleep(1.0)
            queue.add_after("a", 1.0)

        await work(queue, worker, meanwhile=meanwhile)
        assert worker.calls == [("a", 0.0), ("a", 5.0)]

    simulate(story)


@pytest.mark.usefixtures("without_chance")
def test_a_bug_is_reported_and_tried_again_ever_more_slowly(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bug = RuntimeError("it broke")

    async def story() -> None:
        reported: list[tuple[str, Exception]] = []
        queue, worker = WorkQueue(lambda key, error: reported.append((key, error))), Worker()
        worker.answers["a"] = [bug] * 11
        queue.add("a")
        queue.add("b")
        await work(queue, worker)
        calls = [at for key, at in worker.calls if key == "a"]
        pauses = [after - before for before, after in itertools.pairwise(calls)]
        assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        assert ("b", 0.0) in worker.calls
        assert reported == [("a", bug)] * 11

    simulate(story)
    record = caplog.records[0]
    assert record.levelno == logging.ERROR
    assert record.getMessage() == "a failed, next try in 1.0 s"
    assert record.exc_info is not None
    assert record.exc_info[1] is bug


@pytest.mark.usefixtures("without_chance")
def test_one_good_run_makes_the_next_bug_the_first_again() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()
        worker.answers["a"] = [OSError(), OSError(), 10.0, OSError(), None]
        queue.add("a")
        await work(queue, worker)
        assert [at for _, at in worker.calls] == [0.0, 1.0, 3.0, 13.0, 14.0]

    simulate(story)


def test_a_standby_collects_keys_and_handles_them_once_it_leads() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()
        queue.pause()

        async def meanwhile() -> None:
            queue.add("now")
            queue.add_after("later", 5.0)
            await asyncio.sleep(100.0)
            assert (worker.calls, queue.depth) == ([], 2)
            queue.resume()

        await work(queue, worker, meanwhile=meanwhile)
        assert worker.calls == [("now", 100.0), ("later", 100.0)]

    simulate(story)


async def collected(queue: WorkQueue, keys: str) -> None:
    """A process that has listed its objects, and leads now."""
    queue.pause()
    queue.add(*keys)
    queue.resume()


def test_what_changes_goes_before_what_was_there_at_the_start() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=1.0)

        async def meanwhile() -> None:
            await collected(queue, "abcdef")
            await asyncio.sleep(0.5)
            queue.add("new", "e")

        await work(queue, worker, meanwhile=meanwhile)
        assert [key for key, _ in worker.calls] == ["a", "b", "new", "e", "c", "d", "f"]

    simulate(story)


def test_what_was_there_at_the_start_is_not_forgotten_for_that() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=1.0)

        async def meanwhile() -> None:
            await collected(queue, "ab")
            queue.add(*"0123456789")
            assert queue.depth == 12

        await work(queue, worker, meanwhile=meanwhile)
        assert "".join(key for key, _ in worker.calls) == "0123a4567b89"

    simulate(story)


def test_a_key_that_waits_since_the_start_is_not_put_off() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()

        async def meanwhile() -> None:
            await collected(queue, "a")
            queue.add_after("a", 5.0)

        await work(queue, worker, meanwhile=meanwhile)
        assert worker.calls == [("a", 0.0)]

    simulate(story)


def test_a_pause_holds_back_what_was_added_just_before_it() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()

        async def meanwhile() -> None:
            await asyncio.sleep(1.0)
            queue.add("a")
            queue.pause()

        await work(queue, worker, meanwhile=meanwhile)
        assert (worker.calls, queue.depth) == ([], 1)

    simulate(story)


def test_draining_waits_for_the_handlers_that_run_and_starts_no_other() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=3.0)

        async def meanwhile() -> None:
            for key in "abc":
                queue.add(key)
            await asyncio.sleep(1.0)
            queue.pause()
            assert await queue.drain(60.0)
            assert asyncio.get_running_loop().time() == pytest.approx(3.0)

        await work(queue, worker, meanwhile=meanwhile)
        assert worker.calls == [("a", 0.0), ("b", 0.0)]

    simulate(story)


@pytest.mark.parametrize(
    ("seconds_of", "drained_at"),
    [({"a": 2.0, "b": 9.0}, 9.0), ({"a": 9.0, "b": 2.0}, 9.0), ({"a": 4.0}, 4.0)],
)
def test_draining_waits_for_the_longest_handler(
    seconds_of: dict[str, float], drained_at: float
) -> None:
    async def story() -> None:
        queue = WorkQueue()
        ended: list[str] = []

        async def handler(key: str) -> None:
            await asyncio.sleep(seconds_of[key])
            ended.append(key)

        async def meanwhile() -> None:
            for key in seconds_of:
                queue.add(key)
            await asyncio.sleep(1.0)
            queue.pause()
            assert await queue.drain(60.0)
            assert asyncio.get_running_loop().time() == pytest.approx(drained_at)
            assert sorted(ended) == sorted(seconds_of)

        await work(queue, handler, meanwhile=meanwhile)

    simulate(story)


def test_draining_a_second_time_waits_for_what_was_begun_since() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=3.0)

        async def meanwhile() -> None:
            queue.add("a")
            await asyncio.sleep(5.0)
            assert await queue.drain(0.0)
            queue.add("b")
            await asyncio.sleep(1.0)
            queue.pause()
            assert not await queue.drain(1.0)
            assert await queue.drain(10.0)
            assert asyncio.get_running_loop().time() == pytest.approx(8.0)

        await work(queue, worker, meanwhile=meanwhile)

    simulate(story)


def test_draining_gives_up_in_time_and_says_what_is_still_at_work(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=60.0)

        async def meanwhile() -> None:
            queue.add("a")
            await asyncio.sleep(1.0)
            queue.pause()
            assert not await queue.drain(5.0)
            assert asyncio.get_running_loop().time() == pytest.approx(6.0)

        await work(queue, worker, meanwhile=meanwhile)

    simulate(story)
    assert caplog.messages == ["still at work: a"]


def test_draining_waits_for_the_longest_of_several_handlers() -> None:
    async def story() -> None:
        queue = WorkQueue()
        ended: list[str] = []

        async def handler(key: str) -> None:
            await asyncio.sleep({"short": 1.0, "long": 5.0, "middle": 3.0}[key])
            ended.append(key)

        async def meanwhile() -> None:
            for key in ("long", "short", "middle"):
                queue.add(key)
            await asyncio.sleep(0.5)
            queue.pause()
            assert await queue.drain(60.0)
            assert asyncio.get_running_loop().time() == pytest.approx(5.0)
            assert ended == ["short", "middle", "long"]

        async with asyncio.TaskGroup() as group:
            running = group.create_task(queue.run(handler, workers=3))
            await meanwhile()
            running.cancel()

    simulate(story)


def test_draining_waits_for_a_lone_handler() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker(seconds=3.0)

        async def meanwhile() -> None:
            queue.add("a")
            await asyncio.sleep(1.0)
            queue.pause()
            assert await queue.drain(60.0)
            assert asyncio.get_running_loop().time() == pytest.approx(3.0)
            assert worker.running == []

        await work(queue, worker, meanwhile=meanwhile)
        assert worker.calls == [("a", 0.0)]

    simulate(story)


def test_with_nothing_in_hand_draining_is_immediate() -> None:
    async def story() -> None:
        assert await WorkQueue().drain(0.0)

    simulate(story)


def test_several_keys_are_added_at_once() -> None:
    async def story() -> None:
        queue, worker = WorkQueue(), Worker()
        queue.add("a", "b", "a")
        await work(queue, worker)
        assert worker.calls == [("a", 0.0), ("b", 0.0)]

    simulate(story)


async def test_sec_03_handlers_that_never_wait_leave_others_their_turn() -> None:
    queue, handled = WorkQueue(), 0
    most, before = 0, 0

    async def at_once(_: str) -> None:
        nonlocal handled
        handled += 1

    async def beside() -> None:
        nonlocal most, before
        while handled < 10_000:
            most, before = max(most, handled - before), handled
            await asyncio.sleep(0)

    queue.add(*(f"a{number}" for number in range(10_000)))
    working = asyncio.create_task(queue.run(at_once, workers=2))
    await beside()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert most <= 2  # one for each worker
