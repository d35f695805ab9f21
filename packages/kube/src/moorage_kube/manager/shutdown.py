"""The end of the process, which no hanging call may delay."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

logger = logging.getLogger(__name__)


def leave(code: int) -> NoReturn:
    """End the process at once; for a command's ``main``, after the manager ran.

    All that matters is closed by then. A call to a cloud that hangs in a thread of its own would
    hold the exit up for as long as its deadline, and with it the successor's pod.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def leave_within(seconds: float, exit_code: Callable[[], int]) -> None:
    """End the process so many seconds from now, unless it ended by itself; say what hung.

    kopf waits five seconds for each kind of task that it believes to hang, or for ever.
    """

    def overdue() -> None:
        hanging = sorted(f"{task.get_name()} ({task.get_coro()})" for task in asyncio.all_tasks())
        logger.critical("not ended after %g s, waiting for: %s", seconds, "; ".join(hanging))
        leave(exit_code())

    asyncio.get_running_loop().call_later(seconds, overdue)


def end_forgotten_watches() -> None:
    """End what kopf leaves of a watch; to be called once all its watches are over.

    One that is cancelled while it hands an event over never ends the task that waits for a pause
    on its behalf. Kopf believes that task to hang, and waits five seconds for it.
    """
    for task in asyncio.all_tasks():
        if task.get_name().startswith("pause-waiter for "):
            task.cancel()
