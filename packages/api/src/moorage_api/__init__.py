"""The kinds of Moorage: their wire types, and the CRDs generated from them."""

from __future__ import annotations

from moorage_api import netipallocation
from moorage_api.crds import Definition

DEFINITIONS: tuple[Definition, ...] = (netipallocation.DEFINITION,)
"""Every kind of ours."""
