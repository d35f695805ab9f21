"""The clean-up deletes every allocation, waits for the releases, and then has the process end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from core_builders import IP1, IP2, raw_allocation, until

from moorage_api.netipallocation import NETIPALLOCATIONS
from moorage_core import clean_up
from moorage_core.clean_up import CRDS, CleanUp, CleanUpSettings, setup
from moorage_core.projections import FINALIZER
from moorage_kube.client.client import Client
from moorage_kube.election.lease import LeaseElection
from moorage_kube.manager.manager import Manager
from moorage_kube.telemetry.events import EventRecorder
from moorage_kube.telemetry.metrics import process_metrics
from moorage_testing.apiserver import ApiServer, serve_with_client

CRD = "netipallocations.netinfra.darkbrains.com"
LIST = "/apis/netinfra.darkbrains.com/v1alpha1/netipallocations"


@pytest.fixture(autouse=True)
def _brief(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clean_up, "PAUSE_SECONDS", 0.01)


def manager_for(client: Client, **settings: Any) -> Manager:
    core = CleanUpSettings(**settings)
    election = LeaseElection(client, core.lease("default", "me"))
    events = EventRecorder(client, core.prog)
    return Manager(core, "me_1", client, election, events, process_metrics(core.prog))


@asynccontextmanager
async def cleaning(
    server: ApiServer, *, delete_crds: bool = False, **settings: Any
) -> AsyncIterator[asyncio.Event]:
    """A clean-up that runs; the event says that it wants the process to end."""
    async with serve_with_client(server) as (_, client):
        manager, stopped = manager_for(client, **settings), asyncio.Event()
        manager.stop = stopped.set
        task = asyncio.create_task(CleanUp(manager, delete_crds=delete_crds).run())
        yield stopped
        task.cancel()


def with_allocations(*names: str) -> ApiServer:
    server = ApiServer()
    server.put(CRDS, CRD)
    for name, ip in zip(names, (IP1, IP2), strict=False):
        raw = raw_allocation(name, ip)
        server.put(NETIPALLOCATIONS, name, spec=raw["spec"], metadata={"finalizers": [FINALIZER]})
    return server


async def test_it_ends_only_when_the_last_address_is_released() -> None:
    server = with_allocations("a", "b")
    async with cleaning(server) as stopped:
        await until(lambda: _deleting(server) == {"a", "b"}, "the deletions")
        server.patch(NETIPALLOCATIONS, "a", {"metadata": {"finalizers": None}})
        await asyncio.sleep(0.05)
        assert not stopped.is_set()
        server.patch(NETIPALLOCATIONS, "b", {"metadata": {"finalizers": None}})
        await asyncio.wait_for(stopped.wait(), 10)
    assert server.find(CRDS, CRD) is not None
    deletions = [one.path for one in server.asked if one.method == "DELETE"]
    assert sorted(deletions) == [f"{LIST}/a", f"{LIST}/b"], "each is asked for once"


async def test_the_crd_goes_last_and_only_if_asked_for() -> None:
    server = with_allocations("a")
    async with cleaning(server, delete_crds=True) as stopped:
        await until(lambda: _deleting(server) == {"a"}, "the deletion")
        assert server.find(CRDS, CRD) is not None
        server.patch(NETIPALLOCATIONS, "a", {"metadata": {"finalizers": None}})
        await asyncio.wait_for(stopped.wait(), 10)
    assert server.find(CRDS, CRD) is None


async def test_an_api_server_that_fails_for_a_while_is_asked_again() -> None:
    server = with_allocations()
    server.fail("GET", status=503, path=LIST, times=2)
    async with cleaning(server) as stopped:
        await asyncio.wait_for(stopped.wait(), 30)


async def test_where_the_crd_is_gone_nothing_is_left_to_do() -> None:
    server = ApiServer()
    server.fail("GET", status=404, path=LIST, times=100)
    async with cleaning(server, delete_crds=True) as stopped:
        await asyncio.wait_for(stopped.wait(), 10)


async def test_a_dry_run_deletes_nothing() -> None:
    server = with_allocations("a")
    async with cleaning(server, delete_crds=True, dry_run=True) as stopped:
        await asyncio.wait_for(stopped.wait(), 10)
    assert _deleting(server) == set()
    assert server.find(CRDS, CRD) is not None


async def test_it_is_a_controller_itself() -> None:
    async with serve_with_client() as (_, client):
        manager = manager_for(client, delete_crds=True)
        setup(manager)
        assert [one.name for one in manager.controllers] == ["core", "core-false-labels"]
        assert "clean-up" in [one.name for one in manager.background]


def _deleting(server: ApiServer) -> set[str]:
    every = server.all_of(NETIPALLOCATIONS)
    return {one["metadata"]["name"] for one in every if "deletionTimestamp" in one["metadata"]}
