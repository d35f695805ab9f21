"""Addresses as people write them and as Moorage compares them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

# Never reachable from outside, whatever a cloud says. The documentation ranges are allowed: they
# are harmless, and examples and tests use them.
NOT_PUBLIC = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.168.0.0/16", "224.0.0.0/3", "::/127", "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip
# IPv4-mapped IPv6 addresses; the API server does not accept them as addresses either.
_MAPPED = "::ffff:0:0/96"
_NETWORKS = tuple(map(ipaddress.ip_network, (*NOT_PUBLIC, _MAPPED)))


class InvalidAddress(ValueError):
    """The text is not an address that can be used here; the message says what to write instead."""


def parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address of a text, with spaces around it or none. Raises ``InvalidAddress``."""
    written = text.strip()
    if "%" in written:
        raise InvalidAddress(
            f'"{text}" has a zone, which means something on one machine only:'
            f" write {written.partition('%')[0]}"
        )
    try:
        # Only IPv6 has colons; ip_address() would try IPv4 first, at twice the cost.
        if ":" in written:
            return ipaddress.IPv6Address(written)
        return ipaddress.IPv4Address(written)
    except ValueError as error:
        raise InvalidAddress(
            f'"{text}" is not an IP address: write one like 203.0.113.10 or 2001:db8::1'
        ) from error


def canonical(text: str) -> str:
    """The one spelling of an address, however it was written. Raises ``InvalidAddress``."""
    return str(parsed(text))


def public(text: str) -> str:
    """The canonical spelling of an address that can be public. Raises ``InvalidAddress``."""
    ip = canonical(text)
    address = ipaddress.ip_address(ip)
    for network in _NETWORKS:
        if address.version == network.version and address in network:
            raise InvalidAddress(
                f'"{text}" lies in {network}, which no cloud routes from outside:'
                " list the reserved public address instead"
            )
    return ip


@lru_cache(4096)  # called for every address in every pass
def label_value(ip: str) -> str:
    """The address as a label value: ``203-0-113-10``; IPv6 in full, so no dash at its end."""
    return ipaddress.ip_address(ip).exploded.replace(".", "-").replace(":", "-")
