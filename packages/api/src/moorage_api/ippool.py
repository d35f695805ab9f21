"""IPPool: addresses for machines; the first version's kind, with optional fields beside its own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue

from moorage_api.crds import Column, Definition
from moorage_api.ipallocation import DEFAULT_NETWORK
from moorage_api.pool_fields import (
    NEARLY_FULL,
    Cidr,
    Excluded,
    Ip,
    NearlyFull,
    Network,
    PoolStatus,
    Ranges,
    ReuseDelay,
)
from moorage_api.wire import Wire, rule
from moorage_domain.kinds import Kind

IPPOOLS = Kind("ipamcontroller.openshift.io", "v1", "ippools", "IPPool", namespaced=True)

_MAX_RESERVED = 4096

# Dashes are not allowed in the names of CEL.
_SPEC_RULES: list[JsonValue] = [
    rule(
        "!isCIDR(self.address__dash__cidr) || self.prefix <="
        " (cidr(self.address__dash__cidr).ip().family() == 4 ? 32 : 128)",
        "prefix is longer than an address of this family; it is the length of the subnet",
    ),
    rule(
        "!has(self.gateway) || self.gateway == '' || !isIP(self.gateway)"
        " || !isCIDR(self.address__dash__cidr)"
        " || ip(self.gateway).family() == cidr(self.address__dash__cidr).ip().family()",
        "gateway and address-cidr are of different families; a pool has one family, so make"
        " another pool for the other one",
    ),
]


def _kebab(field: str) -> str:
    return field.replace("_", "-")


class Dashed(Wire):
    """A part of an object whose fields are spelled with dashes, as the first version did it."""

    model_config = ConfigDict(alias_generator=_kebab)


class IPPoolSpec(Dashed):
    """Which addresses there are, and what machines are told with them."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": _SPEC_RULES})

    address_cidr: Cidr = Field(
        description="Addresses that are given to machines, as in 192.168.101.64/28."
    )
    prefix: Annotated[int, Field(ge=0, le=128)] = Field(
        description="Length of the subnet's prefix, as in 23: machines get it with the address."
    )
    gateway: Annotated[str, Field(max_length=45)] = Field(
        default="", description="Gateway of the subnet; it is never given to a machine."
    )
    nameserver: Annotated[list[Ip], Field(max_length=16)] = Field(
        default_factory=list, description="Name servers of the machines."
    )
    gateway_on_link: bool = Field(
        default=False,
        description="Whether an IPv4 gateway outside of the subnet is meant: it is reached without"
        " another gateway.",
    )
    ranges: Ranges = Field(
        default_factory=list,
        description="More addresses beside address-cidr: CIDRs, first-last or single ones.",
    )
    exclude: Excluded = Field(default_factory=list)
    network: Network = DEFAULT_NETWORK
    strategy: Literal["lowest", "next", "random", "hash"] = Field(
        default="lowest",
        description="Which free address is given: the lowest, the next after the last one, any, or"
        " one that depends on the name of the claim.",
    )
    reuse_delay_seconds: ReuseDelay = 300
    when_only_quarantined: Literal["Wait", "Reuse"] = Field(
        default="Wait",
        description="What happens when nothing but released addresses in their delay is left: wait"
        " for the first one, or give out the one that was released first.",
    )
    nearly_full_percent: NearlyFull = NEARLY_FULL
    reserved: Annotated[dict[str, Ip], Field(max_length=_MAX_RESERVED)] = Field(
        default_factory=dict,
        description="Addresses by the name of the claim that gets them, and nobody else.",
        json_schema_extra={
            "x-kubernetes-validations": [
                rule("self.all(key, key.size() <= 253)", "has a name of more than 253 characters")
            ]
        },
    )


class IPPoolStatus(PoolStatus):
    """How many addresses there are, as of the last change."""

    waiting: int = Field(default=0, description="Claims that wait for an address.")


DEFINITION = Definition(
    kind=IPPOOLS,
    description="Addresses for machines.",
    spec=IPPoolSpec,
    status=IPPoolStatus,
    columns=(
        Column("CIDR", "string", ".spec.address-cidr"),
        Column("Prefix", "integer", ".spec.prefix"),
        Column("Gateway", "string", ".spec.gateway"),
        Column("Total", "string", ".status.total"),
        Column("Used", "integer", ".status.used"),
        Column("Free", "string", ".status.free"),
        Column("Quarantined", "integer", ".status.quarantined"),
        Column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status'),
        Column("Age", "date", ".metadata.creationTimestamp"),
    ),
)
