"""Another process leads when the holder is gone, and never while it may still be acting."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from moorage_domain.kinds import Kind
from moorage_kube.client.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    KubeError,
    NotFound,
    Unavailable,
)
from moorage_kube.election.lease import LeadershipLost, LeaseElection, LeaseSettings

DEADLINE = 10.0


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal(kind: type[KubeError], status: int) -> KubeError:
    return kind(status=status, reason=kind.__name__, message="refused", what="PUT leases/example")


@dataclass
class LeaseServer:
    """The API server's Leases: one object, its resourceVersion precondition, and bad days."""

    lease: dict[str, Any] | None = None
    writes: list[str] = field(default_factory=list)
    calls: int = 0
    failure: KubeError | None = None
    version: int = 0
    user: dict[str, str] = field(default_factory=dict)
    refused_review: KubeError | None = None

    async def get(self, kind: Kind, name: str, namespace: str | None = None) -> dict[str, Any]:
        await self._arrive()
        assert (kind.plural, name, namespace) == ("leases", "example", "team")
        if self.lease is None:
            raise refusal(NotFound, 404)
        return copy.deepcopy(self.lease)

    async def create(
        self, kind: Kind, body: dict[str, Any], namespace: str | None = None
    ) -> dict[str, Any]:
        if kind.plural == "selfsubjectreviews":
            if self.refused_review is not None:
                raise self.refused_review
            return {"status": {"userInfo": self.user}}
        await self._arrive()
        assert (kind.plural, namespace) == ("leases", "team")
        assert body["metadata"].items() >= {"name": "example", "namespace": "team"}.items()
        if self.lease is not None:
            raise refusal(AlreadyExists, 409)
        return self._write(body)

    async def replace(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
        await self._arrive()
        assert kind.plural == "leases"
        if self.lease is None:
            raise refusal(NotFound, 404)
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise refusal(Conflict, 409)
        return self._write(body)

    def put(self, holder: str, **spec: object) -> None:
        """Somebody else writes the Lease."""
        meta = {"name": "example", "namespace": "team"}
        self._write({"metadata": meta, "spec": {"holderIdentity": holder} | spec})
        self.writes.pop()

    @property
    def holder(self) -> str | None:
        return None if self.lease is None else self.lease["spec"]["holderIdentity"]

    async def _arrive(self) -> None:
        await asyncio.sleep(0)
        self.calls += 1
        if self.failure is not None:
            raise self.failure

    def _write(self, body: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        self.writes.append(self.lease["spec"]["holderIdentity"])
        return copy.deepcopy(self.lease)


@dataclass
class Candidate:
    """One process that wants to lead."""

    election: LeaseElection
    task: asyncio.Task[None]
    stopped: asyncio.Event


async def nothing() -> None:
    """What a leader does at its start in most tests."""


@asynccontextmanager
async def candidate(
    server: LeaseServer,
    clock: Clock,
    identity: str = "me",
    on_started: Callable[[], Awaitable[None]] = nothing,
) -> AsyncIterator[Candidate]:
    settings = LeaseSettings("example", "team", identity, 15.0, DEADLINE, retry=0.01)
    election = LeaseElection(server, settings, clock)
    stopped = asyncio.Event()

    async def on_stopped() -> None:
        stopped.set()

    task = asyncio.create_task(election.run(on_started, on_stopped))
    try:
        yield Candidate(election, task, stopped)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - this test's server signals nothing
            await asyncio.sleep(0.001)


async def rounds(server: LeaseServer, count: int) -> None:
    """Wait until the server was asked so many times more."""
    asked = server.calls
    await until(lambda: server.calls >= asked + count)


async def test_a_lease_that_nobody_has_is_taken() -> None:
    server = LeaseServer()
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
        me.election.fence()
    assert server.lease is not None
    spec = server.lease["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("me", 15)
    assert spec["leaseTransitions"] == 0


ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount", "name": "core", "uid": "uid-1"}
USER = {"username": "system:serviceaccount:team:core", "uid": "uid-1"}


async def test_a_lease_goes_with_the_service_account_of_its_first_holder() -> None:
    server = LeaseServer(user=USER)
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
        await rounds(server, 3)
    assert server.lease is not None
    assert server.lease["metadata"]["ownerReferences"] == [ACCOUNT]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Of an installation that was removed: it must not go while it is held.
        ([ACCOUNT | {"uid": "uid-0"}], [ACCOUNT]),
        # Made by hand, or by an older version.
        (None, None),
    ],
)
async def test_a_lease_that_is_taken_over_changes_its_owner_if_it_has_one(
    before: list[dict[str, str]] | None, after: list[dict[str, str]] | None
) -> None:
    server = LeaseServer(user=USER)
    server.put("")
    assert server.lease is not None
    if before:
        server.lease["metadata"]["ownerReferences"] = before
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
    assert server.lease["metadata"].get("ownerReferences") == after


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"username": "admin", "uid": "uid-1"},
        {"username": "system:serviceaccount:team:core"},
        # An owner is of the same namespace: the garbage collector takes any other for gone.
        {"username": "system:serviceaccount:elsewhere:core", "uid": "uid-1"},
    ],
)
async def test_whoever_is_no_service_account_there_owns_no_lease(user: dict[str, str]) -> None:
    server = LeaseServer(user=user)
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
    assert server.lease is not None
    assert server.lease["metadata"]["ownerReferences"] == []


