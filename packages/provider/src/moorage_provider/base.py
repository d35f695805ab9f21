"""What all providers share that reach their cloud through a blocking SDK."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, Protocol, TypeVar

from moorage_provider import deadline
from moorage_provider.errors import CloudError
from moorage_provider.protocol import ApiCall, Capabilities, unfenced, unobserved
from moorage_provider.sdk import Closeable, Sdk, goes_on


class Client(Closeable, Protocol):
    """A client of a cloud that knows whether its credentials are renewed in time."""

    @property
    def credentials_expiring(self) -> bool:
        """The credentials of the last request should have been renewed."""
        ...


StateT = TypeVar("StateT")
ClientT = TypeVar("ClientT", bound=Client)


class SdkProvider(Generic[ClientT]):
    """The part of ``moorage_provider.protocol.Provider`` that is the same for every cloud.

    Attributes:
        cloud: its name in error messages.
        threads: how many reads may be under way at once, and as many changes.
    """

    name: str
    capabilities: Capabilities
    cloud: str
    threads: int

    def __init__(self, region: str, timeout_seconds: float) -> None:
        self.fence: Callable[[], None] = unfenced
        self.on_call: Callable[[ApiCall], None] = unobserved
        self._log = logging.getLogger(type(self).__module__)
        self._region = region
        self._timeout_seconds = timeout_seconds
        self._sdk = Sdk(f"moorage-{self.name}", self._connect, self.threads)

    def credentials_expiring(self) -> bool:
        client = self._sdk.client
        return client is not None and client.credentials_expiring

    async def close(self) -> None:
        self._sdk.close()

    def _connect(self) -> ClientT:
        """Make the client; called in one of the threads, because it loads the SDK."""
        raise NotImplementedError

    async def _state(
        self, what: str, reading: Awaitable[tuple[StateT, CloudError | None]]
    ) -> StateT:
        """The state of an accepted mutation, by a read that says how it failed; raises that."""
        with goes_on():
            async with self._within(what):
                state, error = await reading
        if error:
            raise error
        return state

    def _announce(self, what: str, ip: str, machine_id: str, request_id: str) -> None:
        """Log a mutation before it is sent, so that it can be matched with the cloud's own log."""
        self._log.info("%s %s: machine %s, request %s", what, ip, machine_id, request_id)

    def _within(self, what: str) -> AbstractAsyncContextManager[None]:
        """The deadline of one operation."""
        return deadline.within(self._timeout_seconds, f"{self.cloud}: {what}")

    # The client gets these methods, because the caller may replace ``fence`` and ``on_call`` later.

    def _check_fence(self) -> None:
        self.fence()

    def _report_call(self, call: ApiCall) -> None:
        self.on_call(call)
