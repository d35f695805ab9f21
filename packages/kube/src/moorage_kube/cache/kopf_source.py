"""The source of the kinds that people write by hand: kopf watches them for us."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from moorage_kube.client.client import WatchEvent

FRESH_LIST_SECONDS = 300.0
"""The longest time between two lists: kopf's list of nothing leaves no trace."""
SETTLE_SECONDS = 0.3
"""Kopf hands the objects of one list over one by one; so long after the last they are all here."""


class KopfSource:
    """Hands on what kopf reports, until a fresh list is due.

    Kopf lists again after it lost its watch, and does not say which objects vanished meanwhile. So
    each of its lists is followed by one of the informer's own.
    """

    resumes = False

    def __init__(self) -> None:
        self._events: asyncio.Queue[tuple[str | None, dict[str, Any]]] = asyncio.Queue()
        self._retired = False

    def push(self, event_type: str | None, raw: Mapping[str, Any]) -> None:
        """One event from kopf; the type is ``None`` for an object out of a list."""
        if not self._retired:
            self._events.put_nowait((event_type, dict(raw)))

    def retire(self) -> None:
        """Nobody will follow any more: what kopf reports from now on is dropped."""
        self._retired = True
        while not self._events.empty():
            self._events.get_nowait()

    async def follow(self, version: str) -> AsyncGenerator[WatchEvent, None]:  # noqa: ARG002 - kopf has its own
        """What kopf reports; what is older than the last list the store drops by itself."""
        loop = asyncio.get_running_loop()
        until, listed = loop.time() + FRESH_LIST_SECONDS, False
        while True:
            settled = loop.time() + SETTLE_SECONDS
            try:
                # Not wait_for: where an event comes in the same moment it drops a cancellation.
                async with asyncio.timeout_at(min(settled, until) if listed else until):
                    event_type, raw = await self._events.get()
            except TimeoutError:
                return
            listed = listed or event_type is None
            yield WatchEvent(event_type or "MODIFIED", raw)
