"""What all providers with an SDK share, tried with a minimal client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from moorage_provider.base import SdkProvider
from moorage_provider.errors import Unavailable
from moorage_provider.protocol import ApiCall, Capabilities


class Client:
    """Remembers what it was given."""

    credentials_expiring = True

    def __init__(self, fence: Callable[[], None], on_call: Callable[[ApiCall], None]) -> None:
        self.fence = fence
        self.on_call = on_call
        self.closed = False

    def close(self) -> None:
        self.closed = True


class ExampleProvider(SdkProvider[Client]):
    """A provider with one call."""

    name = "example"
    cloud = "Example cloud"
    capabilities = Capabilities(moves_in_one_call=True, clears_target_first=False)
    threads = 2

    async def call(self) -> Client:
        async with self._within("the call"):
            return await self._sdk.run(lambda client: client)

    async def hang(self) -> None:
        async with self._within("the call"):
            await asyncio.Event().wait()

    def _connect(self) -> Client:
        return Client(self._check_fence, self._report_call)


async def test_the_client_calls_the_fence_and_the_observer_that_were_set_last() -> None:
    provider = ExampleProvider("", 5.0)
    client = await provider.call()
    client.fence()
    client.on_call(ApiCall("call", "success", 0.1))
    asked: list[str] = []
    calls: list[ApiCall] = []
    provider.fence = lambda: asked.append("fence")
    provider.on_call = calls.append
    client.fence()
    client.on_call(ApiCall("call", "success", 0.2))
    assert asked == ["fence"]
    assert [request.seconds for request in calls] == [0.2]
    await provider.close()
    assert client.closed


async def test_credentials_can_expire_only_once_there_is_a_client() -> None:
    provider = ExampleProvider("", 5.0)
    assert not provider.credentials_expiring()
    await provider.call()
    assert provider.credentials_expiring()
    await provider.close()


async def test_a_call_without_an_answer_raises_an_error_that_names_the_cloud() -> None:
    with pytest.raises(
        Unavailable, match=r"^Example cloud: the call got no answer within 0\.02 s$"
    ):
        await ExampleProvider("", 0.02).hang()
