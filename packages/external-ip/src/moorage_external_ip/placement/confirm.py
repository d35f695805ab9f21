"""Confirm: before an address leaves a node, that the Lease is as the cache has it."""

from __future__ import annotations

from collections.abc import Callable

from moorage_domain.errors import Disposition, MoorageError
from moorage_external_ip.placement.leases import PREFIX
from moorage_external_ip.placement.model import Agent
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Client
from moorage_kube.client.errors import NotFound
from moorage_kube.client.kinds import LEASES

FRESH_SECONDS = 0.5
"""A node that loses hundreds of addresses at once is asked for once or twice."""


class LeaseChanged(MoorageError):
    """The Lease is another one than the cache had: it is judged anew."""

    disposition = Disposition.STALE


class Confirm:
    """Asks the API server for the Lease of a node.

    A watch may be behind for longer than a lease, and not know of it. An agent that has restarted
    meanwhile has said that it holds what it has; whoever gave that to another node would have two
    nodes answer.
    """

    def __init__(
        self,
        client: Client,
        leases: Store[Agent],
        namespace: str,
        clock: Callable[[], float],
    ) -> None:
        self._client = client
        self._leases = leases
        self._namespace = namespace
        self._clock = clock
        self._confirmed: dict[str, tuple[Agent | None, float]] = {}

    async def unchanged(self, node: str) -> None:
        """Raises :class:`LeaseChanged` where it was not so; the cache has it from now on."""
        key = f"{self._namespace}/{PREFIX}{node}"
        held = self._leases.get(key)
        known = self._confirmed.get(node)
        if known and known[0] is held and self._clock() - known[1] < FRESH_SECONDS:
            return
        try:
            raw = await self._client.get(LEASES, f"{PREFIX}{node}", self._namespace)
        except NotFound:
            self._leases.forget(key)
        else:
            self._leases.apply(raw)
        now = self._leases.get(key)
        if now != held:
            raise LeaseChanged(f"the Lease of {node} is not as it was read")
        self._confirmed[node] = (now, self._clock())
