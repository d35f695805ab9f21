"""What happens to nodes: drained, replaced, silent for short or for long; drawn by lot."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from .options import Options
from .world import NODE_GONE_SECONDS, NOT_READY_SECONDS, World

# Most of it happens where it matters.
_TO_HOLDERS = 0.8


class Disturbance(StrEnum):
    """What can happen to a node."""

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
    """What happens, in order; the same for the same seed."""
    dice = random.Random(options.seed)
    weights = list(_WEIGHTS.values())
    return tuple(dice.choices(list(_WEIGHTS), weights, k=options.disturbances))


@dataclass(slots=True)
class Churn:
    """One thing after the other happens to nodes, each of them on its own.

    Attributes:
        world: where.
        shown: node -> address, as labels show it now.
        dice: of which node, and for how long.
        done: how often each has happened.
    """

    world: World
    shown: Mapping[str, str]
    dice: random.Random
    done: dict[Disturbance, int] = field(default_factory=lambda: dict.fromkeys(Disturbance, 0))
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _disturbed: set[str] = field(default_factory=set)

    async def run(self, plan: tuple[Disturbance, ...], every_seconds: float) -> None:
        """Let it happen until ``end`` is called; then all is whole again."""
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
        """Let nothing more happen; what has been taken away is given back at once."""
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
        """Cordon; the pod goes a little later; both are undone."""
        await _do(self.world.cordon, node, on=True)
        await self._pause(self.dice.uniform(0.2, 3))
        await _do(self.world.remove_pod, node)
        await self._pause(self.dice.uniform(5, 20))
        await _do(self.world.add_pod, node)
        await _do(self.world.cordon, node, on=False)

    async def _replace(self, node: str) -> None:
        """A machine goes for ever, before its Node object or after it, and another one joins."""
        machine = self.world.machines[node].instance.id
        steps: list[Callable[[], Awaitable[None]]] = [
            lambda: _do(self.world.account.terminate, machine),
            lambda: _do(self.world.remove_node, node),
        ]
        self.dice.shuffle(steps)
        await steps[0]()
        await self._pause(self.dice.uniform(0, 2 * NODE_GONE_SECONDS))
        await steps[1]()
        await self._pause(self.dice.uniform(0, 10))
        await _do(self.world.add_node)

    async def _silence(self, node: str, seconds: float) -> None:
        await _do(self.world.set_ready, node, ready=False)
        await self._pause(seconds)
        await _do(self.world.set_ready, node, ready=True)

    def _choose(self) -> str:
        whole = sorted(self.world.machines.copy().keys() - self._disturbed)
        holding = [node for node in whole if node in self.shown]
        to_holder = bool(holding) and self.dice.random() < _TO_HOLDERS
        return self.dice.choice(holding if to_holder else whole)

    async def _pause(self, seconds: float) -> None:
        """Wait; not longer than until it is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)


async def _do(step: Callable[..., None], *arguments: str, **options: bool) -> None:
    """Take a blocking step beside the event loop."""
    await asyncio.to_thread(step, *arguments, **options)
