"""Reflector: a store kept true to the API server, by one list and a watch from there on."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from contextlib import aclosing
from typing import Generic, TypeVar

from moorage_domain.kinds import Kind
from moorage_kube.cache.store import Listing, Store, key_of
from moorage_kube.client.client import EVERYTHING, Client, ListQuery, WatchEvent
from moorage_kube.client.errors import Gone, KubeError, Throttled, Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 30.0
COMPLAINT_SECONDS = 60.0
_DOUBLINGS = 8
_SHORT_WATCH_SECONDS = 1.0


class Reflector(Generic[T]):
    """Keeps a store true to the API server for as long as :meth:`run` runs.

    Raw objects are cut by the store page by page and dropped at once. Errors leave the store as it
    is; the watch goes on from where it was, or a new list is compared with what is held.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        store: Store[T],
        query: ListQuery = EVERYTHING,
        name: str | None = None,
    ) -> None:
        self.kind = kind
        self.store = store
        self.name = name or kind.plural
        """How probes and logs call it."""
        self.listed = asyncio.Event()
        """Set once the store has been complete."""
        self.last_contact: float | None = None
        """``time.monotonic()`` of the last object or bookmark that came; ``None`` = none yet.

        Where nothing changes this may be some minutes ago, and the store true all the same.
        """
        self._client = client
        self._query = query
        self._version = ""
        self._failures = 0
        self._complaint: tuple[type[KubeError], float] | None = None
        self._round: asyncio.Timeout | None = None
        self._waiting: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """List and watch, for ever."""
        while True:
            self._round = this_round = asyncio.timeout(None)
            try:
                async with this_round:
                    await self._once()
            except TimeoutError:
                if not this_round.expired():
                    raise
                # Only relist() lets it expire: what was under way makes room for a fresh list.
                self._version = ""

    async def relist(self) -> None:
        """Compare the store with a list that is asked for from now on; returns when that is done.

        For while :meth:`run` runs. Raises the
        :class:`moorage_kube.client.errors.KubeError` for which there is no list now; the next try
        comes by itself.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._round is not None and not self._round.expired():
            self._round.reschedule(0.0)
        await waiter

    async def _once(self) -> None:
        try:
            if not self._version:
                await self._list()
            await self._follow()
        except KubeError as error:
            await asyncio.sleep(self._pause(error))

    async def _list(self) -> None:
        # Who asks after the list has begun waits for the next one.
        asked, self._waiting = self._waiting, []
        try:
            self._version = await self._read_pages()
        except KubeError as error:
            _answer(asked, error)
            raise
        except asyncio.CancelledError:
            self._waiting += asked
            raise
        _answer(asked, None)

    async def _read_pages(self) -> str:
        """Take a whole list in; returns its resourceVersion."""
        listing, version = Listing(self.store), ""
        async with aclosing(self._client.pages(self.kind, self._query)) as pages:
            async for page in pages:
                self.last_contact = time.monotonic()
                listing.add(page.items, page.resource_version)
                version = page.resource_version
                # It takes tens of MB, and must not stay while the next one is read.
                del page
        listing.finish()
        self.listed.set()
        return version

    async def _follow(self) -> None:
        """Take in what a watch tells, until it ends."""
        began, told = time.monotonic(), False
        async with aclosing(self._client.watch(self.kind, self._query, self._version)) as events:
            async for event in events:
                self._take(event)
                self.last_contact, told = time.monotonic(), True
                self._recovered()
        if not told and time.monotonic() - began < _SHORT_WATCH_SECONDS:
            raise Unavailable(0, "ShortWatch", "the watch ended at once", f"watch {self.name}")
        self._recovered()

    def _take(self, event: WatchEvent) -> None:
        if event.type in ("ADDED", "MODIFIED"):
            self.store.apply(event.object)
        elif event.type == "DELETED":
            self.store.forget(key_of(event.object))
        self._version = event.object["metadata"]["resourceVersion"]

    def _pause(self, error: KubeError) -> float:
        """Seconds until the next try after an error; says what is wrong, once a minute."""
        self._failures += 1
        if isinstance(error, Gone):
            self._version = ""
            if self._failures == 1:
                logger.info("%s are listed again: %s", self.name, error)
                return 0.0
        self._complain(error)
        doublings = min(self._failures - 1, _DOUBLINGS)
        pause = min(LAST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0**doublings)
        asked = error.retry_after if isinstance(error, Throttled) else None
        return max(pause * random.uniform(0.75, 1.0), asked or 0.0)  # noqa: S311  # spreads load only

    def _complain(self, error: KubeError) -> None:
        now = time.monotonic()
        if self._complaint is not None:
            kind, told_at = self._complaint
            if isinstance(error, kind) and now - told_at < COMPLAINT_SECONDS:
                return
        self._complaint = (type(error), now)
        logger.warning("%s may be out of date: %s", self.name, error)

    def _recovered(self) -> None:
        self._failures = 0
        if self._complaint is not None:
            self._complaint = None
            logger.info("%s are up to date again", self.name)


def _answer(waiters: list[asyncio.Future[None]], error: KubeError | None) -> None:
    for waiter in waiters:
        if waiter.done():  # nobody waits any more
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
