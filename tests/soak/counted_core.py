"""The core controller with one more metric: the number of asyncio tasks."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge

from moorage_core import controller
from moorage_core.settings import CoreSettings
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave

TASKS = "soak_asyncio_tasks"


def setup(manager: Manager) -> None:
    """The very same controller, and one series more."""
    loop = asyncio.get_running_loop()
    tasks = Gauge(TASKS, "Tasks that have not ended.", registry=manager.registry)
    tasks.set_function(lambda: float(len(asyncio.all_tasks(loop))))
    controller.setup(manager)


if __name__ == "__main__":
    leave(run(load(CoreSettings), setup))
