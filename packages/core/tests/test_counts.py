"""The pods of a node are counted by the API server, and the cache is compared with that."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import raw_pod

from moorage_core import counts
from moorage_core.caches import Caches
from moorage_core.counts import AGREED_SECONDS, PodCounts
from moorage_core.decide.address import BEHIND_SECONDS
from moorage_kube.client.errors import Forbidden
from moorage_testing.apiserver import ApiServer, serve_with_client

PODS = "/api/v1/pods"


def holding(*pods: dict[str, Any]) -> ApiServer:
    """A server with these pods."""
    server = ApiServer()
    for pod in pods:
        server.objects[f"/api/v1/namespaces/default/pods/{pod['metadata']['name']}"] = pod
    return server


async def test_the_server_is_asked_for_running_pods_of_each_node() -> None:
    async with serve_with_client() as (server, client):
        await PodCounts(Caches().pods).count(client, ["n1", "n2"])
        running = "status.phase!=Succeeded,status.phase!=Failed"
        assert {(asked.path, asked.query["fieldSelector"]) for asked in server.asked} == {
            (PODS, f"spec.nodeName=n1,{running}"),
            (PODS, f"spec.nodeName=n2,{running}"),
        }


@pytest.mark.parametrize(
    ("found", "agreed"),
    [
        ([], True),
        ([raw_pod("known", "n1")], True),
        ([raw_pod("known", "n1"), raw_pod("unheard-of", "n1")], False),
        ([raw_pod("ended", "n1") | {"status": {"phase": "Succeeded"}}], True),
    ],
)
async def test_a_pod_the_cache_does_not_have_shows_that_the_watch_is_behind(
    found: list[dict[str, Any]],
    agreed: bool,  # noqa: FBT001 - of the table
) -> None:
    caches = Caches()
    caches.pods.apply(raw_pod("known", "n1"))
    counted = PodCounts(caches.pods)
    async with serve_with_client(holding(*found)) as (_, client):
        await counted.count(client, ["n1"])
    assert counted.lately() == {"n1": agreed}
    assert len(caches.pods) == 1, "the watch alone fills the cache"


async def test_what_was_counted_holds_for_a_short_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(counts, "uptime", lambda: now)
    caches = Caches()
    caches.pods.apply(raw_pod("known", "n1"))
    counted = PodCounts(caches.pods)
    server = holding(raw_pod("known", "n1"), raw_pod("unheard-of", "n2"))
    async with serve_with_client(server) as (_, client):
        await counted.count(client, ["n1"])
        await counted.count(client, ["n2"])
    assert counted.lately() == {"n1": True, "n2": False}
    now += BEHIND_SECONDS
    assert counted.lately() == {"n1": True}
    now += AGREED_SECONDS - BEHIND_SECONDS
    assert counted.lately() == {}


async def test_what_cannot_be_counted_is_not() -> None:
    counted = PodCounts(Caches().pods)
    async with serve_with_client() as (server, client):
        server.fail("GET", status=403, body={"reason": "Forbidden"})
        with pytest.raises(Forbidden):
            await counted.count(client, ["n1"])
    assert counted.lately() == {}
