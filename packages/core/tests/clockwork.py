"""Virtual time of the simulation: when each allocation has a pass, which mutations are under way.

No pass comes before something has changed or its plan's wait is over, so a wake-up that no plan
asks for is missed here too. Every change of cluster or status triggers all, which is more than the
real triggers do; a change of the cloud is noticed when it is read next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from moorage_core.actions import Mutate
from moorage_core.model import Outcome

READ_SECONDS = 30.0
API_RETRY_SECONDS = 1.0
GRACE_SECONDS = 1.0
"""What is due so soon belongs to what is going on: it is not rest yet."""
PASS_SECONDS = 0.002
MOST_PASSES_A_SECOND = 100


@dataclass
class Flight:
    """A mutation under way; its outcome is known, or it is carried out only when it lands."""

    mutate: Mutate
    lands_at: float
    outcome: Outcome | None


@dataclass
class Clockwork:
    """When each allocation has its next pass.

    Attributes:
        due: by allocation name; one that is not in here is due at once.
        flights: the mutations under way, by address.
        unread: allocations that wait until the cloud was read.
        passes: how many there were, of all allocations.
    """

    due: dict[str, float] = field(default_factory=dict)
    flights: dict[str, Flight] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    passes: int = 0
    _cluster: object = None
    _cloud_states: dict[str, object] = field(default_factory=dict)
    _spins: tuple[float, int] = (0.0, 0)

    def observed_cloud(self, name: str, cloud: object, *, unread: bool) -> None:
        """A pass over an allocation rested on this state of the cloud."""
        self._cloud_states[name] = cloud
        (self.unread.add if unread else self.unread.discard)(name)

    def passed(self, name: str, now: float, wait: float | None) -> None:
        """A pass has ended; its plan wants the next one after ``wait`` seconds."""
        self.passes += 1
        # A pass takes its time: a wait that is shorter than the clock can tell is none either.
        self.due[name] = math.inf if wait is None else now + max(wait, PASS_SECONDS)
        at, count = self._spins
        self._spins = (at, count + 1) if now < at + 1.0 else (now, 1)
        assert count < MOST_PASSES_A_SECOND, f"hot loop: {count} passes over {name} in a second"

    def retry(self, name: str, now: float) -> None:
        """The API server refused something: the pass is made again, with a pause."""
        self.due[name] = now + API_RETRY_SECONDS

    def changed(self, cluster: object) -> None:
        """Trigger all where the cluster is not as it was."""
        if cluster != self._cluster:
            self._cluster = cluster
            self.due.clear()

    def next(self, names: Iterable[str], now: float, cloud: object) -> float:
        """When something happens next."""
        passes = min((self.due.get(name, now) for name in names), default=math.inf)
        landings = min((flight.lands_at for flight in self.flights.values()), default=math.inf)
        next_read = math.inf
        if self.unread or any(self._cloud_states.get(name) != cloud for name in self.due):
            next_read = READ_SECONDS * (now // READ_SECONDS + 1)
        return max(now, min(passes, landings, next_read))

    def ready(self, names: Iterable[str], now: float) -> list[str]:
        """The allocations whose pass is due."""
        return [name for name in names if self.due.get(name, now) <= now]

    def read(self, before: float, now: float, cloud: object) -> None:
        """Trigger those that the cloud concerns, if it was read between the two moments."""
        if before // READ_SECONDS == now // READ_SECONDS:
            return
        for name in list(self.due):
            if name in self.unread or self._cloud_states.get(name) != cloud:
                del self.due[name]

    def land(self, now: float, end: Callable[[Flight], None]) -> None:
        """Let the mutations end whose time has come; their outcomes trigger all."""
        for ip, flight in list(self.flights.items()):
            if flight.lands_at <= now:
                del self.flights[ip]
                end(flight)
                self.due.clear()

    def crash(self) -> None:
        """A new process makes a pass over each; what was under way is lost, or done unheard."""
        self.due.clear()
        self.flights.clear()
        self.unread.clear()
