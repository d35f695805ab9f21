"""Run in a process of its own: the reclaim controller of danm on an API server of pages.

``python -m tests.bench.danm_controller PORT``; prints how many keys wait, and its CPU seconds, once
it has looked at everything.
"""

from __future__ import annotations

import asyncio
import sys
import time

from moorage_danm.controller import setup
from moorage_danm.settings import DanmSettings
from moorage_kube.client.client import Client
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials
from moorage_kube.election.none import NoElection
from moorage_kube.manager import garbage
from moorage_kube.manager.manager import Manager
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import process_metrics


async def main() -> None:
    """Work until killed."""
    settings = DanmSettings.model_validate({})
    source = FixedCredentials(Credentials(token="of-the-bench"))  # noqa: S106 - no secret
    connection = Connection(f"http://127.0.0.1:{sys.argv[1]}", source, "the bench")
    async with Client(connection) as client, asyncio.TaskGroup() as group:
        events = EventRecorder(client, settings.prog)
        metrics = process_metrics(settings.prog)
        manager = Manager(settings, "bench", client, NoElection(), events, metrics)
        setup(manager)
        garbage.settle()  # as every process of ours does
        for informer in manager.informers:
            group.create_task(informer.run())
        for informer in manager.informers:
            await informer.listed.wait()
        for on_leading in manager.on_leading:
            await on_leading()
        for one in manager.controllers:
            group.create_task(one.queue.run(one.reconcile, one.workers))
        await asyncio.sleep(0)
        waiting = sum(one.queue.depth for one in manager.controllers)
        sys.stdout.write(f"{waiting} {time.process_time():.2f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
