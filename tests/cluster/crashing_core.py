"""The core controller, which kills itself right after the n-th change it made anywhere."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import moorage_core.carry_out
from moorage_core.__main__ import main
from moorage_core.act import Actor
from moorage_core.actions import Mutate, Reread
from moorage_kube.writes.writer import ObjectWriter

CHANGES = itertools.count(1)


def dying(call: Callable[..., Awaitable[Any]], what: str) -> Callable[..., Awaitable[Any]]:
    """The call, after which the process may die on the spot."""

    async def wrapper(*arguments: Any, **options: Any) -> Any:  # any call
        result = await call(*arguments, **options)
        if not any(isinstance(argument, Mutate | Reread) for argument in arguments[1:2]) or (
            what == "mutation"
        ):
            number = next(CHANGES)
            sys.stderr.write(f"change {number}: {what}\n")
            if number == int(os.environ["CRASH_AFTER"]):
                os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapper


if __name__ == "__main__":
    # A Mutate action only begins a mutation; the change is there when the mutation has ended. A
    # move of two steps is two.
    Actor.act = dying(Actor.act, "write")  # type: ignore[method-assign, assignment]  # on purpose
    # The one request of each write of finalizer or status; most passes make none.
    ObjectWriter._patch = dying(ObjectWriter._patch, "write")  # type: ignore[method-assign, assignment]  # on purpose
    moorage_core.carry_out.carry_out = dying(  # type: ignore[assignment]  # on purpose
        moorage_core.carry_out.carry_out, "mutation"
    )
    main()
