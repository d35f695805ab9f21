"""Whose turn it is when more mutations are wanted than may be under way at once."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator

from moorage_core.model import Mutation

# Who has no address comes first. By order of arrival, hundreds of addresses would all be taken off
# their nodes before the first one comes to its new node.
_RANKS = {
    Mutation.ATTACH: 0,
    Mutation.MOVE: 0,
    Mutation.DETACH: 1,
    Mutation.PREPARE: 2,
    Mutation.RESTORE: 3,
}


class PrioritySemaphore:
    """Lets so many mutations be under way; of those that wait, what ends a move comes first."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._numbers = itertools.count()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []

    @contextlib.asynccontextmanager
    async def turn(self, mutation: Mutation) -> AsyncIterator[None]:
        """Wait for one's turn, and have it for as long as the block lasts."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(_RANKS[mutation])
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, rank: int) -> None:
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), mine))
        try:
            await mine
        except asyncio.CancelledError:
            # It may have been handed over in the very moment.
            if not mine.cancelled():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            _, _, next_one = heapq.heappop(self._waiting)
            if not next_one.done():
                next_one.set_result(None)
                return
        self._free += 1
