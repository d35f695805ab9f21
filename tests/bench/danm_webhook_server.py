"""Run in a process of its own: the admission service of danm on an API server of pages.

``python -m tests.bench.danm_webhook_server CERTIFICATE KEY PORT``; prints its own port once every
cache is filled. SIGUSR1 has it list everything again, and print how many seconds that took.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from moorage_danm.webhook.controller import setup
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_kube.client.client import Client
from moorage_kube.client.connection import Connection, Credentials
from moorage_kube.client.connection.credentials import FixedCredentials
from moorage_kube.election.none import NoElection
from moorage_kube.manager import garbage
from moorage_kube.manager.manager import Manager
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import process_metrics
from moorage_kube.webhook.server import Leaving, WebhookServer


async def main() -> None:
    """Serve until SIGTERM."""
    certificate, key, port = sys.argv[1:]
    settings = DanmWebhookSettings.model_validate(
        {
            "webhook_port": 0,
            "webhook_host": "127.0.0.1",
            "webhook_certificate": certificate,
            "webhook_key": key,
        }
    )
    source = FixedCredentials(Credentials(token="of-the-bench"))  # noqa: S106 - no secret
    connection = Connection(f"http://127.0.0.1:{port}", source, "the bench")
    async with Client(connection) as client:
        events = EventRecorder(client, settings.prog)
        manager = Manager(
            settings, "bench", client, NoElection(), events, process_metrics(settings.prog)
        )
        setup(manager)
        garbage.settle()  # as every process of ours does
        tasks = [asyncio.create_task(one.run()) for one in manager.informers]
        for informer in manager.informers:
            await informer.listed.wait()
        garbage.keep_caches()  # as at the takeover
        await _serve(manager)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(manager: Manager) -> None:
    server = manager.servers["webhooks"]
    if not isinstance(server, WebhookServer):
        raise TypeError("there is no webhook server")
    server.leaving = Leaving(0.0, 1.0)
    loop, relists = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    running = asyncio.create_task(server.run())
    loop.add_signal_handler(signal.SIGTERM, running.cancel)
    loop.add_signal_handler(
        signal.SIGUSR1, lambda: relists.add(asyncio.create_task(_relist(manager)))
    )
    await server.listening()
    _say(str(server.port))
    await asyncio.gather(running, return_exceptions=True)


async def _relist(manager: Manager) -> None:
    begun = time.perf_counter()
    await asyncio.gather(*(one.relist() for one in manager.informers))
    _say(f"{time.perf_counter() - begun:.2f}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
