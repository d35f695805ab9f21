"""A controller whose one step takes its time, or one of whose tasks dies: for tests of the end."""

from __future__ import annotations

import asyncio
import sys
from typing import ClassVar, Literal

from moorage_kube.client.client import Target
from moorage_kube.client.kinds import CONFIGMAPS
from moorage_kube.manager.process import Controller, Ports, Shell
from moorage_kube.manager.settings import ElectedSettings, load
from moorage_kube.reconcile.queue import WorkQueue

STEP_SECONDS = 2.0


class SlowSettings(ElectedSettings):
    prog: ClassVar[str] = "moorage-slow"

    way: Literal["slow", "dies"] = "slow"


def build(ports: Ports) -> Controller:
    settings = load(SlowSettings)
    queue = WorkQueue()

    async def step(key: str) -> None:
        """Say that it began, take the time, write the end down."""
        target = Target(key, settings.lease_namespace)
        await ports.client.patch(CONFIGMAPS, target, {"data": {"begun": "yes"}})
        await asyncio.sleep(STEP_SECONDS)
        ports.election.fence()
        await ports.client.patch(CONFIGMAPS, target, {"data": {"ended": "yes"}})

    async def sink() -> None:
        await asyncio.sleep(0.5)
        raise ValueError("water in the hold")

    queue.add("log")
    return Controller(
        queue=queue, reconcile=step, tasks={"sink": sink} if settings.way == "dies" else {}
    )


if __name__ == "__main__":
    sys.exit(Shell(load(SlowSettings), build).run())
