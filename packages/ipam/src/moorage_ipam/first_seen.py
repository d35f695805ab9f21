"""For how long this process has seen something: two machines' clocks need not agree."""

from __future__ import annotations

import time


class FirstSeen:
    """When each key was first seen to be as it is; its number of keys is how many are watched."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def seconds(self, key: str, what: str) -> float:
        """Seconds since ``key`` was first seen with this ``what``; another one begins anew."""
        seen = self._seen.get(key)
        if seen is None or seen[0] != what:
            seen = self._seen[key] = (what, time.monotonic())
        return time.monotonic() - seen[1]

    def forget(self, key: str) -> None:
        """It is not so any more."""
        self._seen.pop(key, None)
