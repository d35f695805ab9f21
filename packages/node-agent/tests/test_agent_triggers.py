"""What makes a pass due, and a word in the status: many at once cost few, a moment costs none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from moorage_kube.cache.store import Store
from moorage_kube.reconcile.queue import WorkQueue
from moorage_node_agent.model import NEVER, NodeState, State
from moorage_node_agent.projections import View, view_of
from moorage_node_agent.state import AgentState
from moorage_node_agent.triggers import (
    LASTING_SECONDS,
    LONGEST_BURST_SECONDS,
    MANY,
    NODE,
    Arrivals,
    Renewal,
    on_claims,
    on_states,
)
from moorage_testing import virtual_time

ANNOUNCED, PROBING = NodeState(State.ANNOUNCED), NodeState(State.PROBING)
CONFLICT = NodeState(State.CONFLICT)


class Case:
    """The queues of an agent, and what they handled when."""

    def __init__(self) -> None:
        self.claims: Store[View] = Store(partial(view_of, "n1"))
        self.state = AgentState()
        self.passes, self.statuses = WorkQueue(), WorkQueue()
        self.handled: list[tuple[str, float]] = []
        self.looked: list[float] = []
        arrivals = Arrivals(self.statuses)
        on_claims(self.claims, self.passes, self.statuses, arrivals)
        self.said = on_states(self.state, self.statuses, arrivals)

    def claim(self, number: int, version: int = 1, **spec: Any) -> str:
        name = f"10-0-0-{number}-24"
        meta = {"name": name, "uid": f"u{number}", "resourceVersion": str(version)}
        fields = {"cidr": f"10.0.0.{number}/24", "nodeName": "n1"} | spec
        self.claims.apply({"metadata": meta, "spec": fields})
        return name

    async def work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.passes.run(self._pass))
            group.create_task(self.statuses.run(self._status))

    async def _pass(self, _: str) -> None:
        self.looked.append(asyncio.get_running_loop().time())

    async def _status(self, key: str) -> None:
        self.handled.append((key, asyncio.get_running_loop().time()))


def run(test: Callable[[Case], Awaitable[None]]) -> None:
    async def whole() -> None:
        case = Case()
        working = asyncio.create_task(case.work())
        await test(case)
        working.cancel()

    virtual_time.run(whole())


def test_hundreds_of_claims_within_a_moment_are_one_pass() -> None:
    async def test(case: Case) -> None:
        for number in range(200):
            case.claim(number)
        await asyncio.sleep(1.0)
        assert len(case.looked) == 1
        assert case.looked[0] < 0.1

    run(test)


def test_a_probe_that_ends_soon_is_never_said() -> None:
    async def test(case: Case) -> None:
        name = case.claim(1)
        case.state.states = {name: PROBING}
        case.said([name])
        await asyncio.sleep(0.15)
        assert case.handled == []
        case.state.states = {name: ANNOUNCED}
        case.said([name])
        await asyncio.sleep(3.0)
        assert [key for key, _ in case.handled] == [name]
        assert case.handled[0][1] < 0.2

    run(test)


def test_a_probe_that_lasts_is_said() -> None:
    async def test(case: Case) -> None:
        name = case.claim(1)
        await asyncio.sleep(3.0)
        case.handled.clear()
        begun = asyncio.get_running_loop().time()
        case.state.states = {name: PROBING}
        case.said([name])
        await asyncio.sleep(3.0)
        assert [key for key, _ in case.handled] == [name]
        assert case.handled[0][1] - begun == LASTING_SECONDS

    run(test)


def test_what_is_let_go_of_is_said_at_once() -> None:
    async def test(case: Case) -> None:
        name = case.claim(1)
        await asyncio.sleep(3.0)
        case.handled.clear()
        begun = asyncio.get_running_loop().time()
        case.said([name])
        await asyncio.sleep(1.0)
        assert case.handled == [(name, begun)]

    run(test)


async def a_burst(case: Case, count: int, state: NodeState, seconds: float = 0.5) -> list[float]:
    """Claims come within so many seconds, and each is up a moment later; when each was said."""
    begun = asyncio.get_running_loop().time()
    for number in range(count):
        name = case.claim(number)
        await asyncio.sleep(seconds / count)
        case.state.states = case.state.states | {name: state}
        case.said([name])
    await asyncio.sleep(5.0)
    # The first ones came when nobody could know that many follow.
    return [at - begun for _, at in case.handled if at - begun > 0.5]


def test_that_addresses_are_up_is_said_after_the_last_of_hundreds_has_come() -> None:
    async def test(case: Case) -> None:
        said = await a_burst(case, 300, ANNOUNCED)
        assert len({key for key, _ in case.handled}) == 300
        assert len(said) == 300 - MANY + 1
        assert 1.4 < min(said) == max(said) < 1.8

    run(test)


def test_while_hundreds_come_for_long_none_is_said_to_be_up() -> None:
    async def test(case: Case) -> None:
        said = await a_burst(case, 300, ANNOUNCED, seconds=6.0)
        assert len({key for key, _ in case.handled}) == 300
        assert len([at for at in said if at < 6.0]) < MANY
        assert max(said) < 7.5

    run(test)


def test_a_burst_without_end_holds_no_word_back_for_ever() -> None:
    async def test(case: Case) -> None:
        said = await a_burst(case, 600, ANNOUNCED, seconds=15.0)
        early = [at for at in said if at < LONGEST_BURST_SECONDS + 2.0]
        assert len(early) > 300

    run(test)


def test_a_few_that_come_are_said_at_once() -> None:
    async def test(case: Case) -> None:
        await a_burst(case, MANY - 1, ANNOUNCED)
        assert len({key for key, at in case.handled if at <= 0.5}) == MANY - 1

    run(test)


def test_trouble_is_said_at_once_while_hundreds_come() -> None:
    async def test(case: Case) -> None:
        await a_burst(case, 300, CONFLICT)
        assert len({key for key, at in case.handled if at <= 0.5}) == 300

    run(test)


def renewal(case: Case, *, settled: bool) -> tuple[Renewal, list[float]]:
    """One of an agent in which all is settled or not, and when it kept what it has."""
    kept: list[float] = []

    def keep() -> bool:
        kept.append(asyncio.get_running_loop().time())
        return settled

    return Renewal(case.state, case.passes, keep, 1.5), kept


def test_where_all_is_settled_a_renewal_needs_no_pass() -> None:
    async def test(case: Case) -> None:
        renewing, kept = renewal(case, settled=True)
        for _ in range(5):
            renewing()
            await asyncio.sleep(1.0)
        assert len(kept) == 5
        assert case.looked == []

    run(test)


def test_where_something_is_open_a_renewal_is_a_pass() -> None:
    async def test(case: Case) -> None:
        case.state.refreshed_at = 7.0
        renewing, _ = renewal(case, settled=False)
        renewing()
        await asyncio.sleep(0.1)
        assert len(case.looked) == 1
        assert case.state.refreshed_at == NEVER

    run(test)


def test_what_waits_for_a_pass_is_not_kept_before_it() -> None:
    async def test(case: Case) -> None:
        renewing, kept = renewal(case, settled=True)
        case.passes.add(NODE)
        renewing()
        await asyncio.sleep(0.1)
        assert kept == []
        assert len(case.looked) == 1

    run(test)


def test_a_renewal_that_does_not_come_in_time_is_a_pass_again_and_again() -> None:
    async def test(case: Case) -> None:
        renewing, _ = renewal(case, settled=True)
        begun = asyncio.get_running_loop().time()
        renewing()
        await asyncio.sleep(5.0)
        assert [at - begun for at in case.looked] == pytest.approx([1.5, 3.0, 4.5])

    run(test)
