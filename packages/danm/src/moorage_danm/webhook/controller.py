"""The admission service put together: what ``moorage-danm webhook`` runs."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from moorage_danm.webhook.caches import AdmissionCaches
from moorage_danm.webhook.demands import Demands
from moorage_danm.webhook.first_version import translated
from moorage_danm.webhook.metrics import admission_metrics
from moorage_danm.webhook.service import Admission
from moorage_danm.webhook.settings import DanmWebhookSettings
from moorage_kube.client.connection import ConfigError
from moorage_kube.manager.manager import Manager
from moorage_kube.manager.process import run
from moorage_kube.manager.settings import load
from moorage_kube.manager.webhooks import serve_webhooks
from moorage_kube.telemetry import logs
from moorage_kube.webhook.connections import Limits

LIMITS = Limits(handshake_seconds=5.0, request_seconds=5.0, body_bytes=8 * 1024 * 1024)


def setup(manager: Manager) -> None:
    """Add everything to a manager: caches and the server, and nothing that leads.

    Raises :class:`moorage_kube.client.connection.ConfigError` where the log file is none.
    """
    settings = cast("DanmWebhookSettings", manager.settings)
    if settings.log_file:
        _log_to(settings)
    caches = AdmissionCaches()
    if settings.evaluates:
        caches.watch(manager)
    metrics = admission_metrics(settings.prog, manager.registry)
    demands = Demands(manager.client, caches)
    admission = Admission(settings, caches, demands, metrics)
    serve_webhooks(manager, *admission.webhooks(), limits=LIMITS)


def main(arguments: list[str]) -> int:
    """Run until stopped; the exit code. ``arguments``: behind ``moorage-danm webhook``."""
    return run(load(DanmWebhookSettings, translated(arguments)), setup)


def _log_to(settings: DanmWebhookSettings) -> None:
    try:
        logs.also_to_file(Path(settings.log_file), settings.log_format)
    except OSError as error:
        raise ConfigError(
            f"--log-file {settings.log_file!r} cannot be written: {error.strerror};"
            " name a file in a folder that is a writable volume, or leave it out"
        ) from error
