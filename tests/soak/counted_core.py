"""The core controller, whose /metrics also tell how many asyncio tasks there are."""

from __future__ import annotations

import asyncio

from prometheus_client import Gauge

from moorage_core import controller
from moorage_core.settings import CoreSettings
from moorage_kube.manager.process import Controller, Ports, Shell, leave
from moorage_kube.manager.settings import load

TASKS = "soak_asyncio_tasks"


def build(ports: Ports) -> Controller:
    """The very same controller, and one series more; it is read in the event loop's thread."""
    tasks = Gauge(TASKS, "Tasks that have not ended.", registry=ports.metrics.registry)
    tasks.set_function(lambda: float(len(asyncio.all_tasks())))
    return controller.build(ports)


if __name__ == "__main__":
    leave(Shell(load(CoreSettings), build).run())
