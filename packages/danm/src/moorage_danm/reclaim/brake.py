"""Brakes: when most nodes look dead, and how many endpoints a minute may be freed on suspicion."""

from __future__ import annotations

import time
from collections import deque

from moorage_danm.caches import Caches
from moorage_danm.model.node import Ready

MOST_SHARE = 0.55
FEWEST = 3
"""With more than this share, and not fewer than so many, it is not the nodes that are dead."""
_MINUTE = 60.0


def suspended(caches: Caches) -> str:
    """Why nothing is freed from nodes that are not fenced; ``""`` = it is."""
    if caches.failing:
        return f"what is known may be old: {caches.failing}"
    total = len(caches.nodes)
    down = total - len(caches.nodes_by_ready.by_index_key.get(Ready.TRUE, ()))
    if down >= FEWEST and down > MOST_SHARE * total:
        return f"{down} of {total} nodes are not ready at the same time"
    return ""


class Allowance:
    """So many a minute."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._used: deque[float] = deque()

    def next_turn(self) -> float:
        """Seconds until one more is allowed; 0 = now."""
        now = time.monotonic()
        while self._used and now - self._used[0] >= _MINUTE:
            self._used.popleft()
        if len(self._used) < self._per_minute:
            return 0.0
        return _MINUTE - (now - self._used[0])

    def use(self) -> None:
        """One was freed."""
        self._used.append(time.monotonic())
