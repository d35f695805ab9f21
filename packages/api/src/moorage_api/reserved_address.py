"""A public address that somebody has reserved, as people write it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from moorage_api.wire import rule
from moorage_domain.addresses import NOT_PUBLIC

_IS_PRIVATE = (
    "[" + ", ".join(f"'{network}'" for network in NOT_PUBLIC) + "]"
    ".exists(n, cidr(n).containsIP(self))"
)

# Together with the list being a set, the canonical form makes a duplicate visible at linear cost.
_ADDRESS_RULES: list[JsonValue] = [
    rule(
        "isIP(self)",
        "is no IP address; write one like 203.0.113.10 or 2001:db8::1",
    ),
    rule(
        f"!isIP(self) || !{_IS_PRIVATE}",
        "is private, loopback, link-local or multicast, so no cloud can reserve it;"
        " list the public address instead",
    ),
    rule(
        "!isIP(self) || ip.isCanonical(self)",
        "is not in the shortest form, in which duplicates show; write 2001:db8::1 for"
        " 2001:0db8::0001",
    ),
]
ReservedAddress = Annotated[
    str, Field(max_length=39, json_schema_extra={"x-kubernetes-validations": _ADDRESS_RULES})
]
