"""Addresses as DANM writes them: with a prefix or without, ``none``, ``dynamic`` or empty; pure."""

from __future__ import annotations

import ipaddress

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, Family

NONE = "none"
DYNAMIC = "dynamic"
_WORDS = frozenset({"", NONE, DYNAMIC})


def address_of(text: object) -> Address | None:
    """The address of a text; ``None``: it names none.

    Any prefix is left out, as DANM does it. An IPv4-mapped address counts as IPv4.
    """
    if not isinstance(text, str) or text in _WORDS:
        return None
    host = text.partition("/")[0]
    if ":" not in host:
        return _ipv4(host)
    try:
        found = ipaddress.IPv6Address(host)
    except ValueError:
        return None
    if found.scope_id:
        return None
    if found.ipv4_mapped is not None:
        return Address(Family.IPV4, int(found.ipv4_mapped))
    return Address(Family.IPV6, int(found))


def _ipv4(host: str) -> Address | None:
    try:
        return Address(Family.IPV4, Family.IPV4.parse(host)) if host == host.strip() else None
    except InvalidAddress:
        return None


def is_static(text: object) -> bool:
    """Whether a pod asks for one certain address by this, even if it is no address."""
    return isinstance(text, str) and text not in _WORDS
