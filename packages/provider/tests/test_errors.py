"""Every error of a cloud says in one sentence what happened, and carries the details."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from moorage_provider import errors
from moorage_provider.errors import CloudError


def kinds(base: type[CloudError] = CloudError) -> Iterator[type[CloudError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()))
def test_an_error_shows_its_message_and_nothing_else(kind: type[CloudError]) -> None:
    error = kind("node a is stopped", "IncorrectInstanceState")
    assert str(error) == "node a is stopped"
    assert error.code == "IncorrectInstanceState"
    assert kind("no code").code == ""


@pytest.mark.parametrize("kind", list(kinds()))
def test_an_error_can_be_raised_and_is_caught_as_a_cloud_error(kind: type[CloudError]) -> None:
    with pytest.raises(CloudError) as caught:
        raise kind("it failed") from TimeoutError("10 s")
    assert type(caught.value) is kind
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_two_errors_that_say_the_same_are_two_errors() -> None:
    assert CloudError("once") != CloudError("once")
    assert len({CloudError("once"), CloudError("once")}) == 2


def test_exactly_these_kinds_may_succeed_if_tried_again() -> None:
    assert set(kinds(errors.Retry)) == {
        errors.Retry, errors.Throttled, errors.Locked, errors.Unavailable, errors.StateUnread,
    }  # fmt: skip


def test_an_error_carries_the_details_beyond_its_message() -> None:
    assert errors.Throttled("slow down", "RequestLimitExceeded", 2.5).retry_after == 2.5
    assert errors.Locked("busy").retry_after is None
    assert errors.InUse("taken", owner="i-0abc").owner == "i-0abc"
    assert errors.Denied("no", permission="ec2:AssociateAddress").permission.startswith("ec2:")


@pytest.mark.parametrize("kind", list(kinds()))
def test_sec_10_what_a_cloud_quotes_shows_no_credential(kind: type[CloudError]) -> None:
    assert str(kind("GET https://a.example.com/?sig=0123456789abcdef fails")) == (
        "GET https://a.example.com/?sig=*** fails"
    )
