"""The admission service in memory, in virtual time, and over TLS as the API server calls it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import trustme
from danm_admission_objects import Danm, Raw

from moorage_danm.names import WANTED
from moorage_danm.webhook.controller import setup
from moorage_danm.webhook.registration import PATH
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_kube.client.client import Client
from moorage_kube.election.none import NoElection
from moorage_kube.manager.manager import Manager
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import process_metrics
from moorage_kube.webhook.admission import answer, parse
from moorage_kube.webhook.server import Leaving, WebhookServer
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer, MemoryTransport
from moorage_testing.harness import Scenario, World, managed
from moorage_testing.waiting import until

POLL_SECONDS = 0.05
JSON = {"Content-Type": "application/json"}


def settings_of(**settings: Any) -> DanmWebhookSettings:
    return DanmWebhookSettings.model_validate(settings)


class AdmissionLab:
    """A running admission service without sockets."""

    def __init__(self, **settings: Any) -> None:
        start = managed(settings_of(**settings), setup)
        self.world = World(Scenario(start=start, arrange=lambda _: None))
        self.danm = Danm(self.world.server)

    @property
    def server(self) -> ApiServer:
        return self.world.server

    @property
    def manager(self) -> Manager:
        assert self.world.manager is not None
        return self.world.manager

    async def ask(self, review: Raw) -> Raw:
        """The response to a review, as the API server gets it; uids must fit."""
        server = self.manager.servers["webhooks"]
        assert isinstance(server, WebhookServer)
        question = parse(json.dumps(review).encode())
        found = server.webhooks[PATH].answer(question, 60.0)
        decision, _ = found if isinstance(found, tuple) else await found
        response: Raw = json.loads(answer(question, decision))["response"]
        assert response["uid"] == review["request"]["uid"]
        assert isinstance(response["allowed"], bool)
        assert "patch" not in response
        return response

    async def warnings(self, review: Raw) -> list[str]:
        """Of a review that is allowed."""
        response = await self.ask(review)
        assert response["allowed"]
        warnings: list[str] = response.get("warnings", [])
        return warnings

    def demanded(self) -> dict[str, str]:
        """Endpoints whose addresses are asked for, with the time."""
        return {
            raw["metadata"]["name"]: raw["metadata"]["annotations"][WANTED]
            for path, raw in self.server.objects.items()
            if "/danmeps/" in path and WANTED in (raw["metadata"].get("annotations") or {})
        }

    @property
    def written(self) -> list[str]:
        """Every write so far."""
        return [str(one) for one in self.server.asked if one.mutating]

    def metric(self, name: str, **labels: str) -> float:
        found = self.manager.registry.get_sample_value(f"moorage_danm_webhook_{name}", labels)
        return found or 0.0


Story = Callable[[AdmissionLab], Awaitable[None]]


def play(story: Story, arrange: Callable[[Danm], object] = lambda _: None, **settings: Any) -> None:
    """Run a story in virtual time, once all that was there at the start is known."""

    async def whole() -> None:
        lab = AdmissionLab(**settings)
        arrange(lab.danm)
        lab.world.begin()
        await asyncio.sleep(1.0)
        try:
            await story(lab)
            assert not lab.world.deaths
        finally:
            await lab.world.kill()

    virtual_time.run(whole())


@dataclass
class Served:
    """The service behind its port, and those whom it and its callers trust.

    Attributes:
        api: the API server that it reads.
        authority: signed what it shows.
        callers: signs what callers must show, where they must.
    """

    server: WebhookServer
    manager: Manager
    api: ApiServer
    folder: Path
    authority: trustme.CA
    callers: trustme.CA
    trusted: list[trustme.CA] = field(default_factory=list)

    def context(self, shown: trustme.LeafCert | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context()
        for one in (self.authority, *self.trusted):
            one.configure_trust(context)
        if shown is not None:
            shown.configure_cert(context)
        return context

    @contextlib.asynccontextmanager
    async def session(
        self, shown: trustme.LeafCert | None = None
    ) -> AsyncIterator[aiohttp.ClientSession]:
        """A caller that keeps its connections."""
        connector = aiohttp.TCPConnector(ssl=self.context(shown))
        async with aiohttp.ClientSession(connector=connector) as session:
            yield session

    async def call(
        self, body: Any, *, path: str = PATH, shown: trustme.LeafCert | None = None, **more: Any
    ) -> tuple[int, Any]:
        """Status and answer, as JSON where it is some."""
        async with self.session(shown) as session:
            return await self.call_by(session, body, path=path, **more)

    async def call_by(
        self, session: aiohttp.ClientSession, body: Any, *, path: str = PATH, **more: Any
    ) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        asked: dict[str, Any] = {"method": "POST", "data": io.BytesIO(data), "headers": JSON} | more
        method = asked.pop("method")
        url = f"https://localhost:{self.server.port}{path}"
        async with session.request(method, url, **asked) as answered:
            text = await answered.text()
            return answered.status, json.loads(text) if answered.status == 200 else text

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which anything can be said."""
        return await asyncio.open_connection(
            "localhost", self.server.port, ssl=self.context(), server_hostname="localhost"
        )

    def metric(self, name: str, **labels: str) -> float:
        found = self.manager.registry.get_sample_value(f"moorage_danm_{name}", labels)
        return found or 0.0

    def show(self, leaf: trustme.LeafCert) -> None:
        """Put a certificate and its key where the service reads them."""
        (self.folder / "tls.key").write_bytes(leaf.private_key_pem.bytes())
        (self.folder / "tls.crt").write_bytes(b"".join(one.bytes() for one in leaf.cert_chain_pems))

    def trust_callers_of(self, *authorities: trustme.CA) -> None:
        (self.folder / "callers.pem").write_bytes(
            b"".join(one.cert_pem.bytes() for one in authorities)
        )


