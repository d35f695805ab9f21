"""One soak from the first controller to the last check, and its observations."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.bench.fleet import BIND_SECONDS, INTERVAL_SECONDS
from tests.bench.report import say, step

from moorage_testing.waiting import WaitTimeoutError, wait_for_async

from .options import Options
from .replicas import Replicas
from .scene import Scene

SAMPLE_SECONDS = 2.0
TELL_SECONDS = 30.0
# The time limit to come to rest: a takeover, the longest back-off, an avoided node.
REST_SECONDS = 180.0
# Two resyncs without an action mean that it is at rest.
QUIET_SECONDS = 2.0 * INTERVAL_SECONDS


@dataclass(slots=True)
class Trial:
    """A running soak and its observations.

    Attributes:
        scene: what the controllers have to do, and who looks on.
        replicas: the controllers.
        calm_at: when the last leader had been killed; the machine's monotonic clock.
        over_at: when the disturbances ended.
        rest_seconds: from then until it came to rest; ``None``: it never did.
        unsettled: the violations at the end.
    """

    options: Options
    scene: Scene
    replicas: Replicas
    calm_at: float = 0.0
    over_at: float = 0.0
    rest_seconds: float | None = None
    unsettled: list[str] = field(default_factory=list)
    _rest_since: float = 0.0
    _rest_changes: int = -1

    @classmethod
    def of(cls, scene: Scene, options: Options) -> Trial:
        """Prepare; nothing is started yet."""
        return cls(options, scene, Replicas(scene.site))

    async def run(self) -> None:
        """Run it; raises only if no verdict is possible."""
        async with asyncio.TaskGroup() as group:
            beside = [
                *map(group.create_task, self.scene.watchers()),
                group.create_task(self.replicas.follow(SAMPLE_SECONDS)),
                group.create_task(self._log_progress()),
            ]
            await self._go(group)
            for task in beside:
                task.cancel()

    async def _go(self, group: asyncio.TaskGroup) -> None:
        options = self.options
        for _ in range(2):
            self.replicas.start()
        with step("binding all addresses"):
            await self.scene.begin()
            bound = await self._comes_to_rest(BIND_SECONDS)
        if not bound:
            raise RuntimeError(f"it cannot begin: {'; '.join(self.unsettled)}")
        self.scene.fail()
        churning = group.create_task(self.scene.churn())
        with step(f"{options.rough_seconds / 60:.3g} minutes with {options.kills} kills"):
            await self.replicas.kill_leaders(options.kill_seconds, options.rough_seconds)
            await self.replicas.leader()
        self.calm_at = time.monotonic()
        with step(f"{options.calm_seconds / 60:.3g} minutes without"):
            await asyncio.sleep(options.calm_seconds)
        self.over_at = time.monotonic()
        self.scene.end_churn()
        await churning
        self.scene.heal()
        with step("coming to rest"):
            if await self._comes_to_rest(REST_SECONDS):
                self.rest_seconds = self._rest_since - self.over_at

    async def _comes_to_rest(self, seconds: float) -> bool:
        """Whether it comes to rest and stays so; else ``unsettled`` has the violations."""
        self._rest_changes = -1
        try:
            await wait_for_async(self._at_rest, seconds, "rest", interval_seconds=0.5)
        except WaitTimeoutError:
            return False
        return True

    async def _at_rest(self) -> bool:
        self.unsettled, changes = await self.scene.unsettled(), self.scene.changes
        now = time.monotonic()
        if self.unsettled or changes != self._rest_changes:
            self._rest_since, self._rest_changes = now, changes
        return now - self._rest_since > QUIET_SECONDS

    async def _log_progress(self) -> None:
        """Print the progress at intervals."""
        while True:
            await asyncio.sleep(TELL_SECONDS)
            say(f"{self.scene.progress()}; {len(self.replicas.killed)} leaders killed")
