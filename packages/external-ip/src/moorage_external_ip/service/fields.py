"""What a claim says of its Services and of its pool; pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moorage_api.ipclaim import MAX_PORTS
from moorage_api.ipclaimpool import IpClaimPoolSpec
from moorage_external_ip.projections import Port, Use


def uses_patch(uses: Iterable[Use]) -> dict[str, Any]:
    """``spec.services``, the whole list."""
    return {"services": [one.to_wire() for one in uses]}


def claim_fields(spec: IpClaimPoolSpec | None, uses: Iterable[Use]) -> dict[str, Any]:
    """What the pool says of its claims; ``None`` = there is no pool, so nothing changes."""
    if spec is None:
        return {}
    return {
        "placement": spec.placement,
        "interface": spec.interface,
        "interfacePattern": spec.interface_pattern,
        "ports": [one.to_wire() for one in open_ports(spec, uses)],
    }


def open_ports(spec: IpClaimPoolSpec, uses: Iterable[Use]) -> tuple[Port, ...]:
    """What alone is let through; ``()`` = everything is."""
    if not spec.only_service_ports:
        return ()
    return tuple(sorted({port for one in uses for port in one.ports})[:MAX_PORTS])
