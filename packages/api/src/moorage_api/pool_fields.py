"""What all pools of addresses have in common: types of fields of specs, their rules, the status."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from moorage_api.conditions import Conditions
from moorage_api.wire import Wire, rule

MAX_RANGES = 256
IP_LENGTH = 45
"""Of the longest text of an address."""

_CIDR_RULES: list[JsonValue] = [
    rule(
        "isCIDR(self) && cidr(self) == cidr(self).masked()",
        "is no range of addresses; write the first address and the length, as in 192.168.100.64/28",
    ),
]
_IP_RULES: list[JsonValue] = [
    rule("isIP(self)", "is no IP address; write one like 192.168.100.1 or 2001:db8::1"),
]
_RANGE_RULES: list[JsonValue] = [
    rule(
        "isIP(self) || isCIDR(self) || (self.split('-').size() == 2"
        " && self.split('-').all(one, isIP(one)))",
        "is no range; write 192.168.100.64/28, 192.168.100.64-192.168.100.79 or 192.168.100.64",
    ),
]
_NETWORK_RULES: list[JsonValue] = [
    rule(
        "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "is no name of a network; write lower-case letters, digits and dashes, as in lab-1",
    ),
    rule(
        "self == oldSelf", "cannot be changed, since addresses are in use there; make another pool"
    ),
]


Cidr = Annotated[
    str, Field(max_length=49, json_schema_extra={"x-kubernetes-validations": _CIDR_RULES})
]
"""A network: its first address and the length of its prefix."""
Ip = Annotated[
    str, Field(max_length=IP_LENGTH, json_schema_extra={"x-kubernetes-validations": _IP_RULES})
]
"""One address."""
Range = Annotated[
    str, Field(max_length=100, json_schema_extra={"x-kubernetes-validations": _RANGE_RULES})
]
"""A CIDR, first-last or a single address."""
Ranges = Annotated[list[Range], Field(max_length=MAX_RANGES)]
Excluded = Annotated[
    Ranges,
    Field(description="Addresses that are never given out: CIDRs, first-last or single ones."),
]
Network = Annotated[
    str,
    Field(
        min_length=1,
        max_length=63,
        description="Network of the addresses. Pools of one network never give one address twice;"
        " equal ranges of two networks are different addresses.",
        json_schema_extra={"x-kubernetes-validations": _NETWORK_RULES},
    ),
]
ReuseDelay = Annotated[
    int,
    Field(ge=0, le=604800, description="How long a released address is given to nobody."),
]
"""Seconds."""
NearlyFull = Annotated[
    int,
    Field(ge=1, le=100, description="From so much in use on, the condition NearlyFull is True."),
]
"""Percent."""
NEARLY_FULL = 90
"""Where the spec does not say it."""


class PoolStatus(Wire):
    """How many addresses there are, as of the last change."""

    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this status answers."
    )
    total: Annotated[str, Field(max_length=40)] = Field(
        default="", description="Addresses that can be given out; text, for IPv6 has so many."
    )
    used: int = Field(default=0, description="Addresses of this pool's ranges in use.")
    free: Annotated[str, Field(max_length=40)] = Field(
        default="", description="Addresses that can be given out now."
    )
    quarantined: int = Field(default=0, description="Released addresses in their reuse delay.")
    out_of_range: int = Field(
        default=0, description="Addresses of this pool in use that its ranges no longer have."
    )
    waiting: int = Field(default=0, description="Who waits for an address of this pool.")
    conditions: Conditions = Field(
        default_factory=list,
        description="Ready, NearlyFull, Exhausted, Overlapping and OutOfRange.",
    )
