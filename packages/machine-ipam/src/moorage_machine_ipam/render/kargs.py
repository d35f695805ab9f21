"""The network of a machine as arguments of its kernel, as machine-api-operator writes them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address

from moorage_machine_ipam.render.values import Lease


def kargs(leases: Sequence[Lease], nameservers: Iterable[str], gateway: str | None = None) -> str:
    """The arguments of one device, to the byte; those of several devices are put together.

    Shape: ``ip=<address>::<gateway>:<netmask>:::none`` for each lease, IPv6 in brackets and with
    the length of the prefix, then ``nameserver=<address>``; a space after each, the last included.
    ``""``: there is neither a lease nor a name server. A lease whose family is not the gateway's
    has an empty gateway.

    ``gateway``: ``devices[].gateway`` of a device that has no pools, ``""`` if it has none.
    ``None``: the leases come from pools, and the last one that has a gateway decides.

    Source: ``constructKargsFromNetworkConfig`` and ``getAddressesFromPool`` in
    pkg/controller/vsphere/reconciler.go of openshift/machine-api-operator.
    """
    if gateway is None:
        gateway = next((lease.gateway for lease in reversed(leases) if lease.gateway), "")
    version = ipaddress.ip_address(gateway).version if gateway else 0
    words = [_ip(lease, gateway if lease.version == version else "") for lease in leases]
    words.extend(f"nameserver={_nameserver(text)}" for text in nameservers)
    return "".join(f"{word} " for word in words)


def _ip(lease: Lease, gateway: str) -> str:
    if isinstance(lease.subnet, IPv4Network):
        return f"ip={lease.address}::{gateway}:{lease.subnet.netmask}:::none"
    bracketed = f"[{gateway}]" if gateway else ""
    return f"ip=[{lease.address}]::{bracketed}:{lease.prefix}:::none"


def _nameserver(text: str) -> str:
    # Go's To4 takes an IPv4-mapped address for IPv4, and what is no address at all for IPv6.
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return f"[{text}]"
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped is None or ip.scope_id):
        return f"[{text}]"
    return text
