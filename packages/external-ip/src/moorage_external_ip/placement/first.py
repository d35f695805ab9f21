"""First: a new claim names its node from the beginning, so that no further write has to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moorage_api.ipclaim import IPCLAIMS
from moorage_domain.families import Address
from moorage_external_ip.placement.act import assignment
from moorage_external_ip.placement.caches import Caches
from moorage_external_ip.placement.decide import decide
from moorage_external_ip.placement.model import Assign
from moorage_external_ip.placement.observe import Observer
from moorage_external_ip.projections import Claim, claim_of
from moorage_kube.cache.store import Change
from moorage_kube.client.client import Client
from moorage_kube.client.errors import KubeError

LINGER_SECONDS = 5.0
"""So long a node may still answer for an address whose claim has gone: whoever asks it then says
``Conflict``. Such an address gets its node only once its claim is there, as it always did."""


class FirstNode:
    """Makes claims of addresses that are reserved for them.

    The record of the address is there: nobody else can have it. Where no node can be chosen yet
    the claim names none, and is placed as any other. ``placed``: called for each that names one
    node.
    """

    def __init__(
        self,
        client: Client,
        caches: Caches,
        observer: Observer,
        placed: Callable[[], None],
        clock: Callable[[], float],
    ) -> None:
        self._client, self._caches, self._observer = client, caches, observer
        self._placed, self._clock = placed, clock
        # When the claim of an address went, in order.
        self._gone: dict[Address, float] = {}
        caches.claims.subscribe(self._changed)

    async def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a claim; returns it as it is stored. Raises what the API server answers."""
        claim = claim_of(body)
        action = self._first(claim)
        if action is None:
            return await self._client.create(IPCLAIMS, body)
        try:
            raw = await self._client.create(IPCLAIMS, _assigned(body, action))
        except KubeError:
            # Not on its way, as far as anybody knows; if it comes all the same it says where it is.
            self._caches.assumed.forget(claim.subject.name)
            raise
        if not action.every_node:
            self._placed()
        return raw

    def _first(self, claim: Claim) -> Assign | None:
        """Where it goes; it counts as on its way there from now on. ``None`` = is not known yet."""
        if claim.address is None or self._lingers(claim.address):
            return None
        plan = decide(self._observer.coming(claim))
        action = next((one for one in plan.actions if isinstance(one, Assign)), None)
        if action is not None:
            self._caches.assumed.replace(claim.subject.name, plan.assumes)
        return action

    def _changed(self, change: Change[Claim]) -> None:
        old, new = change.old, change.new
        if old is None or old.address is None or (new and new.address == old.address):
            return
        now = self._clock()
        self._gone.pop(old.address, None)
        self._gone[old.address] = now
        for address, at in list(self._gone.items()):
            if now - at < LINGER_SECONDS:
                break
            del self._gone[address]

    def _lingers(self, address: Address) -> bool:
        at = self._gone.get(address)
        return at is not None and self._clock() - at < LINGER_SECONDS


def _assigned(body: dict[str, Any], action: Assign) -> dict[str, Any]:
    """The body of a new claim with its node: what is to be absent is left out."""
    added = assignment(action)
    labels = body["metadata"].get("labels", {}) | added["metadata"]["labels"]
    spec = {name: value for name, value in added["spec"].items() if value is not None}
    meta = body["metadata"] | {"labels": labels}
    return body | {"metadata": meta, "spec": body["spec"] | spec}
