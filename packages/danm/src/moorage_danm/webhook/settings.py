"""The settings of the admission service, beyond those that every webhook has."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from moorage_danm.webhook import first_version
from moorage_domain.lists import parts_of
from moorage_kube.manager.settings import in_group
from moorage_kube.manager.webhooks import WebhookSettings
from moorage_kube.telemetry.logs import LogLevel
from moorage_kube.webhook.callers import Callers
from moorage_kube.webhook.server import DEFAULT_PORT

Mode = Literal["off", "advise", "sync", "enforce"]


class DanmWebhookSettings(WebhookSettings):
    """Settings of ``moorage-danm webhook``."""

    prog: ClassVar[str] = "moorage-danm-webhook"
    version: ClassVar[str] = version("moorage-danm")
    description: ClassVar[str] = (
        "Says, as a pod or its template is created, what will come of its static DANM addresses:"
        " who has them, whether that one still runs, and what can never work. It frees nothing;"
        " the controller does."
    )

    mode: Mode = Field(
        "advise",
        description="What is done about a pod whose static address somebody has. off: nothing."
        " advise: it is allowed with a warning. sync: as advise, but where that one's node is dead"
        " or its pod is gone, the controller is asked to free the address first, and the answer"
        " waits for it. enforce: it is refused where a pod of another owner runs with it, or where"
        " DANM would refuse it.",
        json_schema_extra=in_group("admission"),
    )
    sync_seconds: float = Field(
        1.0,
        ge=0.1,
        le=4.0,
        description="How long an answer waits in mode sync; then the pod is allowed all the same.",
        json_schema_extra=in_group("admission"),
    )
    admit_all: bool = Field(
        default=False,
        description="Allow everything before anything is looked at, as mode off does.",
        json_schema_extra=in_group("admission", "--admitAll"),
    )
    webhook_port: int = Field(
        DEFAULT_PORT,
        ge=0,
        le=65535,
        description="Port of the webhooks; 0: a free one, see the log.",
        json_schema_extra=in_group("webhooks", "--port"),
    )
    webhook_certificate: str = Field(
        "",
        description="File of their certificate (PEM), where somebody else makes it.",
        json_schema_extra=in_group("webhooks", "--certFile"),
    )
    webhook_key: str = Field(
        "",
        description="File of its key (PEM).",
        json_schema_extra=in_group("webhooks", "--keyFile"),
    )
    client_auth: bool = Field(
        default=False,
        description="Whether callers must show a certificate. The API server shows one only where"
        " its --admission-control-config-file says which.",
        json_schema_extra=in_group("webhooks", "--clientAuth"),
    )
    client_ca_file: str = Field(
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        min_length=1,
        description="File of the authorities that may have signed it (PEM), with --client-auth.",
        json_schema_extra=in_group("webhooks", "--clientCAFile"),
    )
    client_names: str = Field(
        "",
        description="Names in it, separated by commas: its common name, or names of hosts. Empty:"
        " any but that of a kubelet, for which the authority of a cluster signs, too.",
        json_schema_extra=in_group("webhooks"),
    )
    log_file: str = Field(
        "",
        description="File into which all log lines are written, too: 1 MB, and five older ones.",
        json_schema_extra=in_group("output", "--logFile"),
    )
    log_level: LogLevel = Field(
        "info",
        description="Least important lines shown.",
        json_schema_extra=in_group("output", "--logLevel"),
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _level_of_the_first_version(cls, level: object) -> object:
        return first_version.log_level(level) if isinstance(level, str) else level

    @property
    def evaluates(self) -> bool:
        """Whether anything is looked at."""
        return self.mode != "off" and not self.admit_all

    def callers(self) -> Callers | None:
        if not self.client_auth:
            return None
        return Callers(Path(self.client_ca_file), parts_of(self.client_names))
