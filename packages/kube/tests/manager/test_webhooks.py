"""A manager serves webhooks as its settings say: which port, which certificate."""

from __future__ import annotations

from pathlib import Path

import pytest

from moorage_domain.admission import AdmissionRequest, Allowed
from moorage_kube.client.client import Client
from moorage_kube.election.none import NoElection
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.settings import CommonSettings, load
from moorage_kube.manager.webhooks import WebhookSettings, serve_webhooks
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import process_metrics
from moorage_kube.webhook.certificates import FileCertificates
from moorage_kube.webhook.self_managed import SelfManagedCertificates
from moorage_kube.webhook.webhook import Webhook
from moorage_testing.apiserver import ApiServer


def allow(_: AdmissionRequest) -> Allowed:
    return Allowed()


def manager_with(settings: CommonSettings) -> Manager:
    client = Client(ApiServer().connection())
    events = EventRecorder(client, settings.prog)
    metrics = process_metrics(settings.prog)
    return Manager(settings, "me", client, NoElection(), events, metrics)


def test_every_replica_serves_them_and_is_ready_only_with_a_certificate() -> None:
    manager = manager_with(WebhookSettings.model_validate({}))
    serve_webhooks(manager, Webhook("/validate", allow))
    (task,) = manager.background
    assert (task.name, task.while_leading) == ("webhooks", False)
    assert manager.checks["webhooks"]() == "no certificate yet"


def test_without_files_the_certificates_are_of_our_own_making() -> None:
    settings = WebhookSettings.model_validate({"webhook_name": "hooks"})
    assert isinstance(settings.certificates(manager_with(settings)), SelfManagedCertificates)


def test_with_files_they_are_somebody_elses(tmp_path: Path) -> None:
    crt, key = str(tmp_path / "tls.crt"), str(tmp_path / "tls.key")
    settings = WebhookSettings.model_validate({"webhook_certificate": crt, "webhook_key": key})
    certificates = settings.certificates(manager_with(settings))
    assert isinstance(certificates, FileCertificates)
    certificates.refresh()
    assert certificates.ready() == f"{crt}: No such file or directory"


def test_a_certificate_without_its_key_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        load(WebhookSettings, ["--webhook-certificate", "tls.crt"])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "give both --webhook-certificate and --webhook-key" in line


def test_settings_without_webhooks_serve_none() -> None:
    with pytest.raises(TypeError, match="CommonSettings is not a WebhookSettings"):
        serve_webhooks(manager_with(CommonSettings.model_validate({})), Webhook("/validate", allow))
