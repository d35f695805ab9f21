"""Interfaces that a pod asks for in its annotation, read as DANM reads them; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_danm.kinds import ANNOTATIONS, NetworkKind
from moorage_danm.model.addresses import address_of, is_static
from moorage_danm.model.network import NetworkRef, ref_to
from moorage_domain.families import Address, Family

_DECODER = json.JSONDecoder()
# In Python 3.11 a member looked up in its class costs as much as a call.
_IPV4, _IPV6 = Family
_KINDS = {
    "network": NetworkKind.DANM_NET,
    "tenantnetwork": NetworkKind.TENANT_NETWORK,
    "clusternetwork": NetworkKind.CLUSTER_NETWORK,
}
_KNOWN = frozenset({*_KINDS, "ip", "ip6", "proutes", "proutes6"})


class BadInterfaces(ValueError):
    """The annotation makes no sense to DANM; the message says what to change."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface that a pod asks for.

    Attributes:
        network: which network it is in.
        ip: what it asks for, as it is written; ``""`` = nothing. ``ip6`` likewise.
    """

    network: NetworkRef
    ip: str = ""
    ip6: str = ""

    @property
    def static(self) -> tuple[Address, ...]:
        """The certain addresses that it asks for."""
        found = []
        for text, family in ((self.ip, _IPV4), (self.ip6, _IPV6)):
            address = address_of(text)
            if address is not None and address.family is family:
                found.append(address)
        return tuple(found)


def annotations_of(annotations: Mapping[str, Any]) -> dict[str, str]:
    """Those in which DANM would look; more than one of them is ambiguous."""
    return {
        key: value
        for key, value in annotations.items()
        if isinstance(value, str) and any(one in key for one in ANNOTATIONS)
    }


def interfaces_of(text: str, namespace: str) -> tuple[Interface, ...]:
    """The interfaces that an annotation of a pod in ``namespace`` asks for.

    Text that follows the list is left out, as DANM does it. Raises :class:`BadInterfaces`.
    """
    try:
        found, _ = _DECODER.raw_decode(text.lstrip())
    except (ValueError, RecursionError) as error:
        raise BadInterfaces(f"it is not JSON: {error}; write a list of interfaces") from error
    if not isinstance(found, list):
        raise BadInterfaces('it is no list; write [{"network": "NAME", "ip": "ADDRESS"}]')
    return tuple([_interface(number, one, namespace) for number, one in enumerate(found, 1)])


def _interface(number: int, raw: object, namespace: str) -> Interface:
    if not isinstance(raw, dict):
        raise BadInterfaces(f"interface {number} is no object")
    # Go takes keys in any case.
    said = {str(key).lower(): value for key, value in raw.items()}
    if strange := sorted(said.keys() - _KNOWN):
        raise BadInterfaces(f"interface {number} has {strange[0]!r}, which DANM does not know")
    named = [(kind, said[key]) for key, kind in _KINDS.items() if said.get(key)]
    if len(named) != 1:
        what = "no network" if not named else "more than one network"
        raise BadInterfaces(
            f"interface {number} names {what}; write one of network, tenantNetwork, clusterNetwork"
        )
    kind, name = named[0]
    ip, ip6 = said.get("ip") or "", said.get("ip6") or ""
    if not (isinstance(name, str) and isinstance(ip, str) and isinstance(ip6, str)):
        raise BadInterfaces(f"interface {number}: network, ip and ip6 must be texts")
    return Interface(ref_to(kind, namespace, name), ip, ip6)


def bad_static(interface: Interface) -> str:
    """What of a wish for certain addresses is no address, for people; ``""`` = nothing is."""
    for text, family in ((interface.ip, Family.IPV4), (interface.ip6, Family.IPV6)):
        address = address_of(text)
        if is_static(text) and (address is None or address.family is not family):
            return f'"{text}" is no {family} address; write one, dynamic or none'
    return ""
