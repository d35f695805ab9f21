"""The version of claims is the one that the API server prefers, where the settings say auto."""

from __future__ import annotations

import asyncio

import pytest

from moorage_kube.manager.settings import load
from moorage_machine_ipam import served
from moorage_machine_ipam.kinds import GROUP
from moorage_machine_ipam.served import preferred_version, with_served_version
from moorage_machine_ipam.settings import MachineIpamSettings
from moorage_testing.apiserver import ApiServer, serve
from moorage_testing.waiting import until


@pytest.mark.parametrize(
    ("versions", "chosen"),
    [
        (("v1beta2", "v1beta1"), "v1beta2"),
        (("v1beta1", "v1beta2"), "v1beta1"),
        (("v1", "v1beta2"), "v1beta2"),
        (("v1alpha1", "v1beta1"), "v1beta1"),
    ],
)
async def test_the_preferred_one_that_is_known(versions: tuple[str, ...], chosen: str) -> None:
    server = ApiServer()
    server.groups[GROUP] = versions
    async with serve(server):
        assert await preferred_version(server.connection(), "test") == chosen


async def test_a_group_that_comes_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_PAUSE_SECONDS", 0.01)
    server = ApiServer()
    server.fail("GET", status=503)
    async with serve(server):
        asking = asyncio.create_task(preferred_version(server.connection(), "test"))
        await until(lambda: len(server.asked) >= 3, "it to ask again")
        server.groups[GROUP] = ("v1beta2",)
        assert await asking == "v1beta2"


async def test_where_no_answer_comes_it_is_the_oldest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(served, "PATIENCE_SECONDS", 0.0)
    async with serve(ApiServer()) as server:
        assert await preferred_version(server.connection(), "test") == "v1beta1"
    assert f"serves no version of {GROUP}" in caplog.text


def test_what_the_settings_say_is_not_asked_for() -> None:
    settings = load(MachineIpamSettings, ["--ipam-version", "v1beta2"])
    assert with_served_version(settings) is settings
