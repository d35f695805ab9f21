"""A replica that stands by has loaded what it will need, and asks the cloud for nothing."""

import asyncio

import pytest
from core_builders import IP1, raw_allocation, until

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import warmup
from moorage_core.caches import Caches
from moorage_core.limits import Limits
from moorage_core.regions import by_age
from moorage_core.scopes import Region, Scopes
from moorage_core.warmup import WarmUp
from moorage_kube.cache.informer import Informer
from moorage_provider.errors import InvalidOptions
from moorage_testing.apiserver import serve_with_client
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider


async def test_the_clouds_that_allocations_name_are_made_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warmup, "AGAIN_SECONDS", 0.01)
    made: list[tuple[str, str]] = []

    def create(name: str, region: str) -> MemoryProvider:
        made.append((name, region))
        if name == "broken":
            raise InvalidOptions("no region is set")
        return MemoryProvider(MemoryCloud())

    caches = Caches()

    def named() -> list[Region]:
        return by_age(caches.allocations.values(), Limits().why_not_cloud)

    scopes = Scopes(create, lambda _: None, by_age=named)
    async with serve_with_client() as (_, client):
        informer = Informer(client, NETIPALLOCATIONS, caches.allocations)
        waiting = WarmUp(informer, scopes)
        task = asyncio.create_task(waiting.run())
        await asyncio.sleep(0)
        assert waiting.check() == "the clouds' SDKs are not loaded yet"
        for name, cloud in (
            ("a", {"provider": "memory", "region": "r1"}),
            ("b", {"provider": "broken", "region": "r1"}),
            ("c", {"provider": "memory", "region": "r2"}),
            ("d", {"provider": ""}),
        ):
            raw = raw_allocation(name, IP1)
            raw["spec"]["cloud"] = cloud
            caches.allocations.apply(raw)
        informer.listed.set()
        await until(lambda: waiting.check() is None, "the first pass")
        assert ("memory", "r2") in made
        await until(lambda: made.count(("broken", "r1")) > 2, "another try")
        assert made.count(("memory", "r1")) == made.count(("memory", "r2")) == 1
        assert dict(scopes.items()) == {}
        task.cancel()
        await asyncio.wait({task})
        await scopes.close()
