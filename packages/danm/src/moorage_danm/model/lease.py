"""Leases of nodes: a kubelet that renews its own is alive, whatever its Node says; pure."""

from __future__ import annotations

from dataclasses import dataclass

from moorage_danm.names import NODE_LEASES
from moorage_domain.wire import Raw, as_map


def lease_key(node: str) -> str:
    """The key in a store of the Lease of a node."""
    return f"{NODE_LEASES}/{node}"


@dataclass(frozen=True, slots=True)
class NodeLease:
    """The Lease of one node; ``renewed`` is a text that changes with every renewal."""

    node: str
    renewed: str
    uid: str = ""


def lease_of(raw: Raw) -> NodeLease:
    """The projection of a Lease in ``kube-node-lease``."""
    spec = as_map(raw.get("spec"))
    # Whoever renews it is alive: also one that took it over.
    renewed = f"{spec.get('holderIdentity') or ''} {spec.get('renewTime') or ''}"
    meta = raw["metadata"]
    return NodeLease(str(meta["name"]), renewed, str(meta.get("uid") or ""))
