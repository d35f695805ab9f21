"""Feeds: the stores of the kinds that people write by hand, which kopf watches for us."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from moorage_domain.kinds import Kind
from moorage_kube.cache.store import Store, key_of
from moorage_kube.client.client import ListQuery, Page
from moorage_kube.client.errors import KubeError, NotFound

logger = logging.getLogger(__name__)

T = TypeVar("T")

SETTLE_SECONDS = 0.3
FRESH_LIST_SECONDS = 300.0
RETRY_SECONDS = 5.0
COMPLAINT_SECONDS = 60.0


class ListApi(Protocol):
    """The call feeds need; :class:`moorage_kube.client.client.Client` has it."""

    def pages(self, kind: Kind, query: ListQuery) -> AsyncIterator[Page]: ...


@dataclass(frozen=True, slots=True)
class _State:
    """Which object an event was about, and how late."""

    uid: str
    resource_version: str

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> _State:
        meta = raw["metadata"]
        return cls(meta.get("uid", ""), meta.get("resourceVersion", ""))

    def is_newer_than(self, other: _State) -> bool:
        """Versions that are no numbers cannot be compared: then it is not."""
        one, two = self.resource_version, other.resource_version
        return one.isdigit() and two.isdigit() and int(one) > int(two)


class Feed(Generic[T]):
    """Keeps a store true to what kopf tells, plus what it does not tell.

    Kopf lists again after it lost its watch, but never says which objects vanished meanwhile.
    So each of its lists (and every five minutes, as a list of nothing leaves no trace) is followed
    by one of our own, whose answer is compared with the store. For a few thousand objects at most.
    """

    def __init__(self, client: ListApi, kind: Kind, store: Store[T]) -> None:
        self.kind = kind
        self.store = store
        self._client = client
        self.listed = asyncio.Event()
        """Set once the API server has answered a list, so the kind exists."""
        self._wanted = asyncio.Event()
        self._listing = asyncio.Lock()
        self._held_back: list[tuple[str | None, dict[str, Any]]] | None = None
        self._known: dict[str, _State] = {}
        self._complained_at = float("-inf")

    @property
    def name(self) -> str:
        """How probes and logs call it."""
        return self.kind.plural

    def tell(self, event_type: str | None, raw: Mapping[str, Any]) -> None:
        """One event from kopf; the type is ``None`` for an object out of a list."""
        if event_type is None:
            self._wanted.set()
        if self._held_back is not None:
            self._held_back.append((event_type, dict(raw)))
        else:
            self._take(event_type, dict(raw))

    async def run(self) -> None:
        """List at once, then whenever kopf did and now and then, for ever."""
        while True:
            self._wanted.clear()
            if not await self._try_to_list():
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                async with asyncio.timeout(FRESH_LIST_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue
            # Kopf tells the objects of one list one by one.
            await asyncio.sleep(SETTLE_SECONDS)

    async def relist(self) -> None:
        """Compare the store with a fresh list; raises :class:`KubeError` where there is none."""
        async with self._listing:
            # What kopf tells during the list may be newer than its answer: it comes after.
            self._held_back = []
            try:
                raws = [
                    raw
                    async for page in self._client.pages(self.kind, ListQuery())
                    for raw in page.items
                ]
                self._known = {key_of(raw): _State.of(raw) for raw in raws}
                self.store.replace_all(raws)
                self.listed.set()
            finally:
                held_back, self._held_back = self._held_back, None
                for event_type, raw in held_back:
                    self._take(event_type, raw)

    async def _try_to_list(self) -> bool:
        try:
            await self.relist()
        except NotFound as error:
            self._complain(f"{self.kind.plural}.{self.kind.group} is not installed: {error}")
            return False
        except KubeError as error:
            self._complain(f"{self.kind.plural} cannot be listed: {error}")
            return False
        return True

    def _take(self, event_type: str | None, raw: dict[str, Any]) -> None:
        key, state = key_of(raw), _State.of(raw)
        known = self._known.get(key)
        # Kopf orders the events of one uid only: a successor of the same name may be here already.
        if known is not None and known.uid != state.uid and known.is_newer_than(state):
            return
        if event_type == "DELETED":
            self._known.pop(key, None)
            self.store.forget(key)
        else:
            self._known[key] = state
            self.store.apply(raw)

    def _complain(self, what: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = now
            logger.warning("%s", what)
