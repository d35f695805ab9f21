"""The scopes in use, one for each account and region that allocations name.

Their number is bounded: each costs a client and threads, and whoever writes allocations names them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from moorage_core.model import Allocation
from moorage_core.scope import Scope
from moorage_provider.protocol import Provider

Region: TypeAlias = tuple[str, str]
"""Name of a provider, and region."""
CreateProvider: TypeAlias = Callable[[str, str], Provider]
"""From a region's two parts."""

log = logging.getLogger(__name__)

MOST_REGIONS = 16
IDLE_SECONDS = 30.0
"""How long the client of a region is kept that no allocation needs any more."""


class TooManyRegions(Exception):
    """No client is made for a region; the message says why, and the way out."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A provider that no scope uses, since a monotonic time."""

    provider: Provider
    since: float


def _nothing() -> Iterable[Region]:
    return ()


class Scopes:
    """All scopes in use, each read by its own task.

    Args:
        create: makes the provider ``name`` with options; raises ``CloudError`` or what the plug-in
            loader raises, which the caller turns into a cloud state.
        changed: see ``Scope.changed``.
        most: how many regions may be in use.
        by_age: the regions that allocations name, that of the oldest first. Where there are too
            many, those come first, also after a restart: whoever invents regions now takes no place
            from those that were there before.
    """

    def __init__(
        self,
        create: CreateProvider,
        changed: Callable[[Collection[str]], None],
        most: int = MOST_REGIONS,
        by_age: Callable[[], Iterable[Region]] = _nothing,
    ) -> None:
        self._create = create
        self._changed = changed
        self._most = most
        self._by_age = by_age
        self._scopes: dict[Region, Scope] = {}
        self._tasks: dict[Region, asyncio.Task[None]] = {}
        self._of: dict[str, Region] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._ready: dict[Region, _Ready] = {}
        self._refused: dict[str, None] = {}
        """Names of allocations for which there was no room."""

    def named(self) -> list[Region]:
        """The regions that allocations name, that of the oldest first."""
        return list(self._by_age())

    async def make_ready(self, provider: str, region: str) -> None:
        """Let a provider load its SDK and find its credentials, for a scope to be opened later."""
        key = (provider, region)
        if key in self._scopes or key in self._ready or self._used >= self._most:
            return
        try:
            made = self._create(*key)
            self._ready[key] = _Ready(made, time.monotonic())
            await made.snapshot(())
        except Exception:
            log.debug("not ready for %s", "/".join(key), exc_info=True)

    def want(self, allocation: Allocation, addresses: Collection[str]) -> Scope:
        """The scope of an allocation, which from now on reads these addresses for it.

        Raises ``TooManyRegions``.
        """
        key = (allocation.provider, allocation.region)
        if self._of.get(allocation.name, key) != key:
            self.unwant(allocation.name)
        scope = self._scopes.get(key)
        if scope is None:
            scope = self._open(key, allocation.name)
        self._refused.pop(allocation.name, None)
        self._of[allocation.name] = key
        scope.want(allocation.name, addresses, allocation.interval, allocation.labels)
        return scope

    def of(self, allocation: str) -> Scope | None:
        """The scope that reads for an allocation; ``None`` = none does."""
        key = self._of.get(allocation)
        return self._scopes.get(key) if key else None

    def unwant(self, allocation: str) -> None:
        """Forget an allocation; a scope that nobody wants is not read any more."""
        self._refused.pop(allocation, None)
        key = self._of.pop(allocation, None)
        if key is not None and self._scopes[key].unwant(allocation):
            # What was begun there may still be under way, and the next one who wants it may come.
            self._tasks.pop(key).cancel()
            self._ready[key] = _Ready(self._scopes.pop(key).provider, time.monotonic())

    def tidy(self) -> None:
        """Close what nobody has needed for a while, and let those that found no room try again."""
        before = time.monotonic() - IDLE_SECONDS
        named = set(self._by_age())
        for key, ready in list(self._ready.items()):
            if key not in named and ready.since <= before:
                self._give_back(self._ready.pop(key).provider)
        if self._refused and len(self._scopes) < self._most:
            self._changed(tuple(self._refused))

    def all_read(self) -> bool:
        """Whether everything that anybody wants was read, and no read failed since."""
        return all(scope.all_read() for scope in self._scopes.values())

    def holders(self) -> set[str]:
        """Machine ids of all that hold an address in any scope."""
        return {machine for scope in self._scopes.values() for machine in scope.holders()}

    def items(self) -> Iterable[tuple[Region, Scope]]:
        """Every scope by provider and region."""
        return self._scopes.items()

    async def close(self) -> None:
        """Stop reading and close the providers."""
        for key in list(self._scopes):
            self._tasks.pop(key).cancel()
            self._give_back(self._scopes.pop(key).provider)
        for ready in self._ready.values():
            self._give_back(ready.provider)
        self._ready.clear()
        await asyncio.gather(*self._closing, return_exceptions=True)

    @property
    def _used(self) -> int:
        """How many providers there are."""
        return len(self._scopes) + len(self._ready)

    def _open(self, key: Region, allocation: str) -> Scope:
        if len(self._scopes) + self._older(key) >= self._most:
            self._refused[allocation] = None
            where = " in ".join(filter(None, key))
            raise TooManyRegions(
                f"nothing is asked of {where}: {self._most} regions of clouds are in use, or in use"
                " by older allocations, and --cloud-regions allows no more; delete allocations of"
                " other regions, or set the flag (core.config.cloudRegions of the chart) higher"
            )
        ready = self._ready.pop(key, None)
        while self._used >= self._most:
            oldest = min(self._ready, key=lambda one: self._ready[one].since)
            self._give_back(self._ready.pop(oldest).provider)
        provider = ready.provider if ready else self._create(*key)
        scope = Scope(provider, self._changed, region=key[1])
        self._scopes[key] = scope
        self._tasks[key] = asyncio.create_task(scope.run(), name=f"read {'/'.join(key)}")
        return scope

    def _older(self, key: Region) -> int:
        """How many regions without a scope come before this one."""
        if len(self._scopes) >= self._most:
            return 0
        older = itertools.takewhile(lambda one: one != key, self._by_age())
        return sum(1 for one in older if one not in self._scopes)

    def _give_back(self, provider: Provider) -> None:
        closing = asyncio.create_task(provider.close(), name=f"close {provider.name}")
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
