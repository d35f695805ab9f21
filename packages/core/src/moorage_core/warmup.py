"""What a replica does before it leads: it gets ready for the clouds it would have to call."""

from __future__ import annotations

import asyncio

from moorage_core.projections import AllocationView
from moorage_core.scopes import Scopes
from moorage_kube.cache.kopf_source import Feed

LOOK_SECONDS = 5.0


class Standby:
    """Keeps ready the providers that allocations name: to load an SDK takes seconds."""

    def __init__(self, allocations: Feed[AllocationView], scopes: Scopes) -> None:
        self._allocations = allocations
        self._scopes = scopes
        self._looked = False

    async def run(self) -> None:
        """Look again and again which there are; never ends by itself."""
        await self._allocations.listed.wait()
        while True:
            views = self._allocations.store.values()
            wanted = {(one.allocation.provider, one.allocation.region) for one in views}
            for provider, region in wanted:
                if provider:
                    await self._scopes.make_ready(provider, region)
            self._looked = True
            await asyncio.sleep(LOOK_SECONDS)

    def check(self) -> str | None:
        """What keeps this replica from leading at once; ``None`` = nothing.

        A provider that cannot be made ready keeps no replica back: its allocations tell why.
        """
        return None if self._looked else "the clouds' SDKs are not loaded yet"
