"""The settings of external-ip, beyond those that every controller has."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from moorage_domain.ranges import AddressRange, parse_ranges
from moorage_external_ip.placement.settings import PlacementSettings
from moorage_kube.manager.go_flags import GoFlags
from moorage_kube.manager.settings import ElectedSettings, in_group, without_effect


class ExternalIpSettings(ElectedSettings, PlacementSettings, GoFlags):
    """Settings of ``moorage-external-ip``."""

    prog: ClassVar[str] = "moorage-external-ip"
    version: ClassVar[str] = version("moorage-external-ip")
    description: ClassVar[str] = (
        "Gives Services addresses of IpClaimPools, and has each on one node that is live: an"
        " IpClaim says which, and an IPAllocation that nobody else has the address."
    )

    leader_elect: str | None = Field(
        None,
        max_length=16,
        description="Of the first version and without effect: one replica leads always.",
        json_schema_extra=without_effect(),
    )
    monitor: str | None = Field(
        None,
        max_length=16,
        description="Of the first version and without effect: each Lease of an agent says how long"
        " it lasts, and is judged when it ends.",
        json_schema_extra=without_effect(),
    )
    load_balancer_class: str = Field(
        "moorage.dev/external-ip",
        min_length=1,
        max_length=317,
        description="Value of spec.loadBalancerClass of the Services that are served.",
        json_schema_extra=in_group("services"),
    )
    serve_without_class: bool = Field(
        default=True,
        description="Whether Services of type LoadBalancer that name no class are served, too; not"
        " those to which somebody else has given an address.",
        json_schema_extra=in_group("services"),
    )
    reserved_cidrs: str = Field(
        "",
        description="Networks of which no address is ever given, separated by commas. Addresses"
        " and pod networks that Nodes name, the cluster's ServiceCIDRs, and addresses that Services"
        " have are known without.",
        json_schema_extra=in_group("services"),
    )
    prefix_length: int = Field(
        32,
        ge=0,
        le=32,
        description="Prefix length in the names of claims of IPv4 addresses of pools without cidr.",
        json_schema_extra=in_group("services", "--mask"),
    )
    node_filter: Literal["fair", "first-alive"] = Field(
        "fair",
        description="Which of the nodes that may have an address gets it: the one with the fewest"
        " addresses, or the first by name.",
        json_schema_extra=in_group("placement", "--nodefilter"),
    )

    @field_validator("reserved_cidrs")
    @classmethod
    def _cidrs_are_readable(cls, text: str) -> str:
        parse_ranges(text)
        return text

    def reserved(self) -> tuple[AddressRange, ...]:
        """Networks of which no address is ever given."""
        return parse_ranges(self.reserved_cidrs)
