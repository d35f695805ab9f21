"""One soak from the first controller to the last check, and its observations."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from tests.bench.fleet import ALLOCATION, BIND_SECONDS, INTERVAL_SECONDS
from tests.bench.report import say, step

from moorage_testing.waiting import WaitTimeoutError, wait_for_async

from .churn import Churn, Disturbance, drawn
from .history import History, unsettled
from .options import Options
from .pool import NodePool
from .replicas import Replicas
from .watching import watch
from .witness import Witness

SAMPLE_SECONDS = 2.0
LOOK_SECONDS = 2.0
TELL_SECONDS = 30.0
# The time limit to come to rest: a takeover, the longest back-off, an avoided node.
REST_SECONDS = 180.0
# Two resyncs without an action mean that it is at rest.
QUIET_SECONDS = 2.0 * INTERVAL_SECONDS


@dataclass(slots=True)
class Trial:
    """A running soak and its observations.

    Attributes:
        history: the changes of labels and status.
        witness: compares the cloud with the labels.
        replicas: the controllers.
        churn: the disturbances of nodes.
        calm_at: when the last leader had been killed; the machine's monotonic clock.
        over_at: when the disturbances ended.
        rest_seconds: from then until it came to rest; ``None``: it never did.
        unsettled: the violations at the end.
    """

    options: Options
    pool: NodePool
    history: History
    witness: Witness
    replicas: Replicas
    churn: Churn
    calm_at: float = 0.0
    over_at: float = 0.0
    rest_seconds: float | None = None
    unsettled: list[str] = field(default_factory=list)
    _rest_since: float = 0.0
    _rest_facts: int = -1

    @classmethod
    def of(cls, pool: NodePool, options: Options) -> Trial:
        """Prepare; nothing is started yet."""
        ips = frozenset(pool.account.holders())
        history = History(ips)
        return cls(
            options=options,
            pool=pool,
            history=history,
            witness=Witness(pool, ips),
            replicas=Replicas(pool.fleet),
            churn=Churn(pool, history.labels, random.Random(options.seed)),
        )

    async def run(self) -> None:
        """Run it; raises only if no verdict is possible."""
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._follow_nodes()),
                group.create_task(self._follow_allocation()),
                group.create_task(self.replicas.follow(SAMPLE_SECONDS)),
                group.create_task(self.witness.follow(LOOK_SECONDS)),
                group.create_task(self._log_progress()),
            ]
            await self._go(group)
            for task in beside:
                task.cancel()

    async def _go(self, group: asyncio.TaskGroup) -> None:
        options = self.options
        for _ in range(2):
            self.replicas.start()
        with step(f"binding {options.addresses:,} addresses"):
            bound = await self._comes_to_rest(BIND_SECONDS)
        if not bound:
            raise RuntimeError(f"it cannot begin: {'; '.join(self.unsettled)}")
        self.pool.account.fail(options.errors)
        churning = group.create_task(self.churn.run(drawn(options), options.churn_seconds))
        with step(f"{options.rough_seconds / 60:.3g} minutes with {options.kills} kills"):
            await self.replicas.kill_leaders(options.kill_seconds, options.rough_seconds)
            await self.replicas.leader()
        self.calm_at = time.monotonic()
        with step(f"{options.calm_seconds / 60:.3g} minutes without"):
            await asyncio.sleep(options.calm_seconds)
        self.over_at = time.monotonic()
        self.churn.end()
        await churning
        self.pool.account.heal()
        with step("coming to rest"):
            if await self._comes_to_rest(REST_SECONDS):
                self.rest_seconds = self._rest_since - self.over_at

    async def _comes_to_rest(self, seconds: float) -> bool:
        """Whether it comes to rest and stays so; else ``unsettled`` has the violations."""
        self._rest_facts = -1
        try:
            await wait_for_async(self._at_rest, seconds, "rest", interval_seconds=0.5)
        except WaitTimeoutError:
            return False
        return True

    async def _at_rest(self) -> bool:
        self.unsettled, facts = await self._unsettled(), len(self.history.facts)
        now = time.monotonic()
        if self.unsettled or facts != self._rest_facts:
            self._rest_since, self._rest_facts = now, facts
        return now - self._rest_since > QUIET_SECONDS

    async def _unsettled(self) -> list[str]:
        holders = await asyncio.to_thread(self.pool.account.holders)
        return unsettled(self.history, holders, self.pool.nodes_by_machine())

    async def _follow_nodes(self) -> None:
        async for change in watch(self.pool.fleet.cluster, "/api/v1/nodes", metadata_only=True):
            self.history.node(change)

    async def _follow_allocation(self) -> None:
        async for change in watch(self.pool.fleet.cluster, ALLOCATION.rpartition("/")[0]):
            self.history.allocation(change)

    async def _log_progress(self) -> None:
        """Print the progress at intervals."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            done = self.churn.done
            say(
                f"{len(self.history.bound):,} of {self.options.addresses:,} bound,"
                f" {self.history.moves:,} moves, {len(self.replicas.killed)} leaders killed,"
                f" {sum(done.values()):,} nodes disturbed ({done[Disturbance.REPLACE]:,} replaced),"
                f" {len(self.history.missing)} lost"
            )
