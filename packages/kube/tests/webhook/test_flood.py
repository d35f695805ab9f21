"""Strangers on the port of the webhooks never cost a leader in the same process its Lease."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from webhook_lab import pair, question_of, write_pair

from moorage_domain.admission import AdmissionRequest, Allowed, Decision
from moorage_kube.manager import lifecycle as lifecycle_module
from moorage_kube.manager.lifecycle import Lifecycle
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.settings import ElectedSettings
from moorage_kube.webhook.certificates import FileCertificates
from moorage_kube.webhook.connections import Limits
from moorage_kube.webhook.metrics import webhook_metrics
from moorage_kube.webhook.server import Address, Leaving, WebhookServer
from moorage_kube.webhook.webhook import Webhook
from moorage_testing.apiserver import ApiServer, serve
from moorage_testing.waiting import until

SETTINGS = {"metrics_port": 0, "metrics_host": "127.0.0.1", "lease_retry": 0.2}
# Fewer than there are strangers, each of whom may hold a place for a short time only.
LIMITS = Limits(connections=200, handshake_seconds=1.0, request_seconds=1.0)
PATIENCE = 120.0


def allow(_: AdmissionRequest) -> Decision:
    return Allowed()


def renewals(server: ApiServer) -> int:
    return sum("/leases/" in asked.path for asked in server.requests("PUT"))


@contextlib.asynccontextmanager
async def leading(
    api: ApiServer, certificates: FileCertificates
) -> AsyncIterator[tuple[Lifecycle, int]]:
    """A process that has the Lease and serves webhooks, and on which port."""
    made: list[WebhookServer] = []

    def setup(manager: Manager) -> None:
        metrics = webhook_metrics("moorage-lab", manager.registry)
        address = Address("127.0.0.1", 0)
        server = WebhookServer([Webhook("/check", allow)], certificates, metrics, address, LIMITS)
        server.leaving = Leaving(0.0, 1.0)
        made.append(server)
        manager.serve("webhooks", server)

    settings = ElectedSettings.model_validate(SETTINGS)
    lifecycle = Lifecycle(settings, api.connection(namespace="default"), setup)
    try:
        await lifecycle.open()
        await lifecycle.start()
        await until(lambda: lifecycle.manager.election.is_leader, "the Lease")
        await made[0].listening()
        yield lifecycle, made[0].port
    finally:
        await lifecycle.stop()


@contextlib.asynccontextmanager
async def flood(port: int) -> AsyncIterator[asyncio.StreamReader]:
    """Strangers in a process of their own; yields what it prints."""
    program = Path(__file__).with_name("strangers.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), str(port), stdout=asyncio.subprocess.PIPE
    )
    if process.stdout is None:
        raise RuntimeError("it has no output")
    try:
        yield process.stdout
        assert process.returncode is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def test_the_lease_is_renewed_all_along_and_questions_are_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lifecycle_module, "leave_within", lambda _seconds, _code: None)
    bundle = pair()
    certificates = FileCertificates(*write_pair(tmp_path, bundle))
    async with (
        asyncio.timeout(PATIENCE),
        serve(ApiServer()) as api,
        leading(api, certificates) as (lifecycle, port),
    ):
        election, before = lifecycle.manager.election, renewals(api)
        async with flood(port) as strangers:
            while int(await strangers.readline()) < 500:
                assert election.is_leader
            await until(lambda: renewals(api) >= before + 10, "ten renewals", PATIENCE)
            assert (await question_of(port, bundle))[0] == 200
            assert election.is_leader
            assert election.missing() is None
        # Whoever loses the Lease, if only for a moment, wants to stop.
        assert not lifecycle.stop_wanted.is_set()
        assert lifecycle.exit_code == 0
    assert [record for record in caplog.records if record.exc_info] == []