@pytest.mark.parametrize("kind", [Forbidden, NotFound, Unavailable])
async def test_where_nobody_may_ask_who_they_are_the_lease_is_taken_all_the_same(
    kind: type[KubeError],
) -> None:
    server = LeaseServer(refused_review=refusal(kind, 403))
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
    assert server.lease is not None
    assert server.lease["metadata"]["ownerReferences"] == []


async def test_a_standby_waits_while_the_holder_renews_whatever_its_clock_says() -> None:
    server, clock = LeaseServer(), Clock()
    server.put("other", leaseDurationSeconds=15, renewTime="1999-01-01T00:00:00.000000Z")
    async with candidate(server, clock) as me:
        for _ in range(5):
            await rounds(server, 2)
            clock.now += 14
            server.put("other", leaseDurationSeconds=15, renewTime="1999-01-01T00:00:00.000000Z")
        await rounds(server, 2)
        assert not me.election.is_leader
        with pytest.raises(LeadershipLost, match="not held by me"):
            me.election.fence()
    assert server.writes == []


async def test_a_silent_holder_is_replaced_after_its_lease_and_not_before() -> None:
    server, clock = LeaseServer(), Clock()
    server.put("other", leaseDurationSeconds=15, leaseTransitions=4)
    async with candidate(server, clock) as me:
        await rounds(server, 2)
        clock.now += 15
        await rounds(server, 2)
        assert not me.election.is_leader
        clock.now += 0.1
        await until(lambda: me.election.is_leader)
    assert server.lease is not None
    assert server.lease["spec"]["leaseTransitions"] == 5


async def test_a_standby_is_there_the_moment_the_lease_runs_out() -> None:
    server = LeaseServer()
    server.put("other", leaseDurationSeconds=1)
    settings = LeaseSettings("example", "team", "me", duration=15, renew_deadline=10, retry=9)
    election = LeaseElection(server, settings)
    task = asyncio.create_task(election.run(nothing, nothing))
    began = time.monotonic()
    await until(lambda: election.is_leader)
    assert 1.0 <= time.monotonic() - began < 5.0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_released_lease_is_taken_at_once() -> None:
    server, clock = LeaseServer(), Clock()
    server.put("", leaseDurationSeconds=1, leaseTransitions=1)
    async with candidate(server, clock) as me:
        await until(lambda: me.election.is_leader)
    assert clock.now == 1000.0


async def test_of_two_that_want_it_one_gets_it() -> None:
    server, clock = LeaseServer(), Clock()
    async with candidate(server, clock, "a") as a, candidate(server, clock, "b") as b:
        await rounds(server, 10)
        assert [a.election.is_leader, b.election.is_leader].count(True) == 1


async def test_a_frozen_leader_is_fenced_before_its_loop_notices_and_writes_nothing() -> None:
    server, clock = LeaseServer(), Clock()
    async with candidate(server, clock) as me:
        await until(lambda: me.election.is_leader)
        await rounds(server, 2)
        clock.now += DEADLINE + 0.1
        before = list(server.writes)
        with pytest.raises(LeadershipLost, match=r"last renewed 10\.1 s ago"):
            me.election.fence()
        assert not me.election.is_leader
        with pytest.raises(LeadershipLost):
            await me.task
        assert me.stopped.is_set()
        # One renewal may have been on its way when the clock jumped.
        assert len(server.writes) <= len(before) + 1


