"""A node writes its own entry of a claim's status, whole, and takes it back after it let go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from moorage_api.ipclaim import IPCLAIMS
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Client
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import EventRecorder
from moorage_node_agent.model import NodeState, State
from moorage_node_agent.projections import View, view_of
from moorage_node_agent.reports import Reports
from moorage_node_agent.state import AgentState
from moorage_testing import virtual_time
from moorage_testing.apiserver import ApiServer, client_in_memory

NAME = "10-0-0-7-24"
ANNOUNCED = NodeState(State.ANNOUNCED, "eth0", "02:00:00:00:00:01")
YIELDED = NodeState(State.YIELDED, mac="02:00:00:00:00:66", message="somebody announced it")


class Case:
    """One claim, and the agent of n1 that says something about it."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.server, self.state = server, AgentState()
        self.claims: Store[View] = Store(partial(view_of, "n1"))
        self.events = EventRecorder(client, "moorage-node-agent")
        self.reports = Reports(client, self.events, "n1", self.state, self.claims)
        self.put({})

    def put(self, nodes: dict[str, Any]) -> None:
        """The claim as it was before the test."""
        spec = {"cidr": "10.0.0.7/24", "nodeName": "n1"}
        raw = self.server.put(IPCLAIMS, NAME, spec=spec, status={"nodes": nodes})
        self.claims.apply(raw)

    async def one_pass(self) -> bool:
        """Whether anything was written."""
        observed = await self.reports.observe(NAME)
        if observed is None:
            return False
        plan = self.reports.decide(observed)
        for action in plan.actions:
            await self.reports.act(observed, action)
        await self.reports.report(Pass(NAME, observed, plan, None, 0.0))
        return bool(plan.actions)

    @property
    def nodes(self) -> dict[str, Any]:
        found = self.server.find(IPCLAIMS, NAME) or {}
        nodes: dict[str, Any] = found.get("status", {}).get("nodes", {})
        return nodes


def run(test: Callable[[Case], Awaitable[None]]) -> None:
    async def whole() -> None:
        server = ApiServer()
        async with client_in_memory(server) as client:
            await test(Case(server, client))

    virtual_time.run(whole())


def test_it_is_written_once_and_leaves_other_nodes_alone() -> None:
    async def test(case: Case) -> None:
        case.put({"n2": {"state": "Probing"}})
        case.state.states[NAME] = ANNOUNCED
        assert await case.one_pass()
        assert not await case.one_pass()
        assert case.nodes["n1"].items() >= {"state": "Announced", "link": "eth0"}.items()
        assert case.nodes["n2"] == {"state": "Probing"}

    run(test)


def test_nothing_of_an_earlier_state_stays() -> None:
    async def test(case: Case) -> None:
        case.state.states[NAME] = ANNOUNCED
        await case.one_pass()
        case.state.states[NAME] = YIELDED
        await case.one_pass()
        assert set(case.nodes["n1"]) == {"state", "mac", "message", "since"}

    run(test)


def test_the_entry_of_a_claim_that_left_stays_until_the_address_is_let_go() -> None:
    async def test(case: Case) -> None:
        case.state.states[NAME] = ANNOUNCED
        await case.one_pass()
        case.claims.forget(NAME)
        assert not await case.one_pass()
        assert "n1" in case.nodes
        case.state.states.clear()  # as the pass does that removed the address
        assert await case.one_pass()
        assert "n1" not in case.nodes

    run(test)


def test_an_entry_of_the_agent_before_is_taken_back_where_nothing_is_to_be_said() -> None:
    async def test(case: Case) -> None:
        case.put({"n1": {"state": "Announced"}})
        assert await case.one_pass()
        assert case.nodes == {}

    run(test)


def test_a_claim_that_is_gone_is_no_error() -> None:
    async def test(case: Case) -> None:
        case.state.states[NAME] = ANNOUNCED
        await case.one_pass()
        case.server.remove(IPCLAIMS, NAME)
        case.claims.forget(NAME)
        case.state.states.clear()
        await case.one_pass()
        assert not await case.one_pass()

    run(test)


def test_people_are_told_of_what_they_may_have_to_look_at() -> None:
    async def test(case: Case) -> None:
        told = []
        publish = case.events.publish

        async def listening(event: Any) -> None:
            told.append((event.reason, event.message))
            await publish(event)

        case.events.publish = listening  # type: ignore[method-assign]  # only listens
        for state in (ANNOUNCED, YIELDED):
            case.state.states[NAME] = state
            await case.one_pass()
        assert told == [("Yielded", "n1: somebody announced it")]

    run(test)
