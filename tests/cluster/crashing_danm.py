"""moorage-danm, which kills itself after the n-th change, or waits before it marks addresses."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from moorage_danm.__main__ import main
from moorage_kube.client.client import Client

CHANGES = itertools.count(1)
COUNTED = ("danmeps", "danmnets")
WAIT_SECONDS = 3.0


def say(what: str) -> None:
    """One line for the test to read."""
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


def dying(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The call, before which it may wait, and after which the process may die on the spot."""

    async def wrapper(*arguments: Any, **options: Any) -> Any:  # any call
        plural = arguments[1].plural
        if plural == "danmnets" and "WAIT" in os.environ:
            say("about to mark addresses")
            await asyncio.sleep(WAIT_SECONDS)
        result = await call(*arguments, **options)
        if plural in COUNTED:
            number = next(CHANGES)
            say(f"change {number}: {call.__name__} {plural}")
            if number == int(os.environ.get("CRASH_AFTER", "0")):
                os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapper


if __name__ == "__main__":
    Client.patch = dying(Client.patch)  # type: ignore[method-assign, assignment]  # on purpose
    Client.delete = dying(Client.delete)  # type: ignore[method-assign, assignment]  # on purpose
    main()
