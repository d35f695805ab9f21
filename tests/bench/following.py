"""What a watch shows, for as long as it is asked: a figure waits for it, so it must not end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from moorage_domain.kinds import Kind
from moorage_kube.cache.informer import Informer
from moorage_kube.cache.store import Change, Store
from moorage_kube.client.client import Client, ListQuery


async def follow(
    client: Client, kind: Kind, query: ListQuery, take: Callable[[dict[str, Any]], None]
) -> None:
    """For ever; each object is taken as it is found first, and after each change."""

    def changed(change: Change[dict[str, Any]]) -> None:
        if change.new is not None:
            take(change.new)

    store: Store[dict[str, Any]] = Store(lambda raw: raw)
    store.subscribe(changed)
    await Informer(client, kind, store, query).run()


class News:
    """Wakes who waits until a condition holds, each time when something came."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._came = asyncio.Event()

    def came(self) -> None:
        """Something new is there: conditions may hold now."""
        self._came.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Raises ``TimeoutError`` where patience ends first."""
        async with asyncio.timeout(self._patience_seconds):
            while not holds():
                self._came.clear()
                await self._came.wait()
