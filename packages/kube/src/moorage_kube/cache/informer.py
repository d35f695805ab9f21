"""Informer: a store kept true to the API server, by lists and what a source reports in between."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

from moorage_domain.kinds import Kind
from moorage_kube.cache.store import Listing, Store, key_of, version_number
from moorage_kube.client.backoff import Backoff
from moorage_kube.client.client import EVERYTHING, Client, ListQuery, Page, WatchEvent
from moorage_kube.client.errors import Gone, KubeError, NotFound, Throttled, Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

COMPARE_SECONDS = 60.0
"""How often it is asked whether the API server went back in time."""
WARNING_SECONDS = 60.0
TURN_OBJECTS = 10
"""So many of a list are taken in before everybody else has a turn: they take half a millisecond."""
NOT_INSTALLED_SECONDS = 5.0
OPTIONAL_SECONDS = 60.0
"""The longest pause while there is no such kind: its CRD may come any moment."""
_BACKOFF = Backoff(0.5, 30.0)
_SHORT_WATCH_SECONDS = 1.0


class Source(Protocol):
    """Where an informer gets changes from.

    Attributes:
        resumes: whether ``follow`` can go on where it ended; else a list comes first.
    """

    @property
    def resumes(self) -> bool: ...

    def follow(self, version: str) -> AsyncGenerator[WatchEvent, None]:
        """What happens after ``version``, until the stream ends or a fresh list is due.

        Raises :class:`moorage_kube.client.errors.Gone` where the version is too old.
        """
        ...

    def retire(self) -> None:
        """Nobody will follow any more: what comes from now on is dropped."""
        ...


class WatchSource:
    """Our own watch, for kinds with many objects."""

    resumes = True

    def __init__(self, client: Client, kind: Kind, query: ListQuery) -> None:
        self._client, self._kind, self._query = client, kind, query

    async def follow(self, version: str) -> AsyncGenerator[WatchEvent, None]:
        """One watch from this version on."""
        began, silent = time.monotonic(), True
        async with aclosing(self._client.watch(self._kind, self._query, version)) as events:
            async for event in events:
                silent = False
                yield event
        if silent and time.monotonic() - began < _SHORT_WATCH_SECONDS:
            what = f"watch {self._kind.plural}"
            raise Unavailable(0, "ShortWatch", "the watch ended at once", what)

    def retire(self) -> None:
        """Nothing is left of a watch that is over."""


class Informer(Generic[T]):
    """Keeps a store true to the API server for as long as :meth:`run` runs.

    Raw objects are cut by the store page by page and dropped at once. Errors leave the store as it
    is; the source goes on from where it was, or a new list is compared with what is held: what
    vanished in between is found there, whatever the source reports.

    Attributes:
        name: how probes and logs call it.
        optional: whether a kind that is not served just has no objects, until it is served.
        listed: set once the store has been complete.
        failure: why the last try failed; ``""`` = it did not.
        last_contact: ``time.monotonic()`` of the last object or bookmark, ``None`` = none yet.
            Where nothing changes this may be minutes ago, and the store true all the same.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        store: Store[T],
        query: ListQuery = EVERYTHING,
        source: Source | None = None,
    ) -> None:
        self.kind = kind
        self.optional = False
        self.store = store
        self.name = kind.plural
        self.listed = asyncio.Event()
        self.failure = ""
        self.last_contact: float | None = None
        self.source = source or WatchSource(client, kind, query)
        self._client = client
        self._query = query
        self._version = ""
        self._failures = 0
        self._gone = False
        self._warned: tuple[type[KubeError], float] | None = None
        self._round: asyncio.Timeout | None = None
        self._waiting: list[asyncio.Future[None]] = []

    async def run(self) -> None:
        """List and follow, for ever."""
        comparing = asyncio.create_task(self._compare(), name=f"comparing {self.name}")
        try:
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
        finally:
            comparing.cancel()

    async def relist(self) -> None:
        """Compare the store with a list that is asked for from now on; returns when that is done.

        Only while :meth:`run` runs. Raises the :class:`moorage_kube.client.errors.KubeError` for
        which there is no list now; the next try comes by itself.
        """
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if self._round is not None and not self._round.expired():
            self._round.reschedule(0.0)
        await waiter

    async def _once(self) -> None:
        try:
            if self._waiting:
                # Asked for just as the last round ended, when nothing was left to interrupt.
                self._version = ""
            if not self._version:
                await self._list()
            if self._version:
                await self._follow()
            else:
                await asyncio.sleep(OPTIONAL_SECONDS)
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
        """Take a whole list in; returns its resourceVersion, ``""``: the kind is not served."""
        listing = Listing(self.store)
        version = ""
        try:
            version = await self._read(listing)
        except NotFound:
            if not self.optional:
                raise
        listing.finish()
        self.listed.set()
        return version

    async def _read(self, listing: Listing[T]) -> str:
        version = ""
        async with aclosing(self._client.pages(self.kind, self._query)) as pages:
            async for page in pages:
                self.last_contact = time.monotonic()
                version = page.resource_version
                await _take_in(listing, page)
                # It takes tens of MB, and must not stay while the next one is read.
                del page
        return version

    async def _follow(self) -> None:
        """Take in what the source reports, until it ends."""
        async with aclosing(self.source.follow(self._version)) as events:
            async for event in events:
                self._take(event)
                self.last_contact = time.monotonic()
                self._recovered()
        self._recovered()
        if not self.source.resumes:
            self._version = ""

    def _take(self, event: WatchEvent) -> None:
        if event.type in ("ADDED", "MODIFIED"):
            self.store.take_shown(event.object)
        elif event.type == "DELETED":
            self.store.forget(key_of(event.object), event.object["metadata"].get("uid", ""))
        version = event.object["metadata"].get("resourceVersion", "")
        self._version = version
        self.store.reached(version)

    async def _compare(self) -> None:
        """Now and then, ask which version is the newest: after a restore it is an older one.

        A watch from a version that lies ahead then stays silent for as long as it takes the API
        server to come there again, and the store would stay as it was before.
        """
        while True:
            await asyncio.sleep(COMPARE_SECONDS * random.uniform(0.75, 1.25))  # noqa: S311  # spreads load only
            # What was reached before the question: events may overtake its answer.
            before = self._version
            try:
                newest = await self._newest_version()
            except KubeError as error:
                logger.debug("the newest version of %s is unknown: %s", self.name, error)
                continue
            if 0 < version_number(newest) < version_number(before):
                logger.warning(
                    "%s are listed again: the API server is at version %s and was at %s before;"
                    " was a backup of etcd restored?",
                    self.name,
                    newest,
                    before,
                )
                self._watch_ourselves()
                await self._relist_quietly()

    def _watch_ourselves(self) -> None:
        """From now on; whoever else watched has a watch that may stay silent for very long."""
        self.source.retire()
        self.source = WatchSource(self._client, self.kind, self._query)

    async def _relist_quietly(self) -> None:
        try:
            await self.relist()
        except KubeError as error:
            logger.debug("%s are not listed again yet: %s", self.name, error)

    async def _newest_version(self) -> str:
        """The version of a list asked for now; costs one object, however many there are."""
        smallest = replace(self._query, limit=1, metadata_only=True)
        async with aclosing(self._client.pages(self.kind, smallest)) as pages:
            async for page in pages:
                return page.resource_version
        return ""

    def _pause(self, error: KubeError) -> float:
        """Seconds until the next try after an error; says what is wrong, once a minute."""
        self._failures += 1
        if isinstance(error, Gone):
            self._version = ""
            # An answer, also after an outage: nothing is won by a pause before the list. Where that
            # is too old as well, pauses grow.
            first, self._gone = not self._gone, True
            if first:
                logger.info("%s are listed again: %s", self.name, error)
                return 0.0
        self.failure = self._described(error)
        self._warn(error)
        pause = _BACKOFF.pause(self._failures)
        if isinstance(error, NotFound):
            return min(pause, NOT_INSTALLED_SECONDS)
        asked = error.retry_after if isinstance(error, Throttled) else None
        return max(pause, asked or 0.0)

    def _warn(self, error: KubeError) -> None:
        now = time.monotonic()
        if self._warned is not None:
            kind, warned_at = self._warned
            if isinstance(error, kind) and now - warned_at < WARNING_SECONDS:
                return
        self._warned = (type(error), now)
        if isinstance(error, NotFound):
            logger.warning("%s", self.failure)
        else:
            logger.warning("%s may be out of date: %s", self.name, error)

    def _described(self, error: KubeError) -> str:
        if not isinstance(error, NotFound):
            return str(error)
        crd = f"{self.kind.plural}.{self.kind.group}"
        return (
            f"{crd} is not installed: {error}; install this CustomResourceDefinition with the "
            "chart's crds.enabled=true or with kubectl apply -f crds/, no restart is needed"
        )

    def _recovered(self) -> None:
        self._failures = 0
        self._gone = False
        self.failure = ""
        if self._warned is not None:
            self._warned = None
            logger.info("%s are up to date again", self.name)


async def _take_in(listing: Listing[T], page: Page) -> None:
    """A few objects at a time: who answers requests, or must renew a Lease, has a turn between."""
    for begin in range(0, max(len(page.items), 1), TURN_OBJECTS):
        listing.add(page.items[begin : begin + TURN_OBJECTS], page.resource_version)
        await asyncio.sleep(0)


def _answer(waiters: list[asyncio.Future[None]], error: KubeError | None) -> None:
    for waiter in waiters:
        if waiter.done():  # nobody waits any more
            continue
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)


async def list_afresh(informer: Informer[Any]) -> None:
    """List afresh, however long it takes: a leader that cannot reach the server soon is none."""
    while True:
        try:
            await informer.relist()
        except KubeError as error:
            logger.warning("%s cannot be listed at takeover: %s", informer.name, error)
            await asyncio.sleep(random.uniform(0.5, 1.5))  # noqa: S311  # spreads load only
        else:
            return
