"""No election: every process may write, as an agent on each node does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class NoElection:
    """An election that this process has always won; it uses no Lease and asks for no rights."""

    is_leader = True
    stalled = False

    def fence(self) -> None:
        """Do nothing: every write is allowed."""

    def missing(self) -> str | None:
        """``None``: nothing is waited for."""
        return None

    async def run(
        self,
        on_started: Callable[[], Awaitable[None]],
        on_stopped: Callable[[], Awaitable[None]],  # noqa: ARG002 - leadership is never lost
    ) -> None:
        """Call ``on_started`` once, then wait until cancelled.

        Raises whatever ``on_started`` raises.
        """
        await on_started()
        await asyncio.Event().wait()

    async def release(self) -> None:
        """Do nothing: nobody waits for this process to go."""
