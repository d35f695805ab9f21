"""A blocking SDK runs in its own threads; its client is made late and recreated when refused."""

import threading
import time

import pytest

from moorage_provider import deadline
from moorage_provider.errors import AddressNotFound, CredentialsRejected, Unavailable
from moorage_provider.protocol import ApiCall
from moorage_provider.sdk import Sdk, observed, outcome_of


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
