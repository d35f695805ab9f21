"""DANM's IPAM: how a network's bits are reserved and freed, written down independently; pure."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

Raw = dict[str, Any]
_FAMILIES = (("ip", "alloc"), ("ip6", "alloc6"))


class InUse(Exception):
    """The address, or every address, is in use: the pod cannot start now."""


def fresh(cidr: str) -> str:
    """The bits of a new network: nothing is in use but the first and the last address."""
    size = ipaddress.ip_network(cidr).num_addresses
    return bits_text(size, {0, size - 1})


def reserved(network: Raw, wanted: Mapping[str, str]) -> tuple[Raw, dict[str, str]]:
    """The network with addresses reserved, and what an endpoint says of them.

    ``wanted``: ``ip`` and ``ip6`` as a pod's annotation has them. Raises :class:`InUse`.
    """
    new, said = deepcopy(network), {}
    options = new["spec"].get("Options") or {}
    for key, alloc in _FAMILIES:
        said[key] = _reserve(options, alloc, wanted.get(key) or "")
    return new, said


def freed(network: Raw, addresses: Mapping[str, str]) -> Raw:
    """The network with these addresses free; whose they are by now, nobody asks."""
    new = deepcopy(network)
    options = new["spec"].get("Options") or {}
    for key, alloc in _FAMILIES:
        index = bit(options, alloc, addresses.get(key) or "")
        if index is not None:
            _write_bits(options, alloc, used(options, alloc) - {index})
    return new


def used(options: Raw, alloc: str) -> set[int]:
    """Which bits are set."""
    raw = base64.b64decode(options.get(alloc) or "")
    whole = int.from_bytes(raw, "big")
    length = len(raw) * 8
    return {index for index in range(length) if whole >> (length - 1 - index) & 1}


def bit(options: Raw, alloc: str, address: str) -> int | None:
    """The bit of an address as it is written; ``None``: there is none for it."""
    if address in ("", "none") or not options.get(alloc):
        return None
    network = _network(options, alloc)
    found = ipaddress.ip_address(address.partition("/")[0])
    if found.version != network.version or found not in network:
        return None
    return int(found) - int(network.network_address)


def _reserve(options: Raw, alloc: str, wanted: str) -> str:
    if wanted in ("", "none"):
        return wanted
    network = _network(options, alloc)
    if wanted == "dynamic":
        index = _lowest_free(options, alloc)
        address = network.network_address + index
    else:
        address = ipaddress.ip_address(wanted.partition("/")[0])
        found = bit(options, alloc, str(address))
        if found is None:
            # Within the network, but outside of what bits are kept for.
            return f"{address}/{network.prefixlen}"
        index = found
        if index in used(options, alloc):
            raise InUse(f"{address} is already in use")
    _write_bits(options, alloc, used(options, alloc) | {index})
    return f"{address}/{network.prefixlen}"


def _lowest_free(options: Raw, alloc: str) -> int:
    network, taken = _network(options, alloc), used(options, alloc)
    pool = options.get("allocation_pool" if alloc == "alloc" else "allocation_pool_v6") or {}
    base = int(network.network_address)
    first, last = base + 1, base + network.num_addresses - 2
    if pool.get("start"):
        first = int(ipaddress.ip_address(pool["start"]))
        last = int(ipaddress.ip_address(pool["end"]))
    for number in range(first, last + 1):
        if number - base not in taken:
            return number - base
    raise InUse("no address is free")


def _network(options: Raw, alloc: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    if alloc == "alloc":
        return ipaddress.ip_network(options["cidr"])
    return ipaddress.ip_network(options["allocation_pool_v6"]["cidr"])


def _write_bits(options: Raw, alloc: str, bits: set[int]) -> None:
    options[alloc] = bits_text(_network(options, alloc).num_addresses, bits)


def bits_text(size: int, bits: set[int]) -> str:
    """The bits of so many addresses as they are written."""
    length = -(-size // 8) * 8
    whole = sum(1 << (length - 1 - index) for index in bits)
    return base64.b64encode(whole.to_bytes(length // 8, "big")).decode()
