"""Names of claims, as the first version made them; pure."""

from __future__ import annotations

import ipaddress

from moorage_domain.addresses import label_value
from moorage_domain.families import Address, Family


def claim_name(address: Address, prefix: int) -> str:
    """``10-0-0-7-24``; IPv6 in full: ``2001-0db8-0000-…-0001-64``."""
    return f"{label_value(str(address))}-{prefix}"


def named_address(name: str) -> Address | None:
    """The address that the name of a claim means; ``None`` = it was not made of one."""
    *parts, _ = name.split("-")
    try:
        if len(parts) == 4:  # noqa: PLR2004 - bytes of an IPv4 address
            return Address(Family.IPV4, int(ipaddress.IPv4Address(".".join(parts))))
        return Address(Family.IPV6, int(ipaddress.IPv6Address(":".join(parts))))
    except ValueError:
        return None
