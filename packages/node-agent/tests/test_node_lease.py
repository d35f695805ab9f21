"""The Lease says that the node lives only when it may, and a hold stays the last word."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from agent_builders import ETH0, LO
from prometheus_client import CollectorRegistry

from moorage_kube.client.kinds import LEASES, NODES
from moorage_kube.manager.settings import load
from moorage_node_agent.lease import NodeLease
from moorage_node_agent.metrics import NetworkMetrics
from moorage_node_agent.proxy import ProxyHealth
from moorage_node_agent.settings import NodeAgentSettings
from moorage_node_agent.state import AgentState, clock
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer, client_in_memory

NAME, NAMESPACE = "moorage-agent-n1", "agents"


class Case:
    """One agent's Lease on an API server in memory."""

    def __init__(self, lease: NodeLease, state: AgentState, server: ApiServer) -> None:
        self.lease, self.state, self.server = lease, state, server
        self.proxy = ProxyHealth(0, tuple)
        self.refreshed: list[float] = []
        self._metrics = NetworkMetrics.register(CollectorRegistry())

    def begin(self) -> asyncio.Task[None]:
        def refresh() -> None:
            self.refreshed.append(clock())

        return asyncio.create_task(self.lease.run(self.proxy, self._metrics, refresh))

    @property
    def stored(self) -> dict[str, Any]:
        return self.server.find(LEASES, NAME, NAMESPACE) or {}

    def annotation(self, name: str) -> str | None:
        found: str | None = self.stored["metadata"]["annotations"].get(f"moorage.dev/{name}")
        return found


def run(test: Callable[[Case], Awaitable[None]]) -> None:
    """Run a test in virtual time, with the Node there and a first pass that has ended."""

    async def whole() -> None:
        server = ApiServer()
        server.put(NODES, "n1", metadata={"uid": "uid-of-n1"})
        state = AgentState(links=(LO, ETH0))
        state.adopted.set()
        settings = load(NodeAgentSettings, ["--node-name", "n1"])
        async with client_in_memory(server) as client:
            await test(Case(NodeLease(client, settings, "me", NAMESPACE, state), state, server))

    virtual_time.run(whole())


def test_it_is_owned_by_its_node_and_names_the_links() -> None:
    async def test(case: Case) -> None:
        task = case.begin()
        await asyncio.sleep(0.5)
        meta = case.stored["metadata"]
        assert meta["labels"] == {"moorage.dev/node-agent": "true"}
        assert meta["ownerReferences"][0]["uid"] == "uid-of-n1"
        assert case.stored["spec"]["holderIdentity"] == "me"
        assert json.loads(case.annotation("links") or "")[0]["name"] == "eth0"
        task.cancel()

    run(test)


def test_it_is_not_written_before_the_first_pass_has_ended() -> None:
    async def test(case: Case) -> None:
        case.state.adopted.clear()
        task = case.begin()
        await asyncio.sleep(5)
        assert case.stored == {}
        case.state.adopted.set()
        await asyncio.sleep(0.5)
        assert case.stored != {}
        task.cancel()

    run(test)


def test_it_is_renewed_each_second_and_at_once_when_a_link_changes() -> None:
    async def test(case: Case) -> None:
        task = case.begin()
        await asyncio.sleep(10.5)
        before = len(case.server.requests("PATCH"))
        assert 9 <= before <= 12
        case.lease.look()
        await asyncio.sleep(0.1)
        assert len(case.server.requests("PATCH")) == before
        case.state.links = (LO, replace(ETH0, carrier=False))
        case.lease.look()
        await asyncio.sleep(0.1)
        assert len(case.server.requests("PATCH")) == before + 1
        assert json.loads(case.annotation("links") or "")[0]["carrier"] is False
        task.cancel()

    run(test)


def test_addresses_are_never_renewed_later_than_the_lease() -> None:
    async def test(case: Case) -> None:
        task = case.begin()
        await asyncio.sleep(5.5)
        assert case.refreshed[-1] == pytest.approx(case.state.lease_at, abs=0.001)
        pauses = [b - a for a, b in itertools.pairwise(case.refreshed)]
        assert max(pauses) < 1.01
        task.cancel()

    run(test)


def test_nothing_is_written_after_a_hold() -> None:
    async def test(case: Case) -> None:
        task = case.begin()
        await asyncio.sleep(2.5)
        assert await case.lease.hold(30)
        version = case.stored["metadata"]["resourceVersion"]
        await asyncio.sleep(10)
        assert case.stored["metadata"]["resourceVersion"] == version
        assert case.annotation("hold-seconds") == "30"
        await task

    run(test)


def test_a_hold_waits_for_the_renewal_under_way() -> None:
    async def test(case: Case) -> None:
        task = case.begin()
        await asyncio.sleep(0.5)
        case.server.fail("PATCH", status=0, delay_seconds=1.0)
        await asyncio.sleep(1.0)  # in the middle of it
        assert await case.lease.hold(30)
        await asyncio.sleep(5)
        assert case.annotation("hold-seconds") == "30"
        await task

    run(test)


def test_a_hold_is_stored_where_somebody_else_wrote_since() -> None:
    async def test(case: Case) -> None:
        task = case.begin()
        await asyncio.sleep(0.5)
        case.server.patch(LEASES, NAME, {"metadata": {"labels": {"seen": "true"}}}, NAMESPACE)
        assert await case.lease.hold(30)
        assert case.annotation("hold-seconds") == "30"
        await task

    run(test)


def test_a_hold_that_is_not_stored_is_known_to_be_none() -> None:
    async def test(case: Case) -> None:
        task = case.begin()
        await asyncio.sleep(0.5)
        case.server.fail("PATCH", hang=True, times=9)
        assert not await case.lease.hold(30)
        await task

    run(test)


def test_the_next_agent_ends_the_hold() -> None:
    async def test(case: Case) -> None:
        assert await case.lease.hold(30)
        settings = load(NodeAgentSettings, ["--node-name", "n1"])
        async with client_in_memory(case.server) as client:
            case.lease = NodeLease(client, settings, "next", NAMESPACE, case.state)
            task = case.begin()
            await asyncio.sleep(0.5)
            assert case.annotation("hold-seconds") is None
            assert case.stored["spec"]["holderIdentity"] == "next"
            task.cancel()

    run(test)


def test_only_its_own_lease_is_deleted() -> None:
    async def test(case: Case) -> None:
        assert await case.lease.drain()
        assert case.annotation("draining") == "true"
        case.server.patch(LEASES, NAME, {"spec": {"holderIdentity": "next"}}, NAMESPACE)
        await case.lease.delete()
        assert case.stored != {}
        case.server.patch(LEASES, NAME, {"spec": {"holderIdentity": "me"}}, NAMESPACE)
        await case.lease.delete()
        assert case.stored == {}

    run(test)


@pytest.mark.parametrize(
    ("spec", "drained"), [({}, False), ({"unschedulable": True}, True), (None, True)]
)
def test_a_node_is_drained_when_it_is_cordoned_or_gone(
    spec: dict[str, Any] | None,
    drained: bool,  # noqa: FBT001 - a column of the table
) -> None:
    async def test(case: Case) -> None:
        if spec is None:
            case.server.remove(NODES, "n1")
        else:
            case.server.patch(NODES, "n1", {"spec": spec})
        assert await case.lease.node_is_drained() is drained

    run(test)


def test_a_node_that_cannot_be_read_counts_as_not_drained() -> None:
    async def test(case: Case) -> None:
        case.server.fail("GET", status=500, times=9)
        assert not await case.lease.node_is_drained()

    run(test)
