"""The guard against mass death: where most leases end at once, the API is ill and not the nodes."""

from __future__ import annotations

from collections.abc import Callable

MOST_SHARE = 0.5
FEWEST = 2


class Guard:
    """Holds moves off lost nodes, until renewals have come in for a whole lease.

    Leases that are late count as those that ended: those who stopped together were renewed last at
    different moments, and the first must not be moved before the others are missed. Whoever was
    lost when the guard let go, or a whole lease before, counts no more.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._missed: dict[str, float | None] = {}  # when its lease ended; None = late
        self._lease = 0.0
        self._renewed_at = clock()
        self._steady_from = clock()
        self._held_from: float | None = None

    @property
    def held(self) -> bool:
        """Whether nothing may be moved off lost nodes now."""
        return self._held_from is not None

    @property
    def missed(self) -> frozenset[str]:
        """Nodes whose leases are late or ended lately."""
        return frozenset(self._missed)

    def renewed(self, node: str, lease_seconds: float) -> None:
        """A renewal came in."""
        now = self._clock()
        self._missed.pop(node, None)
        self._lease = lease_seconds
        if now - self._renewed_at > lease_seconds / 2:
            self._steady_from = now
        self._renewed_at = now

    def late(self, node: str) -> None:
        """Half of a lease has passed without a renewal."""
        self._missed.setdefault(node, None)

    def lost(self, node: str, others_live: int, lease_seconds: float) -> bool:
        """A lease ended; returns whether this is what makes the guard hold."""
        now = self._clock()
        if self._missed.get(node) is None:
            self._missed[node] = now
        self._lease = lease_seconds
        if self.held:
            return False
        self._missed = {
            name: ended
            for name, ended in self._missed.items()
            if ended is None or now - ended <= lease_seconds
        }
        count = len(self._missed)
        if count < FEWEST or count <= MOST_SHARE * (count + others_live):
            return False
        self._held_from = now
        return True

    def forget(self, node: str) -> None:
        """It went in an orderly way, or its Lease is gone."""
        self._missed.pop(node, None)

    def release(self) -> bool:
        """Let go if renewals have come in for a whole lease; returns whether it did just now."""
        if self._held_from is None or self.due() > 0:
            return False
        self._held_from = None
        self._missed = {name: ended for name, ended in self._missed.items() if ended is None}
        return True

    def due(self) -> float:
        """Seconds until it can let go at the earliest; 0 = now. Only where it holds."""
        now = self._clock()
        if now - self._renewed_at > self._lease / 2:
            # No renewal comes in: a lease of them has to come first.
            return self._lease
        begun = max(self._steady_from, self._held_from or now)
        return max(0.0, begun + self._lease - now)
