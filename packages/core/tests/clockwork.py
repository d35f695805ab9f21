"""Virtual time of the simulation: who is looked at when, and which mutations are under way.

Nothing is looked at again before something has changed or its plan's wait is over, so a wake-up
that no plan asks for is missed here too. Every change of cluster or status wakes everybody, which
is more than the real triggers do; a change of the cloud is seen at the next reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from moorage_core.actions import Mutate
from moorage_core.model import Outcome

READING_SECONDS = 30.0
API_RETRY_SECONDS = 1.0
GRACE_SECONDS = 1.0
"""What is due so soon belongs to what is going on: it is not rest yet."""
PASS_SECONDS = 0.002
MOST_LOOKS_A_SECOND = 100


@dataclass
class Flight:
    """A mutation under way; its outcome is known, or it is carried out only when it lands."""

    mutate: Mutate
    lands_at: float
    outcome: Outcome | None


@dataclass
class Clockwork:
    """When each allocation is looked at next.

    Attributes:
        due: by allocation name; one that is not in here is due at once.
        flights: the mutations under way, by address.
        unread: allocations that wait for a reading of the cloud.
        looks: how often an allocation was looked at.
    """

    due: dict[str, float] = field(default_factory=dict)
    flights: dict[str, Flight] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    looks: int = 0
    _cluster: object = None
    _seen: dict[str, object] = field(default_factory=dict)
    _spins: tuple[float, int] = (0.0, 0)

    def saw(self, name: str, cloud: object, *, unread: bool) -> None:
        """An allocation was looked at with this reading of the cloud."""
        self._seen[name] = cloud
        (self.unread.add if unread else self.unread.discard)(name)

    def look(self, name: str, now: float, wait: float | None) -> None:
        """An allocation was looked at; its plan wants the next look after ``wait`` seconds."""
        self.looks += 1
        # A pass takes its time: a wait that is shorter than the clock can tell is none either.
        self.due[name] = math.inf if wait is None else now + max(wait, PASS_SECONDS)
        at, count = self._spins
        self._spins = (at, count + 1) if now < at + 1.0 else (now, 1)
        assert count < MOST_LOOKS_A_SECOND, f"hot loop: {name} is looked at {count} times a second"

    def retry(self, name: str, now: float) -> None:
        """The API server refused something: the pass is made again, with a pause."""
        self.due[name] = now + API_RETRY_SECONDS

    def changed(self, cluster: object) -> None:
        """Wake everybody where the cluster is not as it was."""
        if cluster != self._cluster:
            self._cluster = cluster
            self.due.clear()

    def next(self, names: Iterable[str], now: float, cloud: object) -> float:
        """When something happens next."""
        looks = min((self.due.get(name, now) for name in names), default=math.inf)
        landings = min((flight.lands_at for flight in self.flights.values()), default=math.inf)
        reading = math.inf
        if self.unread or any(self._seen.get(name) != cloud for name in self.due):
            reading = READING_SECONDS * (now // READING_SECONDS + 1)
        return max(now, min(looks, landings, reading))

    def ready(self, names: Iterable[str], now: float) -> list[str]:
        """Who is to be looked at now."""
        return [name for name in names if self.due.get(name, now) <= now]

    def read(self, before: float, now: float, cloud: object) -> None:
        """Let those hear of the cloud who must, if a reading came between the two moments."""
        if before // READING_SECONDS == now // READING_SECONDS:
            return
        for name in list(self.due):
            if name in self.unread or self._seen.get(name) != cloud:
                del self.due[name]

    def land(self, now: float, end: Callable[[Flight], None]) -> None:
        """Let the mutations end whose time has come; their outcome wakes their allocation."""
        for ip, flight in list(self.flights.items()):
            if flight.lands_at <= now:
                del self.flights[ip]
                end(flight)
                self.due.clear()

    def crash(self) -> None:
        """A new process looks at everybody; what it had under way is lost, or done unheard."""
        self.due.clear()
        self.flights.clear()
        self.unread.clear()
