"""What a takeover waits for before any pass is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from moorage_kube.cache.informer import Reflector
from moorage_kube.cache.store import Store
from moorage_kube.client.kinds import LEASES, NODES, PODS
from moorage_kube.manager.manager import Controller, Operation, Ports
from moorage_kube.manager.settings import ElectedSettings
from moorage_kube.reconcile.queue import WorkQueue
from moorage_testing.apiserver import ApiServer, serve
from moorage_testing.waiting import until

KEY = "a"


def name_of(raw: dict[str, dict[str, str]]) -> str:
    return raw["metadata"]["name"]


@dataclass
class Ship:
    """A controller that follows nodes, and pods as hints; it notes every pass."""

    server: ApiServer
    queue: WorkQueue = field(default_factory=WorkQueue)
    passes: list[str] = field(default_factory=list)

    def build(self, ports: Ports) -> Controller:
        return Controller(
            queue=self.queue,
            reconcile=self._reconcile,
            reflectors=(Reflector(ports.client, NODES, Store(name_of)),),
            hints=(Reflector(ports.client, PODS, Store(name_of)),),
        )

    async def _reconcile(self, key: str) -> None:
        self.passes.append(key)

    def lists(self, plural: str) -> int:
        """How often the objects of a kind were listed."""
        return sum(asked.path.endswith(f"/{plural}") for asked in self.server.seen("GET"))


@asynccontextmanager
async def running(server: ApiServer) -> AsyncIterator[Ship]:
    ship = Ship(server)
    settings = ElectedSettings.model_validate({"metrics_port": 0, "metrics_host": "127.0.0.1"})
    operation = Operation(settings, server.connection(namespace="default"), ship.build)
    await operation.open()
    await operation.start()
    try:
        yield ship
    finally:
        await operation.stop()


def hold_lease(server: ApiServer, holder: str) -> None:
    """Somebody else's Lease, or, with no holder, nobody's."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 60}
    server.put(LEASES, "moorage", "default", spec=spec)


async def test_a_standby_that_takes_over_lists_all_afresh_but_what_it_takes_for_hints() -> None:
    async with serve(ApiServer()) as server:
        hold_lease(server, "another")
        async with running(server) as ship:
            await until(lambda: server.watches == 2, "both caches to follow")
            assert (ship.lists("nodes"), ship.lists("pods")) == (1, 1)
            ship.queue.add(KEY)
            hold_lease(server, "")
            await until(lambda: ship.passes == [KEY], "a pass")
            assert (ship.lists("nodes"), ship.lists("pods")) == (2, 1)


async def test_no_pass_is_made_before_hints_were_listed_at_all() -> None:
    async with serve(ApiServer()) as server:
        server.fail("GET", status=503, path="/pods", times=10_000)
        async with running(server) as ship:
            ship.queue.add(KEY)
            await until(lambda: ship.lists("nodes") > 1, "the takeover")
            await until(lambda: ship.lists("pods") > 1, "pods to be asked for again")
            assert ship.passes == []
            server.faults.clear()
            await until(lambda: ship.passes == [KEY], "a pass")
