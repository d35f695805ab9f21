"""Growth is reported, variation is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .growth import Pooled, over_generations, over_time
from .samples import Sample

POOLED = Pooled(threads=15, connections=4)
FLAT = Sample(0.0, leads=True, rss_mib=100.0, fds=16, threads=7, tasks=45)


def over(seconds: int, **growth: float) -> list[Sample]:
    """One sample per second, with a figure that grows evenly by this much."""

    def at(second: int) -> Sample:
        grown = {
            name: getattr(FLAT, name) + type(getattr(FLAT, name))(more * second / seconds)
            for name, more in growth.items()
        }
        # Work in progress varies.
        busy = second % 3
        sample = replace(FLAT, at=float(second), **grown)
        return replace(sample, fds=sample.fds + busy, tasks=sample.tasks + 2 * busy)

    return [at(second) for second in range(seconds)]


def test_a_process_with_varying_work_does_not_grow() -> None:
    growth = over_time(over(400), 0.0, 400.0, "it")
    assert growth.grown(POOLED) == []
    assert growth.rss_share == 0


@pytest.mark.parametrize(
    ("leak", "complaint"),
    [({"fds": 40}, "descriptors"), ({"threads": 40}, "threads"), ({"tasks": 40}, "tasks")],
)
def test_a_leak_is_reported(leak: dict[str, float], complaint: str) -> None:
    assert over_time(over(400, **leak), 0.0, 400.0, "it").grown(POOLED) == [complaint]


def test_threads_that_fill_a_pool_are_no_leak() -> None:
    assert over_time(over(400, threads=8), 0.0, 400.0, "it").grown(POOLED) == []


def test_connections_that_a_pool_keeps_are_no_leak() -> None:
    assert over_time(over(400, fds=4, tasks=4), 0.0, 400.0, "it").grown(POOLED) == []


def test_memory_is_compared_after_warming_up() -> None:
    growth = over_time(over(400, rss_mib=40), 0.0, 400.0, "it")
    # From 3/8 to 7/8 of the time it grows by half of the 40.
    assert 0.15 < growth.rss_share < 0.19
    warm = [replace(one, rss_mib=50.0) if one.at < 100 else one for one in over(400)]
    assert over_time(warm, 0.0, 400.0, "it").rss_share == 0


def test_generations_are_compared_without_the_first_and_by_their_last_seconds() -> None:
    first = [replace(one, rss_mib=10.0) for one in over(60)]
    standby = [replace(one, leads=False, tasks=10) for one in over(60)]
    alike = [*standby, *(replace(one, at=one.at + 60) for one in over(60))]
    heavy = [replace(one, rss_mib=one.rss_mib + 15, tasks=one.tasks + 12) for one in alike]
    growth = over_generations([first, alike, heavy, heavy], "leaders")
    assert growth.rss_share == pytest.approx(0.15)
    assert growth.grown(POOLED) == ["tasks"]
    assert over_generations([first, alike, alike, alike], "leaders").grown(POOLED) == []
