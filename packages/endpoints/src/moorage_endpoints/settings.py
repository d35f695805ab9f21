"""The settings of endpoints, beyond those that every controller has."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from moorage_domain.ranges import AddressRange, parse_ranges
from moorage_endpoints.modes import Mode
from moorage_endpoints.nads.settings import NadSettings
from moorage_kube.manager.settings import ElectedSettings, in_group
from moorage_kube.manager.webhooks import WebhookSettings


class EndpointsSettings(ElectedSettings, WebhookSettings, NadSettings):
    """Settings of ``moorage-endpoints``."""

    prog: ClassVar[str] = "moorage-endpoints"
    version: ClassVar[str] = version("moorage-endpoints")
    description: ClassVar[str] = (
        "Has Services lead to the addresses that their pods have in secondary networks: it writes"
        " EndpointSlices of its own, which every service proxy and DNS server reads."
    )

    selector_services: Literal["auto", "handover", "companion", "legacy", "report"] = Field(
        "auto",
        description="What is done for a Service that names a network and has a spec.selector, so"
        " that Kubernetes writes its default addresses, unless its annotation moorage.dev/mode"
        " says it: handover keeps the selector in an annotation, companion makes a second Service,"
        " legacy rewrites Endpoints, report says only what to do. auto: handover with"
        " --webhook-services, else report.",
        json_schema_extra=in_group("services"),
    )
    webhook_services: bool = Field(
        default=False,
        description="Whether a webhook hands Services over as they are written, so that their"
        " default addresses never show.",
        json_schema_extra=in_group("services"),
    )

    allow_addresses: str = Field(
        "",
        description="Networks, ranges and single addresses, separated by commas, of which alone"
        " endpoints are published. Whoever may edit pods can write their network status, and so"
        " lead a Service to any address that is not kept out here. Empty: all.",
        json_schema_extra=in_group("services"),
    )

    @field_validator("allow_addresses")
    @classmethod
    def _addresses_are_ranges(cls, text: str) -> str:
        parse_ranges(text)
        return text

    @property
    def allowed(self) -> tuple[AddressRange, ...]:
        """Of which ranges endpoints are published; empty: of all."""
        return parse_ranges(self.allow_addresses)

    @property
    def default_mode(self) -> Mode:
        """The mode of Services with a selector that do not name one."""
        if self.selector_services == "auto":
            return Mode.HANDOVER if self.webhook_services else Mode.REPORT
        return Mode(self.selector_services)
