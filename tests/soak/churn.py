"""Random disturbances of nodes: drained, replaced, silent for a short or a long time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .options import Options
from .pool import NODE_GONE_SECONDS, NOT_READY_SECONDS, NodePool

# Most disturbances hit nodes with an address.
_TO_HOLDERS = 0.8


class Disturbance(StrEnum):
    """A kind of disturbance of a node."""

    DRAIN = "drained"
    REPLACE = "replaced"
    SHORT = "silent for short"
    LONG = "silent for long"


_WEIGHTS = {
    Disturbance.DRAIN: 8,
    Disturbance.REPLACE: 4,
    Disturbance.SHORT: 3,
    Disturbance.LONG: 3,
}


def drawn(options: Options) -> tuple[Disturbance, ...]:
    """The disturbances in order; the same for the same seed."""
    dice = random.Random(options.seed)
    weights = list(_WEIGHTS.values())
    return tuple(dice.choices(list(_WEIGHTS), weights, k=options.disturbances))


@dataclass(slots=True)
class Churn:
    """Disturbs nodes at intervals; disturbances overlap.

    Attributes:
        pool: where.
        shown: node -> address, as labels show it now.
        dice: draw the node and the duration.
        done: the count of each disturbance.
    """

    pool: NodePool
    shown: Mapping[str, str]
    dice: random.Random
    done: dict[Disturbance, int] = field(default_factory=lambda: dict.fromkeys(Disturbance, 0))
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _disturbed: set[str] = field(default_factory=set)

    async def run(self, plan: tuple[Disturbance, ...], every_seconds: float) -> None:
        """Disturb nodes until ``end`` is called; then all are healthy again."""
        async with asyncio.TaskGroup() as group:
            for disturbance in plan:
                await self._pause(every_seconds)
                if self._over.is_set():
                    break
                node = self._choose()
                self._disturbed.add(node)
                group.create_task(self._disturb(disturbance, node))
            await self._over.wait()

    def end(self) -> None:
        """Start no more disturbances, and undo the running ones at once."""
        self._over.set()

    async def _disturb(self, disturbance: Disturbance, node: str) -> None:
        match disturbance:
            case Disturbance.DRAIN:
                await self._drain(node)
            case Disturbance.REPLACE:
                await self._replace(node)
            case Disturbance.SHORT:
                await self._silence(node, NOT_READY_SECONDS / 3)
            case Disturbance.LONG:
                await self._silence(node, NOT_READY_SECONDS + self.dice.uniform(10, 20))
        self._disturbed.discard(node)
        self.done[disturbance] += 1

    async def _drain(self, node: str) -> None:
        """Cordon, delete the pod a little later, then undo both."""
        await _do(self.pool.cordon, node, on=True)
        await self._pause(self.dice.uniform(0.2, 3))
        await _do(self.pool.remove_pod, node)
        await self._pause(self.dice.uniform(5, 20))
        await _do(self.pool.add_pod, node)
        await _do(self.pool.cordon, node, on=False)

    async def _replace(self, node: str) -> None:
        """Delete a machine, before its Node object or after it, and add another one."""
        machine = self.pool.machines[node].instance.id
        steps: list[Callable[[], Awaitable[None]]] = [
            lambda: _do(self.pool.account.terminate, machine),
            lambda: _do(self.pool.remove_node, node),
        ]
        self.dice.shuffle(steps)
        await steps[0]()
        await self._pause(self.dice.uniform(0, 2 * NODE_GONE_SECONDS))
        await steps[1]()
        await self._pause(self.dice.uniform(0, 10))
        await _do(self.pool.add_node)

    async def _silence(self, node: str, seconds: float) -> None:
        await _do(self.pool.set_ready, node, ready=False)
        await self._pause(seconds)
        await _do(self.pool.set_ready, node, ready=True)

    def _choose(self) -> str:
        whole = sorted(self.pool.machines.copy().keys() - self._disturbed)
        holding = [node for node in whole if node in self.shown]
        to_holder = bool(holding) and self.dice.random() < _TO_HOLDERS
        return self.dice.choice(holding if to_holder else whole)

    async def _pause(self, seconds: float) -> None:
        """Wait, at most until ``end`` is called."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)


async def _do(step: Callable[..., None], *arguments: str, **options: bool) -> None:
    """Run a blocking step in a thread."""
    await asyncio.to_thread(step, *arguments, **options)
