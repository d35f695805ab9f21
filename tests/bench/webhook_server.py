"""Run in a process of its own: a webhook server with one webhook; prints its port.

``python -m tests.bench.webhook_server CERTIFICATE KEY``
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Denied
from moorage_kube.manager import garbage
from moorage_kube.webhook.certificates import FileCertificates
from moorage_kube.webhook.server import Address, Leaving, WebhookServer
from moorage_kube.webhook.webhook import Webhook

PATH = "/pods"


def decide(request: AdmissionRequest) -> Decision:
    """A pod needs an owner, which is as much thinking as most webhooks do."""
    labels = (request.object or {}).get("metadata", {}).get("labels") or {}
    return Allowed() if labels.get("owner") else Denied("a pod needs an owner")


async def main() -> None:
    """Serve until SIGTERM."""
    certificate, key = map(Path, sys.argv[1:])
    server = WebhookServer(
        [Webhook(PATH, decide)], FileCertificates(certificate, key), address=Address("127.0.0.1", 0)
    )
    server.leaving = Leaving(0.0, 1.0)
    running = asyncio.create_task(server.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    listening = asyncio.create_task(server.listening())
    garbage.settle()  # as every process of ours does
    await asyncio.wait([running, listening], return_when=asyncio.FIRST_COMPLETED)
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    await running


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except asyncio.CancelledError:
        sys.exit(0)
