"""The settings of the agent, beyond those that every process has."""

from __future__ import annotations

from importlib.metadata import version
from math import floor
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from moorage_domain.link_patterns import link_pattern
from moorage_kube.manager.go_flags import GoFlags
from moorage_kube.manager.settings import also, in_group, without_effect
from moorage_node_agent.model import Policy

_KERNEL_SECONDS = 1.2
"""So much later than asked for the kernel removes an address at worst; measured."""
_WRITE_SECONDS = 0.5


class NodeAgentSettings(GoFlags):
    """Settings of ``moorage-node-agent``."""

    prog: ClassVar[str] = "moorage-node-agent"
    version: ClassVar[str] = version("moorage-node-agent")
    description: ClassVar[str] = (
        "Holds the addresses of IpClaims that name this node, and announces them on its links."
    )

    node_name: str = Field(
        validation_alias=also("MOORAGE_NODE_NAME", "NODE_NAME"),
        description="The node it runs on.",
        json_schema_extra=in_group("node", "--hostname"),
    )
    interface: str = Field(
        "",
        max_length=15,
        description="Link that gets the addresses whose pool names none; empty: the one whose"
        " subnet has the address.",
        json_schema_extra=in_group("node", "--iface"),
    )
    interface_pattern: str = Field(
        "",
        max_length=256,
        description="A regular expression for the whole name of that link, as in `eth[0-9]+`.",
        json_schema_extra=in_group("node"),
    )
    proxy_port: int = Field(
        10256,
        ge=0,
        le=65535,
        description="Local port of the service proxy's health check (kube-proxy: 10256), asked"
        " before an address is taken; 0: not asked.",
        json_schema_extra=in_group("node"),
    )
    proxy_wait: float = Field(
        2.0,
        ge=0,
        le=60,
        description="Seconds an address waits for the service proxy; then it is taken anyway.",
        json_schema_extra=in_group("node"),
    )
    on_contact_loss: Literal["HoldUntilContested", "Withdraw"] = Field(
        "HoldUntilContested",
        description="What is done while the API server is away. HoldUntilContested: addresses stay"
        " until another machine announces them. Withdraw: all are let go before others take them.",
        json_schema_extra=in_group("liveness"),
    )
    renew_seconds: float = Field(
        1.0,
        ge=0.2,
        le=10,
        description="Seconds between renewals of the Lease, and of addresses in the kernel.",
        json_schema_extra=in_group("liveness"),
    )
    valid_seconds: int = Field(
        3,
        ge=1,
        le=60,
        description="Seconds an address lives in the kernel without a renewal.",
        json_schema_extra=in_group("liveness"),
    )
    lease_seconds: int = Field(
        5,
        ge=2,
        le=120,
        description="Seconds after which a silent node counts as dead.",
        json_schema_extra=in_group("liveness"),
    )
    lease_namespace: str | None = Field(
        None,
        validation_alias=also("MOORAGE_LEASE_NAMESPACE", "LEASE_NAMESPACE", "POD_NAMESPACE"),
        description="Namespace of the Lease; else the connection's, else default.",
        json_schema_extra=in_group("liveness"),
    )
    hold_seconds: int = Field(
        30,
        ge=0,
        le=300,
        description="Seconds for which the addresses stay on a node whose agent ends without a"
        " drain, so that the next one finds them; 0: always drain.",
        json_schema_extra=in_group("exit"),
    )
    drain_seconds: float = Field(
        3.0,
        ge=0,
        le=20,
        description="Seconds an agent that drains waits until its addresses have moved.",
        json_schema_extra=in_group("exit"),
    )
    announce_every: float = Field(
        30.0,
        ge=0,
        le=3600,
        description="Seconds between announcements of an address; 0: only when it is taken.",
        json_schema_extra=in_group("network"),
    )
    announce_rate: int = Field(
        1000,
        ge=10,
        le=100_000,
        description="Announcements a second at most.",
        json_schema_extra=in_group("network"),
    )
    network_namespace: str = Field(
        "",
        description="File of the network namespace whose links are used, such as /proc/1/ns/net;"
        " empty: the process's own.",
        json_schema_extra=in_group("network"),
    )

    hb: str | None = Field(
        None,
        max_length=16,
        description="Of the first version and without effect: --renew-seconds says how often the"
        " node shows that it lives.",
        json_schema_extra=without_effect(),
    )

    @field_validator("interface_pattern")
    @classmethod
    def _pattern_is_safe(cls, text: str) -> str:
        if text:
            link_pattern(text)
        return text

    def policy(self) -> Policy:
        """What decisions go by."""
        return Policy(
            valid=self.valid_seconds,
            valid_at_first=max(1, floor(self.valid_seconds - self.renew_seconds)),
            # The Lease brings it each time it is renewed; this is for when a renewal hangs.
            refresh=1.5 * self.renew_seconds,
            withdraw=self.on_contact_loss == "Withdraw",
            withdraw_after=self.lease_seconds - self.renew_seconds,
            trust=self.lease_seconds - self.valid_seconds - _KERNEL_SECONDS,
            proxy_wait=self.proxy_wait,
            announce_every=self.announce_every,
        )

    @model_validator(mode="after")
    def _one_link(self) -> Self:
        if self.interface and self.interface_pattern:
            raise ValueError(
                f"--interface {self.interface!r} and --interface-pattern"
                f" {self.interface_pattern!r} name the link twice: leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _addresses_die_before_the_node(self) -> Self:
        """Else a node that is believed dead could still answer for its addresses."""
        least = self.valid_seconds + _KERNEL_SECONDS + _WRITE_SECONDS
        if self.lease_seconds < least:
            raise ValueError(
                f"--lease-seconds must be at least {least:g}, that is --valid-seconds + 1.7: else a"
                " node that counts as dead may still have its addresses"
            )
        if self.valid_seconds < 2 * self.renew_seconds:
            raise ValueError("--valid-seconds must be twice --renew-seconds at least")
        return self
