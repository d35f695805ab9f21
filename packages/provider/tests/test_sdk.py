"""A blocking SDK runs in its own threads; its client is made late and recreated when refused."""

import asyncio
import gc
import threading
import time
import weakref

import pytest

from moorage_provider import deadline
from moorage_provider.errors import (
    AddressNotFound,
    CredentialsRejected,
    Denied,
    StateUnread,
    Throttled,
    Unavailable,
)
from moorage_provider.protocol import ApiCall
from moorage_provider.sdk import Sdk, goes_on, observed, outcome_of


class Client:
    """A client that knows whether it was closed and which thread made it."""

    def __init__(self) -> None:
        self.made_in = threading.current_thread().name
        self.closed = False

    def close(self) -> None:
        self.closed = True


async def test_the_client_is_made_once_and_in_a_thread() -> None:
    sdk = Sdk("cloud", Client, 2)
    first, second = await sdk.run(lambda client: client), await sdk.run(lambda client: client)
    assert first is second
    assert first.made_in.startswith("cloud")
    sdk.close()
    assert first.closed


async def test_after_rejected_credentials_the_client_is_recreated() -> None:
    def refuse(_: Client) -> None:
        raise CredentialsRejected("no")

    sdk = Sdk("cloud", Client, 1)
    assert sdk.client is None
    first = await sdk.run(lambda client: client)
    assert sdk.client is first
    with pytest.raises(CredentialsRejected):
        await sdk.run(refuse)
    assert sdk.client is None
    assert await sdk.run(lambda client: client) is not first
    sdk.close()


async def test_a_call_that_waited_past_its_deadline_is_never_made() -> None:
    made: list[str] = []
    sdk = Sdk("cloud", Client, 1)
    with pytest.raises(Unavailable):
        async with deadline.within(0.05, "slow"):
            await sdk.run(lambda _: time.sleep(0.2))
    with pytest.raises(Unavailable):
        async with deadline.within(0.01, "late"):
            await sdk.run(lambda _: made.append("late"))
    await sdk.run(lambda _: made.append("after"))
    assert made == ["after"]
    sdk.close()


def test_every_finished_call_is_reported() -> None:
    calls: list[ApiCall] = []
    with observed("Read", calls.append):
        pass
    with pytest.raises(AddressNotFound), observed("Read", calls.append):
        raise AddressNotFound("gone")
    with pytest.raises(PermissionError), observed("Write", calls.append):
        raise PermissionError("fenced")
    assert [(r.operation, r.outcome) for r in calls] == [
        ("Read", "success"),
        ("Read", "address_not_found"),
    ]
    assert all(0 <= request.seconds < 1 for request in calls)


def test_outcomes_are_spelled_as_metrics_are() -> None:
    assert outcome_of(CredentialsRejected("x")) == "credentials_rejected"
    assert outcome_of(Unavailable("x")) == "unavailable"


async def test_sec_03_a_closed_client_is_kept_by_nobody() -> None:
    sdk = Sdk("cloud_sec_03", Client, 1)
    made = weakref.ref(await sdk.run(lambda client: client))
    sdk.close()
    await asyncio.to_thread(_joined, "cloud_sec_03")
    gc.collect()
    assert made() is None


async def test_sec_03_a_client_that_is_made_too_late_is_closed() -> None:
    begun, go_on, late = threading.Event(), threading.Event(), Client()

    def connect() -> Client:
        begun.set()
        go_on.wait(10.0)
        return late

    sdk = Sdk("cloud", connect, 1)
    call = asyncio.create_task(sdk.run(lambda _: None))
    await asyncio.to_thread(begun.wait, 10.0)
    sdk.close()
    go_on.set()
    await call
    assert late.closed
    assert sdk.client is None


def _joined(name: str) -> None:
    """Wait until no thread of this name is left."""
    for thread in threading.enumerate():
        if thread.name.startswith(name):
            thread.join(10.0)
            assert not thread.is_alive()


async def test_a_read_does_not_wait_behind_changes() -> None:
    sdk = Sdk("cloud", Client, 1)
    await sdk.run(lambda _: None)
    answer = threading.Event()
    changes = [asyncio.create_task(sdk.change(lambda _: answer.wait(30.0))) for _ in range(3)]
    await asyncio.sleep(0)
    assert await sdk.run(lambda _: not answer.is_set())
    answer.set()
    assert await asyncio.gather(*changes) == [True] * 3
    sdk.close()


def test_what_cannot_be_read_of_an_accepted_mutation_says_nothing_of_its_end() -> None:
    with pytest.raises(StateUnread) as unread, goes_on():
        raise Throttled("too many calls", "TooManyRequests", 7.0)
    assert (unread.value.code, unread.value.retry_after) == ("TooManyRequests", 7.0)
    with pytest.raises(Denied, match="no right"), goes_on():
        raise Denied("no right")
