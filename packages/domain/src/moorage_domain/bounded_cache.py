"""A cache of results that is bounded in bytes, for what is keyed by what people write."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ResultT = TypeVar("ResultT")


class BoundedCache(Generic[KeyT, ResultT]):
    """Calls a function once for each key, and forgets the keys that were not asked for lately.

    Attributes:
        used_bytes: what the keys that are kept cost; never more than the limit.
    """

    def __init__(
        self, make: Callable[[KeyT], ResultT], limit_bytes: int, cost: Callable[[KeyT], int]
    ) -> None:
        self.used_bytes = 0
        self._make = make
        self._limit = limit_bytes
        self._cost = cost
        self._kept: OrderedDict[KeyT, ResultT] = OrderedDict()

    def __call__(self, key: KeyT) -> ResultT:
        """The result for a key; not to be changed. Raises what the function raises."""
        try:
            result = self._kept[key]
        except KeyError:
            return self._keep(key, self._make(key))
        # Keys may be dear to hash: what was asked for when matters only where room is short.
        if self.used_bytes > self._limit // 2:
            self._kept.move_to_end(key)
        return result

    def clear(self) -> None:
        """Forget all keys."""
        self._kept.clear()
        self.used_bytes = 0

    def _keep(self, key: KeyT, result: ResultT) -> ResultT:
        self._kept[key] = result
        self.used_bytes += self._cost(key)
        while self.used_bytes > self._limit:
            oldest, _ = self._kept.popitem(last=False)
            self.used_bytes -= self._cost(oldest)
        return result
