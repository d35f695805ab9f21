"""A controller with one slow action, or one of whose tasks dies: for tests of the end."""

from __future__ import annotations

import asyncio
import sys
from typing import ClassVar, Literal

from moorage_kube.client.client import Target
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.manager.manager import Controller, Manager
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import ElectedSettings, load
from moorage_kube.reconcile.queue import WorkQueue

STEP_SECONDS = 2.0


class SlowSettings(ElectedSettings):
    prog: ClassVar[str] = "moorage-slow"

    way: Literal["slow", "dies"] = "slow"


def setup(manager: Manager) -> None:
    settings = load(SlowSettings)
    queue = WorkQueue()

    async def reconcile(key: str) -> None:
        """Say that it began, take the time, write the end down."""
        target = Target(key, settings.lease_namespace)
        await manager.client.patch(CONFIGMAPS, target, {"data": {"begun": "yes"}})
        await asyncio.sleep(STEP_SECONDS)
        manager.election.fence()
        await manager.client.patch(CONFIGMAPS, target, {"data": {"ended": "yes"}})

    async def sink() -> None:
        await asyncio.sleep(0.5)
        raise ValueError("water in the hold")

    queue.add("log")
    manager.controllers.append(Controller("slow", queue, reconcile, workers=1))
    if settings.way == "dies":
        manager.run_always("sink", sink)


if __name__ == "__main__":
    sys.exit(run(load(SlowSettings), setup))
