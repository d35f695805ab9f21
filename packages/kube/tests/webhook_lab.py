"""A running webhook server, and somebody who calls it as the API server does."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from prometheus_client import CollectorRegistry

from moorage_kube.webhook.authority import Bundle, Lifetimes, renewed
from moorage_kube.webhook.callers import Callers
from moorage_kube.webhook.certificates import FileCertificates
from moorage_kube.webhook.connections import Limits
from moorage_kube.webhook.metrics import webhook_metrics
from moorage_kube.webhook.server import Address, Leaving, WebhookServer
from moorage_kube.webhook.webhook import Webhook
from moorage_testing.waiting import until

JSON = {"Content-Type": "application/json"}
BEGIN = dt.datetime.now(dt.UTC)
POD = {"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {"containers": []}}


def review(**changes: Any) -> dict[str, Any]:
    """A good question about the creation of a pod, but for what is given."""
    request: dict[str, Any] = {
        "uid": "705ab4f5",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "name": "p",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "jane", "uid": "u1", "groups": ["system:authenticated"]},
        "object": POD,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions"},
    }
    request |= changes
    request = {key: value for key, value in request.items() if value is not ...}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def pair(*names: str) -> Bundle:
    """An authority, and a certificate of it for these names, by default this machine."""
    return renewed(None, names or ("localhost",), BEGIN, trusted_since=BEGIN, lifetimes=Lifetimes())


def write_pair(folder: Path, bundle: Bundle) -> tuple[Path, Path]:
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(bundle.chain)
    key.write_bytes(bundle.key)
    return certificate, key


def client_context(*bundles: Bundle) -> ssl.SSLContext:
    """What a client trusts."""
    text = b"".join(bundle.ca_bundle for bundle in bundles).decode()
    return ssl.create_default_context(cadata=text)


@dataclass
class Lab:
    """A server and what it runs on."""

    server: WebhookServer
    folder: Path
    bundle: Bundle
    task: asyncio.Task[None]
    registry: CollectorRegistry
    trusted: list[Bundle] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"moorage_lab_webhook_{name}", labels) or 0.0

    @contextlib.asynccontextmanager
    async def caller(self) -> AsyncIterator[aiohttp.ClientSession]:
        """Somebody who trusts the certificate and keeps connections."""
        context = client_context(self.bundle, *self.trusted)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
            yield session

    async def ask(
        self, path: str = "/check", body: Any = None, **more: Any
    ) -> tuple[int, dict[str, Any] | str]:
        """Status, and the ``response`` of the answer or its text."""
        async with self.caller() as session:
            return await ask(session, f"{self.url}{path}", body, **more)

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which anything can be said."""
        return await asyncio.open_connection(
            "127.0.0.1",
            self.server.port,
            ssl=client_context(self.bundle),
            server_hostname="localhost",
        )


async def ask(
    session: aiohttp.ClientSession, url: str, body: Any = None, **more: Any
) -> tuple[int, dict[str, Any] | str]:
    content = body if isinstance(body, bytes) else orjson.dumps(review() if body is None else body)
    asked = {"method": "POST", "data": content, "headers": JSON} | more
    method = asked.pop("method")
    async with session.request(method, url, server_hostname="localhost", **asked) as answer:
        text = await answer.read()
        if answer.status != 200:
            return answer.status, text.decode()
        parsed = orjson.loads(text)
        assert answer.content_type == "application/json"
        assert (parsed["apiVersion"], parsed["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
        response: dict[str, Any] = parsed["response"]
        return answer.status, response


async def question_of(port: int, bundle: Bundle) -> tuple[int, dict[str, Any] | str]:
    """Ask a server on this port, which no :class:`Lab` knows, once."""
    connector = aiohttp.TCPConnector(ssl=client_context(bundle))
    async with aiohttp.ClientSession(connector=connector) as session:
        return await ask(session, f"https://127.0.0.1:{port}/check")


@contextlib.asynccontextmanager
async def running(
    folder: Path,
    webhooks: Iterable[Webhook],
    limits: Limits | None = None,
    callers: Callers | None = None,
) -> AsyncIterator[Lab]:
    """A server that listens; ended without notice, unless a test ended it itself."""
    bundle = pair()
    certificates = FileCertificates(*write_pair(folder, bundle), refresh_seconds=0.05)
    registry = CollectorRegistry()
    server = WebhookServer(
        webhooks,
        certificates,
        webhook_metrics("moorage-lab", registry),
        Address("127.0.0.1", 0),
        limits or Limits(),
    )
    server.leaving = Leaving(0.0, 5.0)
    server.callers = callers
    task = asyncio.create_task(server.run())
    try:
        await until(lambda: server.ready() is None or task.done(), "the server to listen")
        if task.done():
            await task
        yield Lab(server, folder, bundle, task, registry)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
