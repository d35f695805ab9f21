"""Recent: how often something was done for an object within the last minute."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0


class Recent:
    """Counts by key; ``monotonic`` is a clock that nobody can set."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._times: dict[str, deque[float]] = {}

    def add(self, key: str) -> None:
        """It was done now."""
        self._times.setdefault(key, deque()).append(self._monotonic())

    def count(self, key: str) -> int:
        """How often it was done within the last minute."""
        times = self._times.get(key)
        if times is None:
            return 0
        since = self._monotonic() - WINDOW_SECONDS
        while times and times[0] <= since:
            times.popleft()
        if not times:
            del self._times[key]
        return len(times)

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._times.pop(key, None)
