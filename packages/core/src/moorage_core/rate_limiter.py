"""How fast one account and region is changed: as fast as it allows, slower when it refuses."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable

from moorage_core.model import Mutation
from moorage_core.priority import PrioritySemaphore
from moorage_provider.protocol import Pace

LOOK_BACK_SECONDS = 5.0
SLOWEST_PER_SECOND = 0.2
FASTEST_PER_SECOND = 100.0
"""Above this rate nothing is held back any more."""
_CUT = 0.5
_GROWTH_PER_SECOND = 1.0
# Turns that were taken late, because the process was busy, are made up for: so much of them.
_CAUGHT_UP_SECONDS = 1.0
# What is under way at a refusal is refused with it: that is one refusal, not many.
_SAME_REFUSAL_SECONDS = 1.0


class RateLimiter:
    """Mutations a second in one scope: unlimited until throttled, then halved, then growing again.

    A cloud refills what an account may call; where it documents how much, as ``pace``, no more is
    sent, and else the size is unknown and differs by account.
    """

    def __init__(self, clock: Callable[[], float] | None = None, pace: Pace | None = None) -> None:
        self.per_second = math.inf
        self._pace = pace
        self._latest: deque[float] = deque(maxlen=pace.most if pace else 0)
        """The turns that count for the pace."""
        self._clock = clock or time.monotonic
        self._line = PrioritySemaphore(1)
        self._begun: deque[float] = deque()
        self._next = 0.0
        self._cut_at = -math.inf
        self._grown_at = 0.0

    @property
    def holds_back(self) -> bool:
        """Whether the cloud has refused something lately for coming too fast."""
        return self.per_second < math.inf

    async def wait(self, mutation: Mutation) -> None:
        """Return when this mutation may be sent; of those that wait, what ends a move comes first.

        By order of arrival an address that has left its node would wait behind all that follow.
        """
        async with self._line.turn(mutation):
            pause = self.reserve()
            if pause > 0:
                await asyncio.sleep(pause)

    def reserve(self) -> float:
        """Take the next turn; return in how many seconds it is."""
        now = self._clock()
        turn = max(now - _CAUGHT_UP_SECONDS, self._next)
        if self.per_second < math.inf:
            self._next = turn + 1 / self.per_second
        turn = max(now, turn)
        if self._pace:
            if len(self._latest) == self._pace.most:
                turn = max(turn, self._latest[0] + self._pace.seconds)
            self._latest.append(turn)
        self._begun.append(turn)
        while self._begun[0] < now - LOOK_BACK_SECONDS:
            self._begun.popleft()
        return turn - now

    def throttled(self, retry_after: float | None) -> None:
        """A mutation was refused for coming too fast."""
        now = self._clock()
        self._next = max(self._next, now + (retry_after or 1.0))
        if now - self._cut_at < _SAME_REFUSAL_SECONDS:
            return
        self._cut_at = self._grown_at = now
        lately = sum(turn <= now for turn in self._begun) / LOOK_BACK_SECONDS
        self.per_second = max(SLOWEST_PER_SECOND, min(self.per_second, lately) * _CUT)

    def accepted(self) -> None:
        """A mutation was not refused."""
        now = self._clock()
        if self.per_second == math.inf or now - self._grown_at < 1.0:
            return
        self._grown_at = now
        self.per_second += _GROWTH_PER_SECOND
        if self.per_second > FASTEST_PER_SECOND:
            self.per_second = math.inf