async def test_a_leader_survives_an_outage_shorter_than_its_deadline() -> None:
    server, clock = LeaseServer(), Clock()
    async with candidate(server, clock) as me:
        await until(lambda: me.election.is_leader)
        server.failure = refusal(Unavailable, 503)
        clock.now += DEADLINE - 1
        await rounds(server, 3)
        server.failure = None
        await rounds(server, 2)
        clock.now += DEADLINE - 1
        await rounds(server, 2)
        me.election.fence()


async def test_a_leader_stops_when_the_outage_outlives_its_deadline() -> None:
    server, clock = LeaseServer(), Clock()
    async with candidate(server, clock) as me:
        await until(lambda: me.election.is_leader)
        server.failure = refusal(Unavailable, 503)
        await rounds(server, 2)
        clock.now += DEADLINE + 0.1
        with pytest.raises(LeadershipLost):
            await me.task
        assert me.stopped.is_set()


async def test_a_lease_touched_by_somebody_without_taking_it_stays_ours() -> None:
    server = LeaseServer()
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
        server.put("me", leaseDurationSeconds=15)
        await rounds(server, 4)
        me.election.fence()


async def test_a_lease_taken_by_another_is_lost() -> None:
    server = LeaseServer()
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
        server.put("other", leaseDurationSeconds=15)
        with pytest.raises(LeadershipLost, match="was taken from me"):
            await me.task
        assert me.stopped.is_set()
    assert server.holder == "other"


async def test_a_lease_deleted_by_somebody_is_made_again() -> None:
    server = LeaseServer()
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
        server.lease = None
        await until(lambda: server.holder == "me")
        me.election.fence()


async def test_release_hands_over_without_waiting() -> None:
    server, clock = LeaseServer(), Clock()
    async with candidate(server, clock, "a") as a, candidate(server, clock, "b") as b:
        await until(lambda: a.election.is_leader or b.election.is_leader)
        leader, standby = (a, b) if a.election.is_leader else (b, a)
        leader.task.cancel()
        await asyncio.gather(leader.task, return_exceptions=True)
        await leader.election.release()
        # Others of client-go wait for as long as it says, even where nobody holds it.
        assert server.lease is not None
        assert server.lease["spec"]["leaseDurationSeconds"] == 1
        with pytest.raises(LeadershipLost):
            leader.election.fence()
        await until(lambda: standby.election.is_leader)
    assert clock.now == 1000.0


async def test_release_leaves_anothers_lease_alone() -> None:
    server, clock = LeaseServer(), Clock()
    async with candidate(server, clock) as me:
        await until(lambda: me.election.is_leader)
        me.task.cancel()
        await asyncio.gather(me.task, return_exceptions=True)
        server.put("other")
        await me.election.release()
    assert server.holder == "other"


async def test_release_of_what_is_not_held_asks_nothing() -> None:
    server = LeaseServer()
    settings = LeaseSettings("example", "team", "me")
    await LeaseElection(server, settings, Clock()).release()
    assert server.calls == 0


async def test_what_goes_wrong_at_takeover_ends_the_run() -> None:
    async def break_down() -> None:
        raise ValueError("no list")

    async with candidate(LeaseServer(), Clock(), on_started=break_down) as me:
        with pytest.raises(ValueError, match="no list"):
            await me.task


async def test_the_lease_is_renewed_while_the_takeover_takes_its_time() -> None:
    async def take_over() -> None:
        await asyncio.Event().wait()

    server = LeaseServer()
    async with candidate(server, Clock(), on_started=take_over) as me:
        await until(lambda: server.writes.count("me") > 3)
        me.election.fence()


async def test_a_loop_that_does_not_come_round_is_called_stalled() -> None:
    server, clock = LeaseServer(), Clock()
    election = LeaseElection(server, LeaseSettings("example", "team", "me"), clock)
    assert not election.stalled
    clock.now += 16
    assert election.stalled


