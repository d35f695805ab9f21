"""What is loaded at the start is not looked through again, and cycles are still freed."""

from __future__ import annotations

import gc
import subprocess
import sys

from moorage_kube.manager.garbage import YOUNG_OBJECTS

PROGRAM = """
import gc, weakref
from moorage_kube.manager.garbage import settle

class Node:
    pass

settle()
made = Node()
made.itself, gone = made, weakref.ref(made)
del made
alive = gone() is not None
junk = [[] for _ in range(100_000)]
print(gc.get_freeze_count() > 1000, gc.get_threshold()[0], alive, gone() is None)
"""


def test_modules_are_frozen_and_cycles_still_end() -> None:
    # In a process of its own: it is for good.
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["True", str(YOUNG_OBJECTS), "True", "True"]
    assert gc.get_threshold()[0] != YOUNG_OBJECTS
