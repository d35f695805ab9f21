"""Webhooks in a manager: their settings, and the server that every replica runs."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from moorage_kube.manager.manager import Manager
from moorage_kube.manager.settings import CommonSettings, in_group
from moorage_kube.webhook.callers import Callers
from moorage_kube.webhook.certificates import Certificates, FileCertificates
from moorage_kube.webhook.connections import Limits
from moorage_kube.webhook.metrics import webhook_metrics
from moorage_kube.webhook.self_managed import Place, SelfManagedCertificates
from moorage_kube.webhook.server import DEFAULT_PORT, Address, WebhookServer
from moorage_kube.webhook.webhook import Webhook


class WebhookSettings(CommonSettings):
    """Settings of a process that serves webhooks."""

    webhook_port: int = Field(
        DEFAULT_PORT,
        ge=0,
        le=65535,
        description="Port of the webhooks; 0: a free one, see the log.",
        json_schema_extra=in_group("webhooks"),
    )
    webhook_host: str = Field(
        "0.0.0.0",  # noqa: S104 - the API server calls the pod's address
        description="Address of that port; :: for IPv6.",
        json_schema_extra=in_group("webhooks"),
    )
    webhook_name: str = Field(
        "",
        description=(
            "Name of the Service of the webhooks, of their configurations, which may have the"
            " namespace and a dot in front, and, with -tls, of the Secret of their own"
            " certificates; empty: the command's name."
        ),
        json_schema_extra=in_group("webhooks"),
    )
    webhook_certificate: str = Field(
        "",
        description="File of their certificate (PEM), where somebody else makes it.",
        json_schema_extra=in_group("webhooks"),
    )
    webhook_key: str = Field(
        "",
        description="File of its key (PEM).",
        json_schema_extra=in_group("webhooks"),
    )

    @model_validator(mode="after")
    def _key_and_certificate(self) -> Self:
        if bool(self.webhook_certificate) != bool(self.webhook_key):
            raise ValueError(
                "a certificate needs its key: give both --webhook-certificate and --webhook-key,"
                " or neither"
            )
        return self

    def certificates(self, manager: Manager) -> Certificates:
        """From files where they are given, else of our own making."""
        if self.webhook_certificate:
            return FileCertificates(Path(self.webhook_certificate), Path(self.webhook_key))
        name = self.webhook_name or self.prog
        configurations = (name, f"{manager.namespace}.{name}")
        place = Place(manager.namespace, name, f"{name}-tls", configurations, configurations)
        return SelfManagedCertificates(manager.client, place)

    def callers(self) -> Callers | None:
        """Who may call; ``None``: whoever can reach the port."""
        return None


def serve_webhooks(
    manager: Manager,
    *webhooks: Webhook,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> WebhookServer:
    """Serve them on every replica, as the settings of the process say.

    Raises ``TypeError`` where these are no :class:`WebhookSettings`. Without certificate files it
    needs the rights of :data:`moorage_domain.rbac.WEBHOOK_CERTIFICATE_RULES`.
    """
    settings = manager.settings
    if not isinstance(settings, WebhookSettings):
        raise TypeError(f"{type(settings).__name__} is not a WebhookSettings")
    server = WebhookServer(
        webhooks,
        settings.certificates(manager),
        webhook_metrics(settings.prog, manager.registry),
        Address(settings.webhook_host, settings.webhook_port),
        limits,
    )
    server.callers = settings.callers()
    manager.serve("webhooks", server)
    return server
