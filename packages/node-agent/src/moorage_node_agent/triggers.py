"""What makes a pass due: a claim, the network, the proxy."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from moorage_kube.cache.store import Change, Store
from moorage_kube.reconcile.queue import WorkQueue
from moorage_node_agent.lease import NodeLease
from moorage_node_agent.model import NEVER, State
from moorage_node_agent.projections import View
from moorage_node_agent.state import AgentState, Hands

NODE = "node"
"""The one key of passes over the node's addresses."""
GATHER_SECONDS = 0.05
"""How long changes of claims are gathered for one pass."""
LASTING_SECONDS = 1.0
"""A probe that takes longer is worth a word."""
MANY = 16
"""So many claims within :data:`LASTING_SECONDS` are a burst: others write the claims to come."""
LONGEST_BURST_SECONDS = 10.0
"""What waits for the end of a burst waits no longer than this."""
_LOOK_SECONDS = 0.25


class Arrivals:
    """Whether many claims are coming to this node just now, and what is said once they are here.

    Whoever moves hundreds of addresses here, off a node that is lost, has a write to do for each:
    what is up already can be said when the last one is.
    """

    def __init__(self, statuses: WorkQueue) -> None:
        self._times: deque[float] = deque(maxlen=MANY)
        self._statuses = statuses
        self._waiting: set[str] = set()
        self._until = 0.0

    def came(self) -> None:
        """One more."""
        self._times.append(asyncio.get_running_loop().time())

    @property
    def many(self) -> bool:
        """Whether the last so many came within a moment, which is not over."""
        if len(self._times) < MANY:
            return False
        return asyncio.get_running_loop().time() - self._times[0] < LASTING_SECONDS

    def say_after(self, name: str, seconds: float) -> None:
        """Say it in so many seconds, and while many come not before they are here."""
        if not self.many:
            self._statuses.add_after(name, seconds)
            return
        if not self._waiting:
            self._until = asyncio.get_running_loop().time() + LONGEST_BURST_SECONDS
            self._look_later()
        self._waiting.add(name)

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _look(self) -> None:
        if self.many and asyncio.get_running_loop().time() < self._until:
            self._look_later()
            return
        names, self._waiting = self._waiting, set()
        for name in names:
            self._statuses.add(name)


def on_claims(
    claims: Store[View], passes: WorkQueue, statuses: WorkQueue, arrivals: Arrivals
) -> None:
    """A claim that came, changed or went."""

    def changed(change: Change[View]) -> None:
        old, new = change.old, change.new
        if old is None:
            arrivals.came()
            # Its first word comes with the next pass; this is for what the agent before has said.
            arrivals.say_after(change.key, LASTING_SECONDS)
        else:
            statuses.add(change.key)
        if (old.claim if old else None) != (new.claim if new else None):
            # Hundreds may come within a second, and each pass looks at all addresses.
            passes.add_after(NODE, GATHER_SECONDS)

    claims.subscribe(changed)


def on_states(
    state: AgentState, statuses: WorkQueue, arrivals: Arrivals
) -> Callable[[Iterable[str]], None]:
    """What is to be said of these claims has changed.

    A probe is over in a moment: it is said only where it lasts, so that an address that is taken
    costs one write. While many come, the API server has others to answer: that one is up can wait,
    and trouble cannot.
    """

    def said(names: Iterable[str]) -> None:
        for name in names:
            now = state.states.get(name)
            if now is not None and now.state is State.PROBING:
                arrivals.say_after(name, LASTING_SECONDS)
            elif now is not None and now.state is State.ANNOUNCED:
                arrivals.say_after(name, 0.0)
            else:
                statuses.add(name)

    return said


def on_network(hands: Hands, passes: WorkQueue) -> Callable[[], None]:
    """What was heard on the network, or changed on the node's links."""

    def heard() -> None:
        if hands.listen():
            passes.add(NODE)

    return heard


class Renewal:
    """The Lease is being renewed, and with it the lives of the addresses.

    Where nothing has changed since the last pass they are begun anew at once: with hundreds of
    addresses a pass each second would cost more than all else. ``keep``: does that, or says that a
    pass has to decide. Where no renewal comes in time a pass does it.
    """

    def __init__(
        self, state: AgentState, passes: WorkQueue, keep: Callable[[], bool], seconds: float
    ) -> None:
        self._state, self._passes = state, passes
        self._keep, self._seconds = keep, seconds
        self._late: asyncio.TimerHandle | None = None

    def __call__(self) -> None:
        """A renewal begins."""
        self._watch()
        if self._passes.depth or not self._keep():
            self._state.refreshed_at = NEVER
            self._passes.add(NODE)

    def _watch(self) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = asyncio.get_running_loop().call_later(self._seconds, self._missed)

    def _missed(self) -> None:
        self._passes.add(NODE)
        self._watch()


def on_proxy(lease: NodeLease, passes: WorkQueue) -> Callable[[], None]:
    """The proxy, or a health check port, became healthy or ceased to be."""

    def changed() -> None:
        lease.renew_now()
        passes.add(NODE)

    return changed
