"""Demands: the controller is asked to free an address, and an answer waits for it, for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from moorage_danm import kinds
from moorage_danm.model.endpoint import Endpoint
from moorage_danm.model.network import Network
from moorage_danm.names import WANTED, WANTED_SECONDS
from moorage_danm.webhook.caches import AdmissionCaches
from moorage_domain.errors import MoorageError
from moorage_ipam.times import text_of
from moorage_kube.cache.store import Change
from moorage_kube.client.client import Client, Target
from moorage_kube.writes.metadata import set_metadata

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    """Answers that wait for the addresses that an endpoint had."""

    endpoint: Endpoint
    futures: set[asyncio.Future[None]] = field(default_factory=set)


class Demands:
    """At most one write for each endpoint, however many pods want its address at the same time.

    The demand is an annotation of the endpoint: it is there for whichever replica of the
    controller leads, and goes with the endpoint.
    """

    def __init__(self, client: Client, caches: AdmissionCaches) -> None:
        self._client = client
        self._caches = caches
        self._waiting: dict[str, _Waiting] = {}
        self._writes: dict[str, asyncio.Task[None]] = {}
        for group in caches.groups:
            group.endpoints.subscribe(self._endpoint_changed)
            for store in group.networks.values():
                store.subscribe(self._network_changed)

    async def released(self, endpoints: Iterable[Endpoint], seconds: float) -> bool:
        """Ask for all of them; whether all addresses came free within so many seconds."""
        wanted = [one for one in endpoints if not self._caches.is_released(one)]
        loop = asyncio.get_running_loop()
        futures = {one.uid: loop.create_future() for one in wanted}
        for one in wanted:
            waiting = self._waiting.setdefault(one.uid, _Waiting(one))
            waiting.futures.add(futures[one.uid])
            self._demand(one)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*futures.values())
        except TimeoutError:
            return False
        finally:
            for uid, future in futures.items():
                self._forget(uid, future)
        return True

    def _forget(self, uid: str, future: asyncio.Future[None]) -> None:
        waiting = self._waiting.get(uid)
        if waiting is not None:
            waiting.futures.discard(future)
            if not waiting.futures:
                del self._waiting[uid]

    def _demand(self, endpoint: Endpoint) -> None:
        since = time.time() - WANTED_SECONDS / 2
        is_fresh = endpoint.wanted is not None and endpoint.wanted > since
        if is_fresh or endpoint.uid in self._writes:
            return
        task = asyncio.create_task(self._write(endpoint), name=f"demand {endpoint.key}")
        self._writes[endpoint.uid] = task
        task.add_done_callback(lambda _: self._writes.pop(endpoint.uid, None))

    async def _write(self, endpoint: Endpoint) -> None:
        target = Target(endpoint.name, endpoint.namespace)
        patch = set_metadata(endpoint.uid, {}, {WANTED: text_of(time.time())})
        try:
            raw = await self._client.patch(kinds.endpoints(endpoint.group), target, patch)
        except MoorageError as error:
            # Most often it is gone by now, which is as good.
            logger.info("address of %s cannot be asked for: %s", endpoint.key, error)
            return
        self._caches.group(endpoint.group).endpoints.update_known(raw)

    def _endpoint_changed(self, change: Change[Endpoint]) -> None:
        seen = change.new or change.old
        if seen is not None and self._waiting:
            self._look(self._waiting.get(seen.uid))
            if change.old is not None:
                self._look(self._waiting.get(change.old.uid))

    def _network_changed(self, change: Change[Network]) -> None:
        seen = change.new or change.old
        for waiting in tuple(self._waiting.values()):
            if seen is not None and waiting.endpoint.network == seen.ref:
                self._look(waiting)

    def _look(self, waiting: _Waiting | None) -> None:
        """Nobody needs to wait for what is free."""
        if waiting is None or not self._caches.is_released(waiting.endpoint):
            return
        for future in waiting.futures:
            if not future.done():
                future.set_result(None)
