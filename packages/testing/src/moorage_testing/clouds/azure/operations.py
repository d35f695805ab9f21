"""Long-running operations: accepted at once, done or failed later."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class _Running:
    """An operation under way.

    Attributes:
        due: when it ends, in seconds of the clock.
        touches: the resources that nothing else may change meanwhile.
        end: completes the change, or undoes it.
        answer: its description once it ended.
    """

    due: float
    touches: frozenset[str]
    end: Callable[[], None]
    answer: dict[str, Any]


class Operations:
    """All operations of the account, including those that ended."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._names = itertools.count(1)
        self._running: dict[str, _Running] = {}
        self._ended: dict[str, dict[str, Any]] = {}

    def begin(
        self,
        seconds: float,
        touches: frozenset[str],
        end: Callable[[], None],
        error: tuple[str, str] | None,
    ) -> str:
        """Accept an operation that ends after this time, perhaps in an error; return its name."""
        name = f"00000000-0000-0000-0000-{next(self._names):012d}"
        answer: dict[str, Any] = {"status": "Succeeded"}
        if error is not None:
            code, message = error
            answer = {"status": "Failed", "error": {"code": code, "message": message}}
        self._running[name] = _Running(self._clock() + seconds, touches, end, answer)
        return name

    def advance(self) -> None:
        """End what is due, in the order in which it began."""
        now = self._clock()
        for name, operation in list(self._running.items()):
            if operation.due <= now:
                del self._running[name]
                operation.end()
                self._ended[name] = operation.answer

    def touching(self, resource_id: str) -> bool:
        """Whether an operation on this resource is under way."""
        return any(resource_id.lower() in one.touches for one in self._running.values())

    def answer(self, name: str) -> dict[str, Any] | None:
        """The description of an operation; ``None``: it does not exist."""
        return {"status": "InProgress"} if name in self._running else self._ended.get(name)
