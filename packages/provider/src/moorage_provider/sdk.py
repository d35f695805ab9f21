"""A blocking SDK behind the event loop: in its own threads, loaded on first use, observed."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from moorage_provider import deadline
from moorage_provider.errors import CloudError, CredentialsRejected, Retry, StateUnread
from moorage_provider.protocol import ApiCall

T = TypeVar("T")


class Closeable(Protocol):
    """A client of a cloud; safe to use from several threads."""

    def close(self) -> None:
        """Close the connections."""
        ...


ClientT = TypeVar("ClientT", bound=Closeable)


class Sdk(Generic[ClientT]):
    """One client of a cloud and the threads its calls are made in.

    Args:
        name: of the threads.
        connect: makes the client, in one of the threads: SDKs take long to import, and finding
            credentials may need the network.
        threads: how many reads may be under way at once, and as many changes.
    """

    def __init__(self, name: str, connect: Callable[[], ClientT], threads: int) -> None:
        # Its own threads: slow answers here must not delay other work that the process does in
        # threads.
        self._reading = ThreadPoolExecutor(threads, name)
        # Where many addresses move, reads would wait behind changes, which take much longer.
        self._changing = ThreadPoolExecutor(threads, f"{name}-changes")
        self._connect = connect
        self._connecting = threading.Lock()
        self._client: ClientT | None = None
        self._closed = False

    async def run(self, call: Callable[[ClientT], T]) -> T:
        """Make a blocking call that reads in one of the threads, under the caller's deadline."""
        return await self._run(self._reading, call)

    async def change(self, call: Callable[[ClientT], T]) -> T:
        """The same for one that changes something, or waits for a change."""
        return await self._run(self._changing, call)

    async def _run(self, threads: ThreadPoolExecutor, call: Callable[[ClientT], T]) -> T:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, context.run, self._blocking, call)

    @property
    def client(self) -> ClientT | None:
        """The client in use; ``None``: no call was made yet, or its credentials were rejected."""
        return self._client

    def close(self) -> None:
        """Release threads, connections and memory; calls under way end by their deadlines."""
        self._closed = True
        for threads in (self._reading, self._changing):
            threads.shutdown(wait=False, cancel_futures=True)
        # Whoever still knows this object does not keep what the client takes.
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _blocking(self, call: Callable[[ClientT], T]) -> T:
        deadline.check()
        client = self._connected()
        try:
            return call(client)
        except CredentialsRejected:
            # The client keeps the credentials it found at its start; the next call searches again.
            with self._connecting:
                if self._client is client:
                    self._client = None
            raise

    def _connected(self) -> ClientT:
        with self._connecting:
            if self._client is not None:
                return self._client
            client = self._connect()
            if self._closed:
                client.close()
            else:
                self._client = client
            return client


@contextlib.contextmanager
def observed(operation: str, on_call: Callable[[ApiCall], None]) -> Iterator[None]:
    """Report how a call to the cloud ended and how long it took; errors must be mapped inside.

    A call stopped by anything else, such as the fence, is not reported: no request was sent.
    """
    began = time.monotonic()
    try:
        yield
    except CloudError as error:
        on_call(ApiCall(operation, outcome_of(error), time.monotonic() - began))
        raise
    on_call(ApiCall(operation, "success", time.monotonic() - began))


@contextlib.contextmanager
def goes_on() -> Iterator[None]:
    """Around what reads the state of an accepted mutation, and only that: it fails by itself."""
    try:
        yield
    except Retry as unread:
        raise StateUnread(unread.message, unread.code, unread.retry_after) from unread


def outcome_of(error: CloudError) -> str:
    """The name of an error as metrics spell it: ``AddressNotFound`` is ``address_not_found``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
