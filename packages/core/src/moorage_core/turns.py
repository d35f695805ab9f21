"""Turns: many names are looked at a few at a time, so that nobody else waits for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

WhyT = TypeVar("WhyT")

TURN_NAMES = 500
"""So many at a time: they take a few milliseconds, and 10,000 a tenth of a second."""


@dataclass(slots=True)
class _Round(Generic[WhyT]):
    """One look at all names that a collection has when it begins."""

    names: Collection[str]
    why: list[WhyT] = field(default_factory=list)


class Turns(Generic[WhyT]):
    """Calls ``look`` with every name of a collection, and with what it is looked at for.

    As many as :data:`TURN_NAMES` are looked at on the spot. Of more, the rest comes in later turns
    of the event loop, and what is asked about the same collection before its round begins becomes
    one round: a thousand nodes may change while ten thousand allocations wait.
    """

    def __init__(self, look: Callable[[str, Collection[WhyT]], None]) -> None:
        self._look = look
        self._rounds: deque[_Round[WhyT]] = deque()
        self._left: Iterator[str] | None = None
        self._why: Collection[WhyT] = ()

    def begin(self, names: Collection[str], *why: WhyT) -> None:
        """Look at all of them; ``names`` is kept until then, and read when the round begins."""
        if len(names) <= TURN_NAMES:
            for name in tuple(names):
                self._look(name, why)
            return
        same = (one for one in self._rounds if one.names is names and bool(one.why) == bool(why))
        if (known := next(same, None)) is not None:
            known.why += why
            return
        self._rounds.append(_Round(names, list(why)))
        if self._left is None and len(self._rounds) == 1:
            self._turn()

    def _turn(self) -> None:
        if self._left is None:
            now = self._rounds.popleft()
            self._left, self._why = iter(tuple(now.names)), now.why
        some = tuple(islice(self._left, TURN_NAMES))
        for name in some:
            self._look(name, self._why)
        if len(some) < TURN_NAMES:
            self._left, self._why = None, ()
        if self._left is not None or self._rounds:
            asyncio.get_running_loop().call_soon(self._turn)
