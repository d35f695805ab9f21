"""All scopes together: all read means all, one that fails to close spoils nothing, none spins."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

from core_builders import IP1, IP2, allocation, until

from moorage_core.model import Awaited, Present
from moorage_core.scope import Scope
from moorage_core.scopes import Scopes
from moorage_provider.errors import Unavailable
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider
from moorage_testing.faults import Fault


class ClosingProvider(MemoryProvider):
    """Says whether it was closed; one may fail at it."""

    closed = False
    failure: Exception | None = None

    async def close(self) -> None:
        self.closed = True
        if self.failure is not None:
            raise self.failure


def clouds(*regions: str) -> dict[str, MemoryCloud]:
    """A cloud for each region, with one address in each."""
    made = {region: MemoryCloud() for region in regions}
    for cloud, ip in zip(made.values(), (IP1, IP2), strict=False):
        cloud.add_address(ip)
    return made


async def test_everything_is_read_only_when_every_scope_is() -> None:
    by_region = clouds("r1", "r2")
    by_region["r2"].faults.inject(Fault(op="snapshot", error=Unavailable("no answer")))
    scopes = Scopes(lambda _, region: MemoryProvider(by_region[region]), lambda _: None)
    assert scopes.all_read()  # nobody wants anything
    first = scopes.want(allocation(name="a", region="r1"), {IP1})
    second = scopes.want(allocation(name="b", region="r2"), {IP2})
    try:
        assert not scopes.all_read()
        await until(lambda: isinstance(first.cloud_state(IP1), Present), "the first to be read")
        await until(lambda: second.cloud_state(IP2) != Awaited(), "the second to fail")
        assert (first.all_read(), second.all_read()) == (True, False)
        assert not scopes.all_read()
        await until(scopes.all_read, "the second to be read")
    finally:
        await scopes.close()


async def test_a_provider_that_fails_to_close_keeps_no_other_from_being_closed() -> None:
    by_region = clouds("r1", "r2")
    providers: dict[str, ClosingProvider] = {}

    def create(_: str, region: str) -> ClosingProvider:
        return providers.setdefault(region, ClosingProvider(by_region[region]))

    scopes = Scopes(create, lambda _: None)
    scopes.want(allocation(name="a", region="r1"), {IP1})
    scopes.want(allocation(name="b", region="r2"), {IP2})
    providers["r1"].failure = RuntimeError("the session is broken")
    await scopes.close()
    assert {region: one.closed for region, one in providers.items()} == {"r1": True, "r2": True}
    assert dict(scopes.items()) == {}


class CountingSelector(selectors.DefaultSelector):
    """Counts how often the event loop had something to do."""

    turns = 0

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        return super().select(timeout)


def test_a_scope_with_nothing_to_read_sleeps() -> None:
    selector = CountingSelector()

    async def story() -> None:
        cloud = clouds("r1")["r1"]
        scope = Scope(MemoryProvider(cloud), lambda _: None)
        task = asyncio.create_task(scope.run())
        scope.want("a", [IP1], 1000.0)
        await until(lambda: isinstance(scope.cloud_state(IP1), Present), "the first read")
        before = selector.turns
        await asyncio.sleep(0.5)
        assert selector.turns - before <= 5  # fifty, if it asked itself all the time
        task.cancel()
        await asyncio.wait({task})

    def loop() -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(selector)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(story())
