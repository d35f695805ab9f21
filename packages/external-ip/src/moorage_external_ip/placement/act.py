"""Act: what is written for claims; each may be repeated, and fits only what was read."""

from __future__ import annotations

from typing import Any, assert_never

from moorage_api.ipclaim import EVERY_NODE, IPCLAIMS, NODE_LABEL
from moorage_external_ip.placement.caches import Caches
from moorage_external_ip.placement.confirm import Confirm
from moorage_external_ip.placement.model import (
    Assign,
    ClaimView,
    ForgetReports,
    Observed,
    PlacementAction,
)
from moorage_external_ip.placement.projections import view_of
from moorage_kube.client.client import Client, Target


class Actor:
    """Carries out the actions of claims."""

    def __init__(self, client: Client, caches: Caches, confirm: Confirm) -> None:
        self._client = client
        self._caches = caches
        self._confirm = confirm

    async def act(self, observed: Observed, action: PlacementAction) -> None:
        """Carry out one action; raises what the API server answers."""
        claim = observed.claim
        match action:
            case Assign():
                if action.previous:
                    await self._confirm.unchanged(action.previous)
                await self._change(claim, assignment(action))
            case ForgetReports(nodes):
                await self._forget(claim, nodes)
            case _:
                assert_never(action)

    async def _change(self, claim: ClaimView, body: dict[str, Any]) -> None:
        subject = claim.subject
        meta = {"uid": subject.uid, "resourceVersion": self._version(claim)}
        body = body | {"metadata": meta | body.get("metadata", {})}
        raw = await self._client.patch(IPCLAIMS, Target(subject.name), body)
        self._caches.claims.update_known(raw)

    def _version(self, claim: ClaimView) -> str:
        """Of the claim as it was seen, or after a write of its status by this very pass."""
        known = self._caches.claims.get(claim.subject.name)
        if known is None or known.subject.generation != claim.subject.generation:
            return claim.subject.resource_version
        now = view_of(known)
        same = (now.subject.uid, now.label, now.reports, now.allocated) == (
            claim.subject.uid, claim.label, claim.reports, claim.allocated,
        )  # fmt: skip
        return (now if same else claim).subject.resource_version

    async def _forget(self, claim: ClaimView, nodes: tuple[str, ...]) -> None:
        body = {
            "metadata": {"uid": claim.subject.uid},
            "status": {"nodes": dict.fromkeys(nodes)},
        }
        target = Target(claim.subject.name, None, "status")
        self._caches.claims.update_known(await self._client.patch(IPCLAIMS, target, body))


def assignment(action: Assign) -> dict[str, Any]:
    """The merge patch that puts an address where it shall be; other labels stay."""
    label = EVERY_NODE if action.every_node else action.node or None
    spec: dict[str, Any] = {
        "nodeName": action.node,
        "nodeNames": list(action.nodes) or None,
    }
    if action.previous:
        spec["previous"] = {"nodeName": action.previous, "macs": list(action.macs)}
    return {"metadata": {"labels": {NODE_LABEL: label}}, "spec": spec}
