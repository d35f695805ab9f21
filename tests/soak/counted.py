"""A controller with one more metric, its asyncio tasks, and calls of the API server that fail.

``python counted.py core`` or ``machine_ipam``, then the arguments of the controller itself.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from prometheus_client import Counter, Gauge

from moorage_kube.client import client
from moorage_kube.client.errors import Unavailable, from_response
from moorage_kube.client.transport import Request, Transport
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.shutdown import leave

TASKS = "soak_asyncio_tasks"
SHARE_FILE = "SOAK_API_ERRORS"
"""Environment variable: a file that says which share of all calls fails now; it may change."""
CALLS = Counter("soak_api_calls", "Calls of the API server.", ["outcome"], registry=None)
SETTINGS = {"core": "CoreSettings", "machine_ipam": "MachineIpamSettings"}
ORPHAN_SECONDS = 30.0
"""Instead of ten minutes, as long as some soaks take.

The API server does not see a finalizer that is put on just while it deletes the object. The owner
is gone without a word then, and what it had is released when it has been gone for that long.
"""


class FailingTransport(Transport):
    """Throttles, breaks, and loses connections before the work and after it, each as often."""

    @asynccontextmanager
    async def answer(self, request: Request) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, or what went wrong."""
        dice = random.random()
        share = _share()
        CALLS.labels("failed" if dice < share else "passed").inc()
        lost = Unavailable(0, "ConnectionLost", "injected", str(request))
        if dice < share / 4:
            raise lost
        if dice < share / 2:
            raise from_response(429, b"", str(request), "1")
        if dice < share * 3 / 4:
            raise from_response(500, b"", str(request), None)
        async with super().answer(request) as response:
            if dice < share:
                raise lost
            yield response


def set_share(path: Path, share: float) -> None:
    """Have this share of calls fail; whoever reads meanwhile finds the old file or the new one."""
    new = path.with_suffix(".new")
    new.write_text(str(share), "ascii")
    new.replace(path)


def _share() -> float:
    return float(Path(os.environ[SHARE_FILE]).read_text("ascii"))


def main(part: str) -> int:
    """Run the very same controller, and one series more."""
    module = f"moorage_{part}"
    controller = importlib.import_module(f"{module}.controller")
    settings = getattr(importlib.import_module(f"{module}.settings"), SETTINGS[part])
    if part == "machine_ipam":
        for name in ("moorage_ipam.upkeep", "moorage_machine_ipam.leftovers"):
            vars(importlib.import_module(name))["ORPHAN_SECONDS"] = ORPHAN_SECONDS
    if SHARE_FILE in os.environ:
        client.Transport = FailingTransport  # type: ignore[attr-defined]  # on purpose

    def setup(manager: Manager) -> None:
        loop = asyncio.get_running_loop()
        tasks = Gauge(TASKS, "Tasks that have not ended.", registry=manager.registry)
        tasks.set_function(lambda: float(len(asyncio.all_tasks(loop))))
        manager.registry.register(CALLS)
        controller.setup(manager)

    return run(load(settings), setup)


if __name__ == "__main__":
    leave(main(sys.argv.pop(1)))
