"""Network status: which interfaces and addresses a pod has, entry by entry; strict and pure."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, parse_address
from moorage_domain.ranges import AddressRange
from moorage_endpoints.networks.selection import Selection

STATUS_ANNOTATION = "k8s.v1.cni.cncf.io/network-status"
LEGACY_STATUS_ANNOTATION = "k8s.v1.cni.cncf.io/networks-status"
"""The same content; Multus 4 does not write it any more."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One entry of a network status.

    Attributes:
        name: ``namespace/name`` of the network, or a name alone for the cluster's default network.
        addresses: usable ones, in their order; without the lengths of their prefixes.
        default: whether it is the pod's default network.
        problem: why the entry names no endpoint; ``""`` = it does.
    """

    name: str
    interface: str
    addresses: tuple[Address, ...]
    default: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A status that is no JSON list, so that nothing is known."""

    why: str


def status_of(annotations: Mapping[str, str]) -> tuple[Attachment, ...] | Malformed | None:
    """The network status in a pod's annotations; ``None`` = it has none.

    The key of old versions counts only where the present one is absent.
    """
    for key in (STATUS_ANNOTATION, LEGACY_STATUS_ANNOTATION):
        if key in annotations:
            return parse_status(annotations[key])
    return None


def parse_status(text: str) -> tuple[Attachment, ...] | Malformed:
    """All entries in their order; what is wrong with one spoils that one only."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Malformed(f"it is no JSON: {error}")
    if not isinstance(parsed, list):
        return Malformed(f"it is no list, but {type(parsed).__name__}")
    return tuple(_with_one_default(map(_attachment, parsed)))


def within(
    found: tuple[Attachment, ...] | Malformed | None, allowed: Collection[AddressRange]
) -> tuple[Attachment, ...] | Malformed | None:
    """The same with addresses of these ranges alone; without any range, with all.

    Whoever may edit a pod can write its network status, and so name any address as the pod's.
    """
    if not allowed or found is None or isinstance(found, Malformed):
        return found
    return tuple(_within(one, allowed) for one in found)


def _within(attachment: Attachment, allowed: Collection[AddressRange]) -> Attachment:
    inside = tuple(one for one in attachment.addresses if any(one in each for each in allowed))
    if len(inside) == len(attachment.addresses):
        return attachment
    outside = next(one for one in attachment.addresses if one not in inside)
    problem = "" if inside else f"{outside} is outside of --allow-addresses"
    return replace(attachment, addresses=inside, problem=attachment.problem or problem)


def attached(
    attachments: Iterable[Attachment], selection: Selection, namespace: str
) -> Iterator[Attachment]:
    """The entries of a selected network; ``namespace`` is that of the pod.

    A name without a namespace is one of the pod's namespace, unless it is the default network's.
    """
    for one in attachments:
        if "/" not in one.name and one.default:
            continue
        name = one.name if "/" in one.name else f"{namespace}/{one.name}"
        if name == selection.network and selection.interface in ("", one.interface):
            yield one


def _attachment(raw: object) -> Attachment:
    if not isinstance(raw, dict):
        return Attachment("", "", (), problem="an entry is no object")
    name, interface = raw.get("name"), raw.get("interface")
    problem = ""
    if not isinstance(name, str) or not name:
        name, problem = "", "it has no name"
    if not isinstance(interface, str) or not interface:
        interface, problem = "", problem or "it has no interface"
    addresses = tuple(_addresses(raw.get("ips")))
    if not addresses:
        problem = problem or "it has no usable address"
    return Attachment(name, interface, addresses, raw.get("default") is True, problem)


def _with_one_default(entries: Iterable[Attachment]) -> Iterator[Attachment]:
    seen = False
    for one in entries:
        if one.default and seen:
            yield replace(one, problem=one.problem or "there is another default network before it")
        else:
            yield one
        seen = seen or one.default


def _addresses(texts: object) -> list[Address]:
    """Usable addresses, each once; a text that is none is left out."""
    found = {
        address
        for text in (texts if isinstance(texts, list) else ())
        if isinstance(text, str) and (address := usable_address(text)) is not None
    }
    return sorted(found, key=lambda one: (one.family.value, one.number))


def usable_address(text: str) -> Address | None:
    """An address that an EndpointSlice takes, the length of a prefix left out; else ``None``."""
    host, slash, length = text.strip().partition("/")
    if slash and not length.isdecimal():
        return None
    try:
        address = parse_address(host)
    except InvalidAddress:
        return None
    ip = ipaddress.ip_address(str(address))
    if ip.is_unspecified or ip.is_loopback or ip.is_link_local or ip.is_multicast:
        return None
    return address
