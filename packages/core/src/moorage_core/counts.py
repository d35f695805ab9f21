"""What the API server itself says of a node's pods, asked before an address leaves that node."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from moorage_core.caches import uptime
from moorage_core.decide.address import BEHIND_SECONDS
from moorage_core.projections import NOT_ENDED, PodView, project_pod
from moorage_kube.cache.store import Store, key_of
from moorage_kube.client.client import Client, ListQuery
from moorage_kube.client.kinds import PODS

AGREED_SECONDS = 10.0
"""How long it counts that the cache knew every pod there was."""
_AT_ONCE = 10


@dataclass(slots=True)
class PodCounts:
    """Whether the cache knew all pods of a node when they were last counted.

    A watch may be behind, by much where this process was frozen or has just become the leader.
    To list all pods of a large cluster takes seconds, those of one node milliseconds. Nothing found
    goes into the cache: what the watch has reported meanwhile is newer.
    """

    pods: Store[PodView]
    _counted: dict[str, tuple[float, bool]] = field(default_factory=dict)

    def lately(self) -> dict[str, bool]:
        """Nodes counted a short while ago -> whether the cache knew every pod there."""
        now = uptime()
        self._counted = {name: known for name, known in self._counted.items() if known[0] > now}
        return {name: agreed for name, (_, agreed) in self._counted.items()}

    async def count(self, client: Client, node_names: Sequence[str]) -> None:
        """Ask for the pods of these nodes, a few at a time; raises ``KubeError``."""
        for start in range(0, len(node_names), _AT_ONCE):
            some = node_names[start : start + _AT_ONCE]
            await asyncio.gather(*(self._count(client, name) for name in some))

    async def _count(self, client: Client, node_name: str) -> None:
        selector = f"spec.nodeName={node_name},{NOT_ENDED}"
        raws = await client.list_all(PODS, ListQuery(field_selector=selector))
        agreed = all(key_of(raw) in self.pods for raw in raws if project_pod(raw))
        seconds = AGREED_SECONDS if agreed else BEHIND_SECONDS
        self._counted[node_name] = (uptime() + seconds, agreed)
