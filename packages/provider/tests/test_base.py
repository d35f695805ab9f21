"""What all providers with an SDK share, on a client that does as little as one can."""

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

    def __init__(self, fence: Callable[[], None], tell: Callable[[ApiCall], None]) -> None:
        self.fence = fence
        self.tell = tell
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Harbour(SdkProvider[Client]):
    """A provider of one call."""

    name = "harbour"
    cloud = "Harbour"
    capabilities = Capabilities(moves_in_one_call=True, clears_target_first=False)
    threads = 2

    async def call(self) -> Client:
        async with self._within("the call"):
            return await self._sdk.run(lambda client: client)

    async def hang(self) -> None:
        async with self._within("the call"):
            await asyncio.Event().wait()

    def _connect(self) -> Client:
        return Client(self._check_fence, self._tell)


async def test_the_client_asks_the_fence_and_tells_the_observer_that_are_set_last() -> None:
    harbour = Harbour("", 5.0)
    client = await harbour.call()
    client.fence()
    client.tell(ApiCall("call", "success", 0.1))
    asked: list[str] = []
    told: list[ApiCall] = []
    harbour.fence = lambda: asked.append("fence")
    harbour.on_call = told.append
    client.fence()
    client.tell(ApiCall("call", "success", 0.2))
    assert asked == ["fence"]
    assert [request.seconds for request in told] == [0.2]
    await harbour.close()
    assert client.closed


async def test_credentials_are_the_client_s_and_nobody_s_before_there_is_one() -> None:
    harbour = Harbour("", 5.0)
    assert not harbour.credentials_expiring()
    await harbour.call()
    assert harbour.credentials_expiring()
    await harbour.close()


async def test_an_operation_without_an_answer_is_given_up_with_the_cloud_s_name() -> None:
    with pytest.raises(Unavailable, match=r"^Harbour: the call got no answer within 0\.02 s$"):
        await Harbour("", 0.02).hang()
