"""Whether two Services may share an address; pure."""

from __future__ import annotations

from moorage_api.ipclaim import MAX_SERVICES
from moorage_external_ip.projections import Claim, Use


def why_not_shared(claim: Claim, use: Use, *, across_namespaces: bool) -> str:
    """Why a Service may not use a claim beside those that do; ``""`` = it may.

    All must have the same key, no port may be used twice, and all are of one namespace unless the
    pool allows others.
    """
    if claim.use_of(use.uid) is None and len(claim.uses) >= MAX_SERVICES:
        return f"{MAX_SERVICES} Services have it, and no more can share it"
    for other in claim.uses:
        if other.uid == use.uid:
            continue
        if reason := _why_not(other, use, across_namespaces):
            return reason
    return ""


def _why_not(other: Use, use: Use, across_namespaces: bool) -> str:  # noqa: FBT001 - what the pool says
    if not use.sharing_key or other.sharing_key != use.sharing_key:
        return f"Service {other.key} has it, and the sharing keys are not the same"
    if other.namespace != use.namespace and not across_namespaces:
        return f"Service {other.key} has it, and the pool shares within one namespace only"
    both = sorted({*other.ports} & {*use.ports})
    if both:
        return f"Service {other.key} has it, and both use port {both[0]}"
    return ""
