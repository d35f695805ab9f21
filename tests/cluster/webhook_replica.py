"""One replica of a webhook server with certificates of its own making; takes port 0 or a number."""

import asyncio
import datetime as dt
import signal
import sys

from moorage_domain.admission import AdmissionRequest, Allowed, Decision, Denied, Patched
from moorage_kube.client.client import Client
from moorage_kube.client.connection import load_connection
from moorage_kube.telemetry import logs
from moorage_kube.webhook.authority import Lifetimes
from moorage_kube.webhook.self_managed import Place, SelfManagedCertificates
from moorage_kube.webhook.server import Address, WebhookServer
from moorage_kube.webhook.webhook import Webhook


def validate(request: AdmissionRequest) -> Decision:
    """Refuse what carries the label ``deny``; say when nothing will be written."""
    meta = (request.object or {}).get("metadata", {})
    if "deny" in (meta.get("labels") or {}):
        return Denied("this one is not wanted", 422, "Invalid")
    return Allowed(("only a dry run",) if request.dry_run else ())


def mutate(request: AdmissionRequest) -> Decision:
    """Write down who made it."""
    before = request.object or {}
    labels = (before["metadata"].get("labels") or {}) | {"made-by/whom": request.user.name}
    return Patched.between(before, {**before, "metadata": before["metadata"] | {"labels": labels}})


async def main(kubeconfig: str, host: str, namespace: str, *seconds: str) -> None:
    """Serve until SIGTERM; ``seconds``: of an authority, a certificate, the overlap, a refresh."""
    authority, serving, overlap, refresh = map(float, seconds)
    lifetimes = Lifetimes(*(dt.timedelta(seconds=each) for each in (authority, serving, overlap)))
    place = Place(namespace, "hooks", "hooks-tls", (namespace,), (namespace,))
    webhooks = (Webhook("/validate", validate), Webhook("/mutate", mutate))
    async with Client(load_connection(kubeconfig)) as client:
        certificates = SelfManagedCertificates(
            client, place, lifetimes=lifetimes, refresh_seconds=refresh
        )
        server = WebhookServer(webhooks, certificates, address=Address(host, 0))
        running = asyncio.create_task(server.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        await running


if __name__ == "__main__":
    logs.configure()
    try:
        asyncio.run(main(*sys.argv[1:]))
    except asyncio.CancelledError:
        sys.exit(0)