def leaf_of(
    authority: trustme.CA, name: str, *, group: str | None = None, days: int = 1
) -> trustme.LeafCert:
    """A certificate that ends in so many days, or ended so many days ago."""
    now = dt.datetime.now(dt.UTC)
    return authority.issue_cert(
        "localhost",
        common_name=name,
        organization_name=group,
        not_before=now - dt.timedelta(days=10),
        not_after=now + dt.timedelta(days=days),
    )


@contextlib.asynccontextmanager
async def served(
    folder: Path, arrange: Callable[[Danm], object] = lambda _: None, **settings: Any
) -> AsyncIterator[Served]:
    """The service on a free port, with a certificate of a file; ended without notice."""
    api, authority, callers = ApiServer(), trustme.CA(), trustme.CA()
    arrange(Danm(api))
    given = {
        "webhook_port": 0,
        "webhook_host": "127.0.0.1",
        "webhook_certificate": str(folder / "tls.crt"),
        "webhook_key": str(folder / "tls.key"),
        "client_ca_file": str(folder / "callers.pem"),
    }
    options = settings_of(**(given | settings))
    async with Client(api.connection(), transport=MemoryTransport(api)) as client:
        events = EventRecorder(client, options.prog)
        metrics = process_metrics(options.prog)
        manager = Manager(options, "lab", client, NoElection(), events, metrics)
        setup(manager)
        server = manager.servers["webhooks"]
        assert isinstance(server, WebhookServer)
        server.leaving = Leaving(0.0, 5.0)
        # Files are read again at once, where a process takes five seconds.
        server._certificates._refresh_seconds = POLL_SECONDS  # type: ignore[attr-defined]  # files
        lab = Served(server, manager, api, folder, authority, callers)
        lab.show(leaf_of(authority, "localhost"))
        lab.trust_callers_of(callers)
        tasks = [asyncio.create_task(one.run()) for one in manager.informers]
        tasks += [asyncio.create_task(one.run()) for one in manager.background]
        try:
            await until(lambda: server.ready() is None, "the service to listen")
            for informer in manager.informers:
                await informer.listed.wait()
            yield lab
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
