"""The end of the agent: it leaves the addresses to the next one, or lets go of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from moorage_kube.client.errors import KubeError
from moorage_kube.reconcile.queue import WorkQueue
from moorage_node_agent.act import Actor
from moorage_node_agent.actions import Remove
from moorage_node_agent.firewall import Firewall
from moorage_node_agent.lease import NodeLease
from moorage_node_agent.link.model import Holding
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import Hands, clock

logger = logging.getLogger(__name__)

_MARGIN_SECONDS = 3
"""So much before the hold ends the kernel has let go: it may be 1.2 s late."""
_LOOK_SECONDS = 0.05
_STATUS_SECONDS = 1.0


@dataclass(slots=True)
class Leaving:
    """What is done on SIGTERM, in this order.

    Without a drain: the hold is stored in the Lease, only then are lives in the kernel lengthened
    to just under it. With one: the Lease says so, the addresses move, what is left is removed.
    Passes go on meanwhile, so that nothing expires and what moves is let go.
    """

    hands: Hands
    actor: Actor
    firewall: Firewall
    lease: NodeLease
    settings: NodeAgentSettings
    passes: WorkQueue
    statuses: WorkQueue

    async def leave(self, _: float) -> None:
        """Hold or drain, and close; never raises for an API server that is away."""
        if not self.settings.dry_run:
            await self._hold_or_drain()
        self.passes.pause()
        await self.passes.drain(_STATUS_SECONDS)
        self.hands.close()

    async def _hold_or_drain(self) -> None:
        for queue in (self.passes, self.statuses):
            queue.resume()
        begun = clock()
        if not self.settings.hold_seconds or await self.lease.node_is_drained():
            await self._drain()
        elif await self.lease.hold(self.settings.hold_seconds):
            self._lengthen(self.settings.hold_seconds - (clock() - begun))
        else:
            logger.warning("the hold is not stored: the addresses expire as they are")
        self.statuses.pause()

    def _lengthen(self, seconds: float) -> None:
        """Let the addresses live until just before others may take them."""
        self.passes.pause()
        valid = int(seconds) - _MARGIN_SECONDS
        state = self.hands.state
        held = tuple(Holding(one, index) for one, links in state.held.items() for index in links)
        if held and valid > self.settings.valid_seconds:
            self.actor.refresh(held, valid)
            logger.info("%d addresses stay for %d s, for the next agent", len(held), valid)

    async def _drain(self) -> None:
        state = self.hands.state
        if await self.lease.drain():
            deadline = clock() + self.settings.drain_seconds
            await _until(lambda: not state.held, deadline)
        self.passes.pause()
        await self.passes.drain(_STATUS_SECONDS)
        left = [Holding(one, index) for one, links in state.held.items() for index in links]
        self.actor.act(self.settings.policy(), Remove(tuple(left)))
        self.firewall.restrict({})
        # What they are asked to write is read from here.
        state.states = {}
        self.actor.say_all()
        await _until(
            lambda: not (self.statuses.depth or self.statuses.running), clock() + _STATUS_SECONDS
        )
        try:
            async with asyncio.timeout(_STATUS_SECONDS):
                await self.lease.delete()
        except (KubeError, TimeoutError) as error:
            logger.warning("the Lease stays until its Node goes: %s", str(error) or "no answer")


async def _until(condition: Callable[[], bool], deadline: float) -> None:
    while not condition() and clock() < deadline:  # noqa: ASYNC110 - queues and kernels set no event
        await asyncio.sleep(_LOOK_SECONDS)
