"""Without an election every process may write, from its start to its end."""

from __future__ import annotations

import asyncio

import pytest

from moorage_kube.election.none import NoElection
from moorage_kube.election.strategy import Election


async def never() -> None:
    raise AssertionError("leadership is never lost")


async def test_it_starts_once_and_runs_until_cancelled() -> None:
    started: list[str] = []

    async def on_started() -> None:
        started.append("started")

    election: Election = NoElection()
    task = asyncio.create_task(election.run(on_started, never))
    done, _ = await asyncio.wait([task], timeout=0.05)
    assert (done, started) == (set(), ["started"])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_goes_wrong_at_the_start_ends_the_run() -> None:
    async def break_down() -> None:
        raise ValueError("no list")

    with pytest.raises(ValueError, match="no list"):
        await NoElection().run(break_down, never)


async def test_every_write_is_allowed_before_and_after_the_release() -> None:
    election: Election = NoElection()
    for _ in range(2):
        election.fence()
        assert (election.is_leader, election.stalled, election.missing()) == (True, False, None)
        await election.release()
