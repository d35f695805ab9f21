"""Networks: addresses that were taken from endpoints are marked as free, many in one write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, assert_never

from moorage_danm.caches import Caches
from moorage_danm.kinds import networks
from moorage_danm.metrics import DanmMetrics
from moorage_danm.model.network import Network
from moorage_danm.names import FREED
from moorage_danm.reclaim.act import annotate
from moorage_danm.reclaim.free import (
    ClearBits,
    ConfirmMissing,
    NetworkAction,
    NetworkObserved,
    Settle,
    decide_network,
)
from moorage_danm.reclaim.keys import split_network
from moorage_danm.reclaim.pending import NetworkKey, PendingAddresses
from moorage_domain.families import Address
from moorage_domain.plans import Plan
from moorage_kube.client.backoff import Backoff
from moorage_kube.client.client import Client, Target
from moorage_kube.client.errors import Conflict
from moorage_kube.client.lookup import look_up
from moorage_kube.reconcile.logic import Pass
from moorage_kube.writes.metadata import patch_if_unchanged

PATIENCE_SECONDS = 30.0
"""So long a write is tried again that others get ahead of; then the queue comes back to it."""
_AGAIN = Backoff(0.02, 1.0)


class NetworkWriter:
    """Clears bits, and says whose addresses they were, in one write."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches

    async def clear(
        self, network: Network, addresses: frozenset[Address], freed: frozenset[str]
    ) -> None:
        """Write; raises ``Conflict`` where the network is not as it was seen any more."""
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": network.version}
        ]
        for part in network.parts:
            indexes = {part.index(one) for one in addresses} - part.reserved
            clear = {one for one in indexes if one is not None}
            if clear and part.alloc:
                value = str(part.bits().with_clear(clear))
                operations.append({"op": "replace", "path": part.path, "value": value})
        text = " ".join(sorted(freed))
        operations.append(annotate(FREED, text, has_annotations=network.has_annotations))
        ref = network.ref
        answer = await patch_if_unchanged(
            self._client,
            networks(network.group, ref.kind),
            Target(ref.name, ref.namespace or None),
            network.uid,
            operations,
        )
        self._caches.groups[network.group].networks[ref.kind].update_known(answer)


class NetworkLogic:
    """Observe, decide, act and report for one network."""

    def __init__(
        self,
        client: Client,
        caches: Caches,
        pending: PendingAddresses,
        metrics: DanmMetrics,
        fence: Callable[[], None],
    ) -> None:
        """``fence`` raises where this process does not lead any more."""
        self._client = client
        self._pending = pending
        self._writer = NetworkWriter(client, caches)
        self._metrics = metrics
        self._fence = fence
        self.settled: Callable[[NetworkKey, frozenset[str]], None] = lambda *_: None
        """Called with the uids of endpoints that have nothing left to free."""

    async def observe(self, key: str) -> NetworkObserved | None:
        """Read the caches."""
        observed = self._pending.observed(split_network(key))
        return observed if observed.pending else None

    def decide(self, observed: NetworkObserved) -> Plan[NetworkAction]:
        """Decide; pure."""
        return decide_network(observed)

    async def act(self, observed: NetworkObserved, action: NetworkAction) -> None:
        """Carry out one action."""
        group = observed.pending[0].endpoint.group
        match action:
            case Settle(uids):
                self._settle((group, observed.ref), uids)
            case ConfirmMissing(uids):
                ref = observed.ref
                kind = networks(group, ref.kind)
                if await look_up(self._client, kind, ref.name, ref.namespace or None) is None:
                    self._settle((group, ref), uids)
            case ClearBits():
                await self._clear_patiently((group, observed.ref), observed, action)
            case _:
                assert_never(action)

    async def report(self, ended: Pass[NetworkObserved, NetworkAction]) -> None:
        """The endpoints say what came of it."""

    async def _clear_patiently(
        self, key: NetworkKey, observed: NetworkObserved, action: ClearBits
    ) -> None:
        """On a busy network others are always ahead; each try is decided by what is seen then."""
        end, failures = time.monotonic() + PATIENCE_SECONDS, 0
        wanted: ClearBits | None = action
        while wanted is not None and observed.network is not None:
            try:
                await self._clear(key, observed, wanted)
            except Conflict:
                failures += 1
                self._metrics.conflicts.inc()
                if time.monotonic() >= end:
                    raise
                await asyncio.sleep(_AGAIN.pause(failures))
            else:
                return
            self._fence()
            observed = self._pending.observed(key)
            actions = decide_network(observed).actions
            wanted = next((one for one in actions if isinstance(one, ClearBits)), None)

    async def _clear(self, key: NetworkKey, observed: NetworkObserved, action: ClearBits) -> None:
        network = observed.network
        if network is None:
            return
        # Of those who are gone nobody will ask any more.
        marks = (network.freed & observed.freed) | action.uids
        await self._writer.clear(network, action.addresses, marks)
        self._metrics.freed.labels(network.ref.kind.value).inc(len(action.addresses))
        self._settle(key, action.uids)

    def _settle(self, key: NetworkKey, uids: frozenset[str]) -> None:
        self._pending.settle(key, uids)
        self.settled(key, uids)
