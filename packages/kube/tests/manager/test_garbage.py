"""What is loaded at the start is not looked through again, and cycles are still freed."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from moorage_kube.manager.garbage import YOUNG_OBJECTS

SETTLED = """
import gc, weakref
from moorage_kube.manager.garbage import settle

class Node:
    pass

settle()
made = Node()
made.itself, gone = made, weakref.ref(made)
"""

PROGRAM = f"""{SETTLED}
del made
alive = gone() is not None
junk = [[] for _ in range(100_000)]
print(gc.get_freeze_count() > 1000, gc.get_threshold()[0], alive, gone() is None)
"""

GROWING = f"""{SETTLED}
import asyncio, sys
from moorage_kube.manager.garbage import GROWN_BYTES, give_back

gc.collect(0)
gc.collect(1)
del made
gc.collect(1)
assert gone() is not None, "it is among the old ones"

async def main():
    kept = ["to be fast"]
    looking = asyncio.create_task(give_back(kept.clear, 0.01))
    await asyncio.sleep(0.1)
    grown = bytearray(b"x") * (int(sys.argv[1]) * GROWN_BYTES)
    for _ in range(600 if grown else 6):
        await asyncio.sleep(0.05)
        if gone() is None and not kept:
            break
    print(gone() is None, not kept, looking.done())

asyncio.run(main())
"""


@pytest.mark.parametrize(("times", "freed"), [(0, False), (4, True)])
def test_sec_03_what_died_old_is_freed_once_the_process_has_grown(
    times: int, *, freed: bool
) -> None:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", GROWING, str(times)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(freed), str(freed), "False"]


def test_modules_are_frozen_and_cycles_still_end() -> None:
    # In a process of its own: it is for good.
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", str(YOUNG_OBJECTS), "True", "True"]
    assert gc.get_threshold()[0] != YOUNG_OBJECTS
