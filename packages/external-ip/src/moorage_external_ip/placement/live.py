"""Live: which agents are alive, by how long ago this process saw their Leases change."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import logging
import math
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass

from moorage_external_ip.placement.guard import Guard
from moorage_external_ip.placement.leases import LEASE_SECONDS, LONGEST_HOLD_SECONDS
from moorage_external_ip.placement.model import Agent, Life, Proxy
from moorage_kube.cache.store import Change, Store
from moorage_kube.election.lease import boot_seconds

logger = logging.getLogger(__name__)

PROXY_SECONDS = 2.0
"""A service proxy that is unhealthy for longer does not just restart."""
_SOON = 0.02
_LATER = 60.0
_UNSYNCED = 0.25
_NAMED = 10


@dataclass(slots=True)
class _Watched:
    """One agent: its Lease as it was last, and when this process saw it change."""

    agent: Agent
    changed_at: float
    gone: bool = False
    life: Life = Life.UNKNOWN
    unhealthy_since: float | None = None
    failing: bool = False
    due: float = math.inf


class Liveness:
    """Judges agents by the Leases of a store; never by the times that are written in them.

    In its first lease nobody is live or dead. Listeners are called with the name of a node of
    which something changed; renewals alone are no change.
    """

    def __init__(self, leases: Store[Agent], clock: Callable[[], float] = boot_seconds) -> None:
        self._leases = leases
        self._clock = clock
        self._nodes: dict[str, _Watched] = {}
        self._live = 0
        self._due: list[tuple[float, str]] = []
        self._listeners: list[Callable[[str], None]] = []
        self._on_all: list[Callable[[], None]] = []
        self._began: float | None = None
        self._longest_hold = 0.0
        self._seen_lost: set[str] = set()
        self._woken = asyncio.Event()
        self.guard = Guard(clock)
        self.starting = True
        """Whether nobody can be judged yet."""
        leases.subscribe(self._changed)

    def subscribe(
        self, node_changed: Callable[[str], None], all_changed: Callable[[], None]
    ) -> None:
        """Call these for a node that changed, and once agents can be judged."""
        self._listeners.append(node_changed)
        self._on_all.append(all_changed)

    # What others ask.

    @property
    def names(self) -> Iterable[str]:
        """Nodes whose agents have a Lease; a view."""
        return self._nodes.keys()

    def agent(self, node: str) -> Agent | None:
        """As its Lease was last; also of one that was deleted a short while ago."""
        watched = self._nodes.get(node)
        return watched.agent if watched else None

    def life(self, node: str) -> Life:
        """What is known of the agent of a node."""
        watched = self._nodes.get(node)
        if self.starting:
            return Life.UNKNOWN
        return watched.life if watched else Life.NONE

    def unseen_seconds(self, node: str) -> float:
        """For how much longer a node without a Lease may hold what it had; 0 = no longer.

        Its Lease may have been deleted before this process began, with a hold in it.
        """
        if self._began is None:
            return math.inf
        left = self._began + (self._longest_hold or LONGEST_HOLD_SECONDS) - self._clock()
        if left <= 0:
            self._seen_lost.clear()
            return 0.0
        return 0.0 if node in self._nodes or node in self._seen_lost else left

    def proxy_failing(self, node: str) -> bool:
        """Whether the proxy of a node has been unhealthy for longer than a restart takes."""
        watched = self._nodes.get(node)
        return watched is not None and watched.failing

    # Time.

    async def run(self) -> None:
        """Notice what does not happen, for ever: renewals that do not come."""
        while True:
            wait = self.advance()
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    def advance(self) -> float:
        """Judge all that is due; returns the seconds until something may be due again."""
        now = self._clock()
        if self._began is None:
            if not self._leases.synced:
                return _UNSYNCED
            self._began = now
        if self.starting:
            left = self._began + self._first_lease() - now
            if left > 0:
                return left
            self._begin(now)
        else:
            self._judge(self._pop_due(now), now)
            self._release()
        due = self._due[0][0] - now if self._due else _LATER
        if self.guard.held:
            due = min(due, self.guard.due())
        return min(_LATER, max(_SOON, due))

    def _begin(self, now: float) -> None:
        """The first lease is over: everybody can be judged."""
        self.starting = False
        self._judge(list(self._nodes), now)
        for listener in self._on_all:
            listener()

    def _first_lease(self) -> float:
        longest = max((one.agent.lease_seconds for one in self._nodes.values()), default=0.0)
        return longest or LEASE_SECONDS

    def _release(self) -> None:
        if not self.guard.release():
            return
        logger.warning("renewals have come in for a whole lease: lost nodes are left again")
        for node, watched in list(self._nodes.items()):
            if watched.life is Life.LOST:
                self._notify(node)

    # Changes of Leases.

    def _changed(self, change: Change[Agent]) -> None:
        now = self._clock()
        agent = change.new or change.old
        if agent is None:
            return
        watched = self._nodes.get(agent.node)
        said_more = watched is None or watched.agent.renews_into(agent) is False
        if watched is None:
            watched = self._nodes[agent.node] = _Watched(agent, now)
        watched.agent, watched.changed_at, watched.gone = agent, now, change.new is None
        self._longest_hold = max(self._longest_hold, agent.longest_hold, agent.hold_seconds)
        if agent.proxy is not Proxy.UNHEALTHY:
            watched.unhealthy_since = None
        elif watched.unhealthy_since is None:
            watched.unhealthy_since = now
        if watched.gone:
            self.guard.forget(agent.node)
        else:
            self.guard.renewed(agent.node, agent.lease_seconds)
        if not self.starting:
            always = {agent.node} if said_more or watched.gone else set()
            self._judge([agent.node], now, always)

    # Nodes.

    def _judge(self, nodes: Iterable[str], now: float, always: Set[str] = frozenset()) -> None:
        """Find out how they are: first all of them, so that the guard sees who is missed together.

        ``always``: of these something changed, whatever comes out.
        """
        changed = [node for node in nodes if self._update(node, now)]
        for node in changed:
            self._count(node)
        for node in dict.fromkeys((*changed, *always)):
            self._notify(node)

    def _update(self, node: str, now: float) -> bool:
        """Whether it is otherwise than it was."""
        watched = self._nodes.get(node)
        if watched is None:
            return False
        before, failing = watched.life, watched.failing
        watched.life, due = _life(watched, now)
        self._live += (watched.life is Life.LIVE) - (before is Life.LIVE)
        fails_at = math.inf if watched.unhealthy_since is None else watched.unhealthy_since
        fails_at += PROXY_SECONDS
        watched.failing = now >= fails_at
        self._schedule(node, watched, min(due, math.inf if watched.failing else fails_at))
        return watched.life is not before or watched.failing is not failing

    def _count(self, node: str) -> None:
        """Have the guard know; who is gone for good is forgotten."""
        watched = self._nodes[node]
        if watched.gone and watched.life is Life.LOST:
            del self._nodes[node]
            self._seen_lost.add(node)
        if watched.gone or watched.agent.draining:
            return
        if watched.life is Life.LATE:
            self.guard.late(node)
        lease = watched.agent.lease_seconds
        if watched.life is Life.LOST and self.guard.lost(node, self._live, lease):
            names = ", ".join(sorted(self.guard.missed)[:_NAMED])
            logger.warning("most leases ended at once, nothing is moved: %s", names)

    def _schedule(self, node: str, watched: _Watched, due: float) -> None:
        """Look again at that time. A renewal makes it later: that is found out when it is due."""
        if due < watched.due:
            watched.due = due
            heapq.heappush(self._due, (due, node))
            self._woken.set()

    def _pop_due(self, now: float) -> list[str]:
        nodes = []
        while self._due and self._due[0][0] <= now:
            due, node = heapq.heappop(self._due)
            watched = self._nodes.get(node)
            # Else it was to be looked at earlier meanwhile, and was.
            if watched is not None and watched.due == due:
                watched.due = math.inf
                nodes.append(node)
        return nodes

    def _notify(self, node: str) -> None:
        for listener in self._listeners:
            listener(node)


def _life(watched: _Watched, now: float) -> tuple[Life, float]:
    """How an agent is, and when that changes without a renewal; infinite = never."""
    agent, age = watched.agent, now - watched.changed_at
    lease = agent.lease_seconds
    hold = max(lease, agent.hold_seconds)
    if watched.gone:
        # One that drains deletes its Lease once it has let go of everything. Of another the Lease
        # may have been deleted by anybody, also while it holds.
        if agent.draining or age >= hold:
            return Life.LOST, math.inf
        return Life.LATE, watched.changed_at + hold
    if agent.hold_seconds > 0:
        return (Life.HELD, watched.changed_at + hold) if age < hold else (Life.LOST, math.inf)
    if age >= lease:
        return Life.LOST, math.inf
    if age > lease / 2:
        return Life.LATE, watched.changed_at + lease
    # A moment later than half of it, so that then it is over.
    return Life.LIVE, watched.changed_at + lease / 2 + _SOON
