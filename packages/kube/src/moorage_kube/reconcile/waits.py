"""Waits that a status asks for: none is believed for longer than the longest back-off."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

WaitT = TypeVar("WaitT", bound=Hashable)


class Waits(Generic[WaitT]):
    """Remembers when this process first saw each wait that lies ahead, object by object.

    One written by a clock that was ahead may lie years off. No wait of ours is longer than
    ``longest`` seconds, so after that much of our own time it counts as over.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._seen: dict[str, dict[WaitT, float]] = {}

    def over(self, key: str, waits: Iterable[WaitT], uptime: float) -> set[WaitT]:
        """Which of an object's waits are known for too long.

        ``waits``: all that it asks for now; what belongs together, such as an address and a time.
        ``uptime``: in seconds of a clock that nobody can set.
        """
        before = self._seen.pop(key, {})
        since = {wait: before.get(wait, uptime) for wait in waits}
        if since:
            self._seen[key] = since
        return {wait for wait, at in since.items() if uptime - at >= self._longest}

    def forget(self, key: str) -> None:
        """The object is gone."""
        self._seen.pop(key, None)

    def __len__(self) -> int:
        """Of how many objects waits are remembered."""
        return len(self._seen)