@pytest.mark.parametrize("holder", ["other", "me"])
async def test_a_loop_that_comes_round_is_never_stalled_and_stays_ready(holder: str) -> None:
    server, clock = LeaseServer(), Clock()
    server.put(holder, leaseDurationSeconds=600)
    async with candidate(server, clock) as me:
        for _ in range(4):
            await rounds(server, 2)
            clock.now += DEADLINE - 1
        await rounds(server, 2)
        assert not me.election.stalled
        assert me.election.missing() is None


@pytest.mark.parametrize(
    ("left", "least", "most"),
    [
        (-1.0, 0.6, 0.8),  # free already: whoever comes first
        (600.0, 0.6, 0.8),
        (0.5, 0.5001, 0.52),  # just after it runs out, and not before
    ],
)
def test_a_standby_asks_often_and_just_after_the_lease_may_run_out(
    left: float, least: float, most: float
) -> None:
    clock = Clock()
    election = LeaseElection(LeaseServer(), LeaseSettings("example", "team", "me"), clock)
    election._runs_out_at = clock.now + left
    pauses = [election._standby_pause() for _ in range(200)]
    assert least <= min(pauses)
    assert max(pauses) <= most


@pytest.mark.parametrize("times", [(10.0, 10.0, 2.0), (15.0, 10.0, 10.0), (15.0, 10.0, 0.0)])
def test_times_that_do_not_grow_are_refused(times: tuple[float, float, float]) -> None:
    duration, deadline, retry = times
    with pytest.raises(ValueError, match="must grow in this order"):
        LeaseSettings("example", "team", "me", duration, deadline, retry)


async def test_a_renewal_counts_from_when_it_was_sent() -> None:
    class Slow(LeaseServer):
        """Answers every write five seconds after it was sent."""

        async def replace(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
            sent = clock.now
            answer = await super().replace(kind, body)
            sent_at.append(sent)
            clock.now += 5
            return answer

    sent_at: list[float] = []
    server, clock = Slow(), Clock()
    server.put("")
    async with candidate(server, clock) as me:
        await until(lambda: me.election.is_leader)
        for _ in range(3):
            await rounds(server, 1)
        server.failure = refusal(Unavailable, 503)
        await rounds(server, 2)
        clock.now = sent_at[-1] + DEADLINE
        me.election.fence()
        clock.now += 0.1
        with pytest.raises(LeadershipLost, match=r"last renewed 10\.1 s ago"):
            me.election.fence()


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "created"])
async def test_the_loser_of_a_race_for_the_lease_goes_on_waiting(there: bool) -> None:  # noqa: FBT001 - a parameter of the test
    class Race(LeaseServer):
        """Another process writes the Lease between our read and our write, once."""

        raced = False

        def overtake(self) -> None:
            if not self.raced:
                self.raced = True
                self.put("other", leaseDurationSeconds=15)

        async def replace(self, kind: Kind, body: dict[str, Any]) -> dict[str, Any]:
            self.overtake()
            return await super().replace(kind, body)

        async def create(
            self, kind: Kind, body: dict[str, Any], namespace: str | None = None
        ) -> dict[str, Any]:
            self.overtake()
            return await super().create(kind, body, namespace)

    server, clock = Race(), Clock()
    if there:
        server.put("")
    async with candidate(server, clock) as me:
        await rounds(server, 6)
        assert server.raced
        assert server.holder == "other"
        assert not me.election.is_leader
        assert not me.task.done()
        clock.now += 15.1
        await until(lambda: me.election.is_leader)


async def test_a_hanging_takeover_is_cancelled_before_leadership_is_said_to_have_stopped() -> None:
    order: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append("cancelled")

    async def on_stopped() -> None:
        await asyncio.sleep(0)
        order.append("stopped")

    server = LeaseServer()
    election = LeaseElection(server, LeaseSettings("example", "team", "me", retry=0.01), Clock())
    task = asyncio.create_task(election.run(hang, on_stopped))
    await until(lambda: election.is_leader)
    await rounds(server, 2)
    server.put("other")
    with pytest.raises(LeadershipLost):
        await task
    assert order == ["cancelled", "stopped"]


