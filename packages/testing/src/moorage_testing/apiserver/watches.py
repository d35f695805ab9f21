"""Watches: the lines that one watch is sent, from a version on, with bookmarks, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from moorage_testing.apiserver.messages import Asked, Dropped, expired
from moorage_testing.apiserver.objects import Change, Objects
from moorage_testing.apiserver.places import Place
from moorage_testing.apiserver.selectors import selector

Json = dict[str, Any]

BOOKMARK_SECONDS = 60.0
SECONDS = 1800.0
"""How long a watch lasts that does not say for how long."""


@dataclass(eq=False)
class Watch:
    """One watch under way; ``shape`` cuts objects to what was asked for."""

    objects: Objects
    place: Place
    asked: Asked
    shape: Callable[[Json], Json]
    ending: Literal["", "quiet", "break"] = ""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, how: Literal["quiet", "break"]) -> None:
        """End it: ``quiet`` as at its time, or ``break`` in the middle of a line."""
        self.ending = how
        self._news.set()

    async def lines(self) -> AsyncIterator[bytes]:
        """What is sent; raises :class:`Dropped` where it breaks off."""
        self.objects.on_change.append(self._wake)
        try:
            async for line in self._lines():
                yield line
        finally:
            self.objects.on_change.remove(self._wake)

    async def _lines(self) -> AsyncIterator[bytes]:
        chosen = selector(self.asked.query)
        version = int(self.asked.query.get("resourceVersion") or 0)
        if version == 0:
            version = self.objects.version
            for raw in filter(chosen, self.objects.all_of(self.place)):
                yield self._line("ADDED", raw)
        if version < self.objects.oldest:
            yield _raw_line("ERROR", self._too_old(version))
            return
        async for line in self._followed(version, chosen):
            yield line
        if self.ending == "break":
            yield b'{"type":"ADD'
            raise Dropped

    async def _followed(self, version: int, chosen: Callable[[Json], bool]) -> AsyncIterator[bytes]:
        """All that happens after a version, until the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + float(self.asked.query.get("timeoutSeconds") or SECONDS)
        while not self.ending:
            pause = min(BOOKMARK_SECONDS, end - loop.time())
            if not await self._wait(version, pause):
                if pause < BOOKMARK_SECONDS:
                    return
                version = max(version, self.objects.version)
                yield self._bookmark(version)
            if version < self.objects.oldest:
                # Forgotten before it was sent: the watch must not go on as if nothing was missing.
                yield _raw_line("ERROR", self._too_old(version))
                return
            for change in self._since(version):
                version = change.version
                if line := self._change_line(change, chosen):
                    yield line

    async def _wait(self, version: int, seconds: float) -> bool:
        """Wait until there is something new; ``False`` when the time is over."""
        while not self.ending and not self._since(version):
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                # A change of this very moment is no silence: a bookmark would pass over it.
                return bool(self._since(version))
        return True

    def _since(self, version: int) -> list[Change]:
        history = self.objects.history
        if not history or history[-1].version <= version:
            return []
        first = len(history)
        while first and history[first - 1].version > version:
            first -= 1
        return history[first:]

    def _change_line(self, change: Change, chosen: Callable[[Json], bool]) -> bytes:
        """The line for a change; an object that is no longer selected is gone for this watch."""
        if not change.place.plural:
            return self._bookmark(change.version)
        if not self.place.holds(change.place):
            return b""
        before = change.before if change.before and chosen(change.before) else None
        after = change.after if change.after and chosen(change.after) else None
        if after is not None:
            return self._line("MODIFIED" if before else "ADDED", after)
        if before is None:
            return b""
        meta = before["metadata"] | {"resourceVersion": str(change.version)}
        return self._line("DELETED", before | {"metadata": meta})

    def _bookmark(self, version: int) -> bytes:
        if self.asked.query.get("allowWatchBookmarks") != "true":
            return b""
        return _raw_line("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})

    def _line(self, event_type: str, raw: Json) -> bytes:
        return _raw_line(event_type, self.shape(raw))

    def _too_old(self, version: int) -> Json:
        return expired(f"too old resource version: {version} ({self.objects.oldest})").body()

    def _wake(self, _: Change) -> None:
        self._news.set()


def _raw_line(event_type: str, raw: Json) -> bytes:
    return orjson.dumps({"type": event_type, "object": raw}) + b"\n"
