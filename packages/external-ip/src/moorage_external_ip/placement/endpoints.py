"""Endpoints: which nodes have one of a Service, as EndpointSlices say it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from moorage_external_ip.placement.model import LocalUse, Rank

SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class SliceView:
    """One EndpointSlice, cut down to what decides: many changes of pods change nothing of it.

    Attributes:
        service: ``namespace/name`` of its Service.
        family: ``IPv4``, ``IPv6`` or another word.
        ranks: the best endpoint of each node, by its name.
        nameless: the best endpoint that names no node; ``None`` = there is none.
    """

    service: str
    family: str
    ranks: tuple[tuple[str, Rank], ...] = ()
    nameless: Rank | None = None


def slice_of(raw: Mapping[str, Any]) -> SliceView | None:
    """From an EndpointSlice; ``None``: it is of no Service."""
    meta = raw["metadata"]
    service = (meta.get("labels") or {}).get(SERVICE_LABEL)
    if not service:
        return None
    ranks: dict[str, Rank] = {}
    # An empty list arrives as null from some that write slices.
    for endpoint in raw.get("endpoints") or ():
        node = endpoint.get("nodeName") or ""
        ranks[node] = max(ranks.get(node, Rank.UNREADY), _rank(endpoint.get("conditions") or {}))
    nameless = ranks.pop("", None)
    return SliceView(
        service=f"{meta.get('namespace', '')}/{service}",
        family=str(raw.get("addressType") or ""),
        ranks=tuple(sorted(ranks.items())),
        nameless=nameless,
    )


def local_use(service: str, slices: Iterable[SliceView], family: str) -> LocalUse:
    """Where a Service (``namespace/name``) has endpoints of a family of addresses.

    What slices say counts, as for service proxies, and nothing else: of a Service with
    publishNotReadyAddresses all endpoints are ready there.
    Service proxies send to ready endpoints, and to those that end and still serve where none is
    ready. Endpoints without a node count only where no endpoint with one gets traffic.
    """
    ranks: dict[str, Rank] = {}
    nameless = Rank.UNREADY
    for one in slices:
        if one.family != family:
            continue
        for node, rank in one.ranks:
            ranks[node] = max(ranks.get(node, Rank.UNREADY), rank)
        if one.nameless is not None:
            nameless = max(nameless, one.nameless)
    with_node = any(rank > Rank.UNREADY for rank in ranks.values())
    return LocalUse(service, ranks, nameless > Rank.UNREADY and not with_node)


def _rank(conditions: Mapping[str, Any]) -> Rank:
    """Of an endpoint; what its conditions leave open is meant well, as Kubernetes defines it."""
    ready = conditions.get("ready")
    if ready is None or ready:
        return Rank.READY
    serving = conditions.get("serving")
    return Rank.TERMINATING if serving and conditions.get("terminating") else Rank.UNREADY
