"""Events of moves: of a few each has its own; of hundreds off one node the rest share one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from moorage_api.ipnode import IPNODES
from moorage_kube.telemetry.events import Event, EventRecorder

SINGLE = 10
"""So many moves off one node have an Event each, within the time that others are gathered."""
GATHER_SECONDS = 5.0
"""By then hundreds have moved. Until then the API server has more urgent writes than Events."""
_NAMED = 5
"""Nodes in one message."""


@dataclass(slots=True)
class _Gathered:
    """Moves off one node: how many had an Event of their own, and where the others went."""

    told: int = 0
    others: Counter[str] = field(default_factory=Counter)
    sample: Event | None = None


class MoveEvents:
    """Publishes Events of moves; ``uid_of``: of the IpNode of a node, ``""`` = there is none."""

    def __init__(self, events: EventRecorder, uid_of: Callable[[str], str]) -> None:
        self._events = events
        self._uid_of = uid_of
        self._nodes: dict[str, _Gathered] = {}
        self._began = asyncio.Event()

    async def moved(self, event: Event, holder: str, target: str) -> None:
        """An address moved off a node."""
        gathered = self._nodes.setdefault(holder, _Gathered())
        self._began.set()
        if gathered.told < SINGLE:
            gathered.told += 1
            await self._events.publish(event)
            return
        gathered.others[target] += 1
        gathered.sample = event

    async def run(self) -> None:
        """Tell what was gathered, for ever."""
        while True:
            await self._began.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._began.clear()
            nodes, self._nodes = self._nodes, {}
            for node, gathered in nodes.items():
                if gathered.sample is not None:
                    await self._events.publish(self._of_node(node, gathered, gathered.sample))

    def _of_node(self, node: str, gathered: _Gathered, sample: Event) -> Event:
        went = gathered.others.most_common(_NAMED)
        where = ", ".join(f"{name} ({count})" for name, count in went)
        more = " and more" if len(gathered.others) > _NAMED else ""
        message = f"{gathered.others.total()} more addresses move, to {where}{more}; the last:"
        message = f"{message} {sample.message}"
        uid = self._uid_of(node)
        return replace(sample, kind=IPNODES, name=node, uid=uid, message=message)
