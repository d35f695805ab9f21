"""A controller that kills itself after so many changes, and how to see whether it did."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

CRASHING = Path(__file__).parent / "crashing_core.py"
# The last change may be visible before the process ends: Events are written behind the status.
LAST_WORDS_SECONDS = 10.0


def dies(crashing: Child, over: Callable[[], bool]) -> bool:
    """Wait until the process ended by its own hand, or all is over and it did not."""
    wait_for(lambda: not crashing.alive or over(), PATIENCE, "a crash, or the end")
    try:
        wait_for(lambda: not crashing.alive, LAST_WORDS_SECONDS, "it to die")
    except WaitTimeoutError:
        return False
    assert crashing.returncode == -signal.SIGKILL, crashing.log_tail()
    return True
