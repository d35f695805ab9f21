"""A process that should have ended ends, whatever hangs, and says what it waited for."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator

from kopf._cogs.aiokits.aiotoggles import ToggleSet
from kopf._cogs.clients.watching import streaming_block
from kopf._cogs.structs.references import Resource

from moorage_kube.manager.shutdown import end_forgotten_watches

HANGS = """
import asyncio
from moorage_kube.manager.shutdown import leave_within

async def stuck():
    await asyncio.Event().wait()

async def main():
    leave_within(0.1, lambda: 7)
    await asyncio.create_task(stuck(), name="the stuck one")

asyncio.run(main())
"""
ENDS = HANGS.replace("await asyncio.create_task(stuck()", "asyncio.create_task(stuck()")


def run(program: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False
    )


def test_what_hangs_is_named_and_left() -> None:
    ended = run(HANGS)
    assert ended.returncode == 7
    assert "not ended after 0.1 s" in ended.stderr
    assert "the stuck one" in ended.stderr


def test_a_process_that_ends_in_time_is_left_alone() -> None:
    ended = run(ENDS)
    assert (ended.returncode, ended.stderr) == (0, "")


async def test_what_kopf_leaves_of_a_cancelled_watch_is_ended() -> None:
    """As kopf does it: the watch is a generator, and its reader is cancelled between two events."""

    async def watch() -> AsyncIterator[int]:
        nodes = Resource("", "v1", "nodes")
        async with streaming_block(resource=nodes, namespace=None, operator_paused=ToggleSet(any)):
            yield 1

    watching = watch()

    async def read() -> None:
        async for _ in watching:
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    (forgotten,) = asyncio.all_tasks() - before
    end_forgotten_watches()
    await asyncio.wait([forgotten], timeout=5)
    assert forgotten.cancelled()
