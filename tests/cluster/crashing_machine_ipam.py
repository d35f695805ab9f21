"""machine-ipam, which kills itself right after the n-th change it made for claims."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from moorage_kube.client.client import Client
from moorage_machine_ipam.__main__ import main

CHANGES = itertools.count(1)
COUNTED = ("ipaddressclaims", "ipaddresses", "ipallocations")


def dying(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The call, after which the process may die on the spot."""

    async def wrapper(*arguments: Any, **options: Any) -> Any:  # any call
        result = await call(*arguments, **options)
        kind = arguments[1]
        if kind.plural in COUNTED:
            number = next(CHANGES)
            sys.stderr.write(f"change {number}: {call.__name__} {kind.plural}\n")
            if number == int(os.environ["CRASH_AFTER"]):
                os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapper


if __name__ == "__main__":
    Client.create = dying(Client.create)  # type: ignore[method-assign, assignment]  # on purpose
    Client.patch = dying(Client.patch)  # type: ignore[method-assign, assignment]  # on purpose
    Client.delete = dying(Client.delete)  # type: ignore[method-assign, assignment]  # on purpose
    main()
