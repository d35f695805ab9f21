"""What a replica does before it leads: it gets ready for the clouds it would have to call."""

from __future__ import annotations

import asyncio

from moorage_core.projections import AllocationView
from moorage_core.scopes import Scopes
from moorage_kube.store import Store

LOOK_SECONDS = 5.0


class Standby:
    """Keeps ready the providers that allocations name: to load an SDK takes seconds."""

    def __init__(self, allocations: Store[AllocationView], scopes: Scopes) -> None:
        self._allocations = allocations
        self._scopes = scopes

    async def run(self) -> None:
        """Look again and again which there are; never ends by itself."""
        while True:
            wanted = [view.allocation for view in self._allocations.values()]
            for provider, region in {(one.provider, one.region) for one in wanted if one.provider}:
                await self._scopes.make_ready(provider, region)
            await asyncio.sleep(LOOK_SECONDS)
