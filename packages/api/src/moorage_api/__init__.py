"""The kinds of Moorage: their wire types, and the CRDs generated from them."""

from __future__ import annotations

from moorage_api import ipallocation, ipclaim, ipclaimpool, ipnode, ippool, netipallocation
from moorage_api.crds import Definition

DEFINITIONS: tuple[Definition, ...] = (
    netipallocation.DEFINITION,
    ipallocation.DEFINITION,
    ippool.DEFINITION,
    ipclaimpool.DEFINITION,
    ipclaim.DEFINITION,
    ipnode.DEFINITION,
)
"""Every kind of ours."""
