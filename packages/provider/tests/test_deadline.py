"""The deadline of a call holds in the event loop and in the threads under it."""

import asyncio
import math

import pytest

from moorage_provider import deadline
from moorage_provider.errors import Unavailable


async def test_what_takes_too_long_ends_in_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"DescribeAddresses got no answer within 0\.01 s"):
        async with deadline.within(0.01, "DescribeAddresses"):
            await asyncio.sleep(10)


async def test_a_request_is_stopped_only_after_the_deadline() -> None:
    async with deadline.within(10, "early"):
        deadline.check()
        assert 9 < deadline.left() <= 10
    with pytest.raises(Unavailable, match="deadline passed"):
        async with deadline.within(-1, "late"):
            deadline.check()


def test_without_a_deadline_nothing_is_stopped() -> None:
    deadline.check()
    assert deadline.left() == math.inf
