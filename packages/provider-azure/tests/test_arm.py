"""The checks before every attempt at a request, and what the SDK may log."""

import logging
from typing import Any

import pytest
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.rest import HttpRequest

from moorage_provider import deadline
from moorage_provider.errors import Unavailable
from moorage_provider_azure.arm import Arm, _Gate
from moorage_testing.clouds.azure import ArmEmulator


def attempt(method: str, *, repeats: int = 0) -> PipelineRequest[HttpRequest]:
    context = PipelineContext(None)
    context["retry_count"] = repeats
    return PipelineRequest(HttpRequest(method, "https://127.0.0.1/"), context)


async def options(method: str, *, repeats: int = 0) -> dict[str, Any]:
    """The options of a request when 10 s are left."""
    request = attempt(method, repeats=repeats)
    async with deadline.within(10, "it"):
        _Gate(lambda: None).on_request(request)
    return request.context.options


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_nothing_is_sent_after_the_deadline(method: str) -> None:
    asked: list[str] = []
    gate = _Gate(lambda: asked.append("?"))
    with pytest.raises(Unavailable, match="the deadline passed"):
        async with deadline.within(-1, "it"):
            gate.on_request(attempt(method))
    assert asked == []


async def test_a_read_leaves_time_for_its_retry_and_a_write_has_all_the_time() -> None:
    assert 4 < (await options("GET"))["read_timeout"] <= 5
    assert 8 < (await options("GET", repeats=1))["read_timeout"] <= 10
    assert 8 < (await options("PUT"))["read_timeout"] <= 10
    assert (await options("PUT"))["connection_timeout"] == 3.0


@pytest.mark.parametrize(("method", "times"), [("GET", 0), ("PUT", 1), ("POST", 1), ("DELETE", 1)])
def test_the_fence_is_called_before_every_mutation(method: str, times: int) -> None:
    asked: list[str] = []
    _Gate(lambda: asked.append("?")).on_request(attempt(method))
    assert len(asked) == times


def test_the_sdk_is_silent(emulator: ArmEmulator) -> None:
    del emulator  # only the environment
    arm = Arm(1.0, lambda: None, lambda _: None)
    arm.close()
    for name in ("azure.core.pipeline.policies.http_logging_policy", "azure.identity", "msal"):
        assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
