"""Warm-up: a replica gets ready for the clouds it will call, before it leads."""

from __future__ import annotations

import asyncio

from moorage_core.projections import AllocationView
from moorage_core.scopes import Scopes
from moorage_kube.cache.informer import Informer

AGAIN_SECONDS = 5.0


class WarmUp:
    """Keeps ready the providers that allocations name, no others: to load an SDK takes seconds."""

    def __init__(self, allocations: Informer[AllocationView], scopes: Scopes) -> None:
        self._allocations = allocations
        self._scopes = scopes
        self._done = False

    async def run(self) -> None:
        """Make them ready, and close what nobody names, again and again; never ends by itself."""
        await self._allocations.listed.wait()
        while True:
            self._scopes.tidy()
            for provider, region in self._scopes.named():
                await self._scopes.make_ready(provider, region)
            self._done = True
            await asyncio.sleep(AGAIN_SECONDS)

    def check(self) -> str | None:
        """What keeps this replica from leading at once; ``None`` = nothing.

        A provider that cannot be made ready keeps no replica back: its allocations say why.
        """
        return None if self._done else "the clouds' SDKs are not loaded yet"