async def test_each_renewal_is_one_call() -> None:
    server = LeaseServer()
    async with candidate(server, Clock()) as me:
        await until(lambda: me.election.is_leader)
        calls, writes = server.calls, len(server.writes)
        await until(lambda: len(server.writes) >= writes + 5)
        # One may be on its way.
        assert server.calls - calls - (len(server.writes) - writes) in (0, 1)


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": None}, {"leaseTransitions": 2}])
async def test_a_lease_without_spec_or_holder_is_taken_at_once(
    spec: dict[str, Any] | None,
) -> None:
    server, clock = LeaseServer(), Clock()
    meta = {"name": "example", "namespace": "team", "resourceVersion": "7"}
    server.lease = {"metadata": meta} | ({} if spec is None else {"spec": spec})
    async with candidate(server, clock) as me:
        await until(lambda: me.election.is_leader)
        assert server.lease is not None
        assert server.lease["spec"]["leaseTransitions"] == (
            3 if spec and "leaseTransitions" in spec else bool(spec)
        )
    assert (server.holder, clock.now) == ("me", 1000.0)


async def test_a_process_is_ready_once_it_reached_the_lease_whoever_holds_it() -> None:
    server, clock = LeaseServer(), Clock()
    server.failure = refusal(Unavailable, 503)
    server.put("other", leaseDurationSeconds=600)
    async with candidate(server, clock) as me:
        await rounds(server, 2)
        missing = me.election.missing()
        assert missing is not None
        assert missing.startswith("lease team/example was not reached yet: PUT leases/example")
        server.failure = None
        await until(lambda: me.election.missing() is None)
        assert not me.election.is_leader


@pytest.mark.parametrize("holder", ["other", "me"])
async def test_a_process_whose_tries_no_longer_reach_the_lease_is_not_ready(holder: str) -> None:
    server, clock = LeaseServer(), Clock()
    server.put(holder, leaseDurationSeconds=600)
    async with candidate(server, clock) as me:
        await until(lambda: me.election.missing() is None)
        server.failure = refusal(Unavailable, 503)
        await rounds(server, 2)
        clock.now += DEADLINE
        assert me.election.missing() is None
        clock.now += 2
        missing = me.election.missing()
        assert missing is not None
        assert missing.startswith("lease team/example could not be reached for 12 s: PUT leases")


async def test_a_call_without_an_answer_is_told_so() -> None:
    server, clock = LeaseServer(), Clock()

    async def hang() -> None:
        raise TimeoutError

    server._arrive = hang  # type: ignore[method-assign]  # an API server that is silent
    async with candidate(server, clock) as me:
        told = "lease team/example was not reached yet: no answer"
        await until(lambda: me.election.missing() == told)


async def test_harm_19_a_standby_says_that_it_stands_by_once_and_a_new_leader_whom_it_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    server, clock = LeaseServer(), Clock()
    server.put("other", leaseDurationSeconds=15, acquireTime="2026-01-01T00:00:00.000000Z")
    async with candidate(server, clock) as me:
        await rounds(server, 5)
        assert caplog.messages == [
            "standing by: lease team/example is held by other since 2026-01-01T00:00:00.000000Z"
        ]
        clock.now += 15.1
        await until(lambda: me.election.is_leader)
        await rounds(server, 2)
    assert caplog.messages[1:] == [
        "leading: me holds lease team/example; it replaces other, silent for 15.1 s"
    ]


@pytest.mark.parametrize(
    ("before", "said"), [(None, "nobody held it"), ("other", "other gave it up")]
)
async def test_a_new_leader_says_how_the_lease_came_to_be_free(
    before: str | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    server = LeaseServer()
    if before:
        server.put(before, leaseDurationSeconds=15)
    async with candidate(server, Clock()) as me:
        if before:
            await rounds(server, 2)
            server.put("")
        await until(lambda: me.election.is_leader)
        await rounds(server, 1)
    assert caplog.messages[-1] == f"leading: me holds lease team/example; {said}"


async def test_a_forbidden_lease_is_reported_once_a_minute_with_the_way_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, clock = LeaseServer(), Clock()
    server.failure = refusal(Forbidden, 403)
    async with candidate(server, clock):
        await rounds(server, 5)
        assert len(caplog.messages) == 1
        assert caplog.messages[0].endswith(
            "; allow the service account to get, create and update leases of coordination.k8s.io"
            " in namespace team, or choose another namespace with --lease-namespace"
        )
        clock.now += 60
        await rounds(server, 5)
        assert len(caplog.messages) == 2
