"""What the agent keeps of an IpClaim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moorage_api.ipclaim import EVERY_NODE
from moorage_domain.addresses import InvalidAddress
from moorage_domain.families import Address, parse_address
from moorage_node_agent.link.choose import Wish
from moorage_node_agent.model import Claim, Port


@dataclass(frozen=True, slots=True)
class View:
    """A claim that may be this node's.

    Attributes:
        claim: as far as this node is concerned; ``None`` = it names no usable address, or this
            node is not among those that shall have it.
        said: what the status says of this node; ``None`` = nothing.
    """

    name: str
    uid: str
    claim: Claim | None
    said: Mapping[str, str] | None


def view_of(node: str, raw: Mapping[str, Any]) -> View:
    """The claim as this node sees it."""
    meta, spec = raw["metadata"], raw.get("spec") or {}
    said = ((raw.get("status") or {}).get("nodes") or {}).get(node)
    address = _address(str(spec.get("cidr", "")))
    claim = _claim(meta, spec, address) if address and _concerns(node, spec) else None
    if meta.get("deletionTimestamp"):
        claim = None
    return View(meta["name"], meta.get("uid", ""), claim, said)


def _concerns(node: str, spec: Mapping[str, Any]) -> bool:
    if spec.get("placement") == EVERY_NODE:
        return node in (spec.get("nodeNames") or ())
    return bool(spec.get("nodeName") == node)


def _claim(meta: Mapping[str, Any], spec: Mapping[str, Any], address: Address) -> Claim:
    wish = Wish(
        name=spec.get("interface") or "",
        pattern=spec.get("interfacePattern") or "",
        loopback=spec.get("placement") == EVERY_NODE,
    )
    ports = frozenset(_port(one) for one in spec.get("ports") or ())
    macs = (spec.get("previous") or {}).get("macs") or ()
    return Claim(
        meta["name"],
        meta.get("uid", ""),
        address,
        wish,
        ports,
        tuple(spec.get("healthCheckNodePorts") or ()),
        frozenset(str(one).lower() for one in macs),
    )


def _port(raw: Mapping[str, Any]) -> Port:
    return str(raw.get("protocol") or "TCP"), int(raw["port"])


def _address(cidr: str) -> Address | None:
    try:
        return parse_address(cidr.split("/", maxsplit=1)[0])
    except InvalidAddress:
        return None
