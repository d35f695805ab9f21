"""A lab in memory and in virtual time: nodes with simulated agents, claims, and the scheduler."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from placement_agents import NS
from placement_cluster import Cluster

from moorage_api.ipclaim import IPCLAIMS
from moorage_api.ipclaimpool import IPCLAIMPOOLS
from moorage_external_ip.caches import Caches
from moorage_external_ip.kinds import SERVICES
from moorage_external_ip.placement.controller import Placement
from moorage_external_ip.settings import ExternalIpSettings
from moorage_kube.manager.manager import Manager
from moorage_testing import virtual_time
from moorage_testing.harness import Scenario, World, managed
from moorage_testing.harness.scenario import Start


def alone(manager: Manager) -> None:
    """The scheduler without those who allocate addresses."""
    caches = Caches(cast("ExternalIpSettings", manager.settings))
    manager.informer(IPCLAIMS, caches.claims)
    manager.informer(IPCLAIMPOOLS, caches.pools)
    manager.informer(SERVICES, caches.services)
    Placement(manager, caches)


def started(run: Callable[[Manager], None] = alone, **settings: Any) -> Start:
    """A process as it runs, with agents' Leases in the namespace of the cluster."""
    wanted = {"agent_namespace": NS} | settings
    return managed(ExternalIpSettings.model_validate(wanted), run)


class Lab(Cluster):
    """A cluster with a scheduler, as its process runs it."""

    def __init__(self, process: Callable[[Manager], None] = alone, **settings: Any) -> None:
        self.world = World(Scenario(started(process, **settings), lambda _: None))
        super().__init__(self.world.server)

    def series(self, name: str, **labels: str) -> float | None:
        """A series as a scrape has it."""
        assert self.world.manager is not None
        registry = self.world.manager.registry
        return registry.get_sample_value(f"moorage_external_ip_{name}", labels)

    def looks(self) -> float | None:
        """How often the scheduler has looked at a claim."""
        assert self.world.manager is not None
        name = "moorage_external_ip_placement_reconciles_total"
        return self.world.manager.registry.get_sample_value(name, {"outcome": "done"})

    async def passes(self, seconds: float) -> None:
        await self.world.pass_time(seconds)

    async def until(self, true: Callable[[], bool], what: str, within: float) -> float:
        """Wait until something is so; returns how long it took."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while not true():
            assert loop.time() - begun <= within, f"not within {within:g} s: {what}"
            await self.passes(0.05)
        return loop.time() - begun


def run(play: Callable[[Lab], Awaitable[None]], nodes: int = 3, **settings: Any) -> None:
    """One scenario, once the scheduler has judged the agents and all is at rest."""

    async def whole() -> None:
        lab = Lab(**settings)
        for number in range(1, nodes + 1):
            lab.node(f"n{number}")
        lab.world.begin()
        try:
            await lab.passes(7.0)
            await play(lab)
            assert not lab.doubled, lab.doubled
            assert not lab.world.deaths, lab.world.deaths
        finally:
            for agent in lab.agents.values():
                agent.kill()
            await lab.world.kill()

    virtual_time.run(whole())
