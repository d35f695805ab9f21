"""A process that should have ended ends, whatever hangs, and says what it waited for."""

import subprocess
import sys

HANGS = """
import asyncio
from moorage_kube.ending import leave_within

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
