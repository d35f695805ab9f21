"""A cluster with DANM in memory and in virtual time, and the controller with its crashes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from cluster_danm import GROUP, Cluster

from moorage_danm.controller import setup
from moorage_danm.settings import DanmSettings
from moorage_testing import virtual_time
from moorage_testing.apiserver import Fault
from moorage_testing.harness import Scenario, World, managed


class CrashingWorld(World):
    """A world in which the controller dies at the so-manieth change from now on."""

    def crash_in(self, changes: int, *, done: bool) -> None:
        self._crash_at = len(self.changes) + changes
        self._done = done


class Lab(Cluster):
    """A cluster and the controller."""

    def __init__(self, group: str = GROUP, **settings: Any) -> None:
        start = managed(DanmSettings.model_validate(settings), setup)
        scenario = Scenario(start, lambda _: None, always=(self.check,), quiet_seconds=30.0)
        self.world = CrashingWorld(scenario)
        super().__init__(self.world.server, group)

    async def run(self, seconds: float) -> None:
        """Let time pass."""
        await self.world.pass_time(seconds)

    async def blind(self) -> None:
        """From now on no watch of nodes comes through."""
        self.server.faults.append(Fault("WATCH", 503, times=10**6, path="/nodes"))
        self.server.cut_watches()
        await self.run(0.1)

    def see(self) -> None:
        """They do again, and what happened meanwhile is listed."""
        self.server.faults.clear()
        self.server.forget_history()
        self.server.cut_watches()

    async def started(self, *pods: str) -> None:
        """Let time pass until these run."""
        running: set[str] = set()
        for _ in range(60):
            running = {one.pod["metadata"]["name"] for _, one in self.hosts.containers()}
            if running >= set(pods):
                await self.run(2.0)
                return
            await self.run(1.0)
        raise AssertionError(f"{pods} do not run, but {running}")

    def metric(self, name: str, **labels: str) -> float:
        assert self.world.manager is not None
        value = self.world.manager.registry.get_sample_value(name, labels)
        return value or 0.0


def play(story: Callable[[Lab], Awaitable[None]], group: str = GROUP, **settings: Any) -> None:
    """Run a story in virtual time; the controller runs from its beginning, and lives through it."""

    async def whole() -> None:
        random.seed(0)
        lab = Lab(group, **settings)
        lab.start()
        try:
            await asyncio.sleep(0)
            # Hosts are made before the controller: a crash ends what came after it.
            for name in ("a", "b", "c"):
                lab.node(name)
            lab.net("net")
            lab.world.begin()
            await lab.run(1.0)
            await story(lab)
            lab.check()
            assert not lab.world.deaths, lab.world.deaths
        finally:
            await lab.world.kill()
            lab.end()

    virtual_time.run(whole())
