"""A manager starts all there is in order, and stops it without losing what is in hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from moorage_domain.plans import Plan
from moorage_kube.cache.store import Store
from moorage_kube.client.kinds import LEASES, NODES, PODS
from moorage_kube.election.none import NoElection
from moorage_kube.manager import lifecycle as lifecycle_module
from moorage_kube.manager.lifecycle import Lifecycle
from moorage_kube.manager.manager import Manager, Run
from moorage_kube.manager.settings import CommonSettings, ElectedSettings
from moorage_kube.reconcile.logic import Pass
from moorage_kube.reconcile.queue import WorkQueue
from moorage_kube.telemetry.events import Event
from moorage_testing.apiserver import ApiServer, serve
from moorage_testing.waiting import until

KEY = "a"
QUIET = {"metrics_port": 0, "metrics_host": "127.0.0.1"}
DONE: Plan[str] = Plan("Done", "nothing to do", ("act",))


@pytest.fixture(name="left", autouse=True)
def _left(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """After how many seconds the process would be ended, instead of ending this one."""
    left: list[float] = []
    monkeypatch.setattr(lifecycle_module, "leave_within", lambda seconds, _: left.append(seconds))
    return left


@pytest.fixture(name="explained")
def _explained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the pod's termination message would be."""
    explained: list[str] = []
    monkeypatch.setattr(lifecycle_module, "explain", explained.append)
    return explained


def name_of(raw: dict[str, dict[str, str]]) -> str:
    return raw["metadata"]["name"]


@dataclass
class Widgets:
    """A logic that notes its passes; a pass ends once the gate is open."""

    log: list[str] = field(default_factory=list)
    queue: WorkQueue = field(default_factory=WorkQueue)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    name: str = "widgets"

    def __post_init__(self) -> None:
        self.gate.set()

    async def observe(self, key: str) -> str:
        return key

    def decide(self, observed: str) -> Plan[str]:
        assert observed
        return DONE

    async def act(self, observed: str, action: str) -> None:
        assert action == "act"
        self.log.append(f"begun {observed}")
        await self.gate.wait()
        self.log.append(f"ended {observed}")

    async def report(self, ended: Pass[str, str]) -> None:
        assert ended.plan == DONE


class Webhooks:
    """A server that says of itself whether it is ready."""

    answer: str | None = "no certificate yet"

    async def run(self) -> None:
        await asyncio.Event().wait()

    def ready(self) -> str | None:
        return self.answer


Setup = Callable[[Manager], None]


@asynccontextmanager
async def running(
    server: ApiServer, setup: Setup, *, elected: bool = True
) -> AsyncIterator[Lifecycle]:
    cls = ElectedSettings if elected else CommonSettings
    settings = cls.model_validate(QUIET)
    lifecycle = Lifecycle(settings, server.connection(namespace="default"), setup)
    try:
        await lifecycle.open()
        await lifecycle.start()
        yield lifecycle
    finally:
        await lifecycle.stop()


@pytest.fixture(name="server")
async def _server() -> AsyncIterator[ApiServer]:
    async with serve(ApiServer()) as server:
        yield server


def lists(server: ApiServer, plural: str) -> int:
    """How often the objects of a kind were listed."""
    return sum(asked.path.endswith(f"/{plural}") for asked in server.requests("GET"))


def lease_requests(server: ApiServer) -> int:
    return sum("/leases" in asked.path for asked in server.asked)


def hold_lease(server: ApiServer, holder: str) -> None:
    """Somebody else's Lease, or, with no holder, nobody's."""
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 60}
    server.put(LEASES, "moorage", "default", spec=spec)


def holder(server: ApiServer) -> str:
    """Who holds the Lease; ``""``: nobody."""
    lease = server.find(LEASES, "moorage", "default") or {}
    return str(lease["spec"]["holderIdentity"])


def nodes_and_pods(widgets: Widgets) -> Setup:
    def setup(manager: Manager) -> None:
        manager.informer(NODES, Store(name_of))
        manager.informer(PODS, Store(name_of), relist_at_takeover=False)
        manager.add_controller("widgets", widgets, widgets.queue)

    return setup


# Start and takeover.


async def test_a_standby_that_takes_over_lists_all_afresh_but_what_need_not_be(
    server: ApiServer,
) -> None:
    widgets = Widgets()
    hold_lease(server, "another")
    async with running(server, nodes_and_pods(widgets)):
        await until(lambda: server.watches == 2, "both caches to follow")
        assert (lists(server, "nodes"), lists(server, "pods")) == (1, 1)
        widgets.queue.add(KEY)
        hold_lease(server, "")
        await until(lambda: "ended a" in widgets.log, "a pass")
        assert (lists(server, "nodes"), lists(server, "pods")) == (2, 1)


async def test_no_pass_is_made_before_all_was_listed_at_least_once(server: ApiServer) -> None:
    widgets = Widgets()
    server.fail("GET", status=503, path="/pods", times=10_000)
    async with running(server, nodes_and_pods(widgets)):
        widgets.queue.add(KEY)
        await until(lambda: lists(server, "nodes") > 1, "the takeover")
        await until(lambda: lists(server, "pods") > 1, "pods to be asked for again")
        assert widgets.log == []
        server.faults.clear()
        await until(lambda: "ended a" in widgets.log, "a pass")


@pytest.mark.parametrize("relist", [True, False])
async def test_two_controllers_share_one_store_one_informer_and_one_list(
    server: ApiServer,
    relist: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    first, second = Widgets(), Widgets()
    store: Store[str] = Store(name_of)

    def setup(manager: Manager) -> None:
        one = manager.informer(NODES, store, relist_at_takeover=False)
        assert manager.informer(NODES, store, relist_at_takeover=relist) is one
        assert manager.informers == (one,)
        assert manager.relisted == ((one,) if relist else ())
        manager.add_controller("first", first, first.queue)
        manager.add_controller("second", second, second.queue)

    async with running(server, setup, elected=False) as lifecycle:
        first.queue.add("a")
        second.queue.add("b")
        await until(lambda: "ended a" in first.log and "ended b" in second.log, "both passes")
        registry = lifecycle.manager.registry
        for name in ("first", "second"):
            passes = f"moorage_{name}_reconciles_total"
            assert registry.get_sample_value(passes, {"outcome": "done"}) == 1.0
    assert lists(server, "nodes") <= 2
    assert len(server.requests("WATCH")) <= 2


async def test_two_informers_of_one_kind_are_both_started_and_both_stopped(
    server: ApiServer,
) -> None:
    def setup(manager: Manager) -> None:
        names = [manager.informer(NODES, Store(name_of)).name for _ in range(2)]
        assert names == ["nodes", "nodes (2)"]

    before = asyncio.all_tasks()
    async with running(server, setup, elected=False):
        await until(lambda: server.watches == 2, "both to follow")
    left = [task.get_name() for task in asyncio.all_tasks() - before if "nodes" in task.get_name()]
    assert left == []


async def test_without_an_election_no_lease_is_asked_for_and_work_begins_at_once(
    server: ApiServer,
) -> None:
    widgets = Widgets()
    widgets.queue.add(KEY)

    def setup(manager: Manager) -> None:
        assert isinstance(manager.election, NoElection)
        manager.add_controller("widgets", widgets, widgets.queue)

    async with running(server, setup, elected=False):
        await until(lambda: "ended a" in widgets.log, "a pass")
    assert lease_requests(server) == 0


async def test_the_lease_goes_over_connections_of_its_own(server: ApiServer) -> None:
    clients: list[object] = []

    def setup(manager: Manager) -> None:
        clients.append(manager.client)

    async with running(server, setup) as lifecycle:
        election = lifecycle.manager.election
        await until(lambda: election.is_leader, "the Lease")
        assert getattr(election, "_client", None) not in (None, *clients)


# Background tasks.


def ticking(log: list[str], name: str) -> Run:
    async def run() -> None:
        log.append(f"{name} runs")
        try:
            await asyncio.Event().wait()
        finally:
            log.append(f"{name} cancelled")

    return run


async def test_what_runs_while_leading_starts_after_the_takeover_and_ends_with_it(
    server: ApiServer, left: list[float], explained: list[str]
) -> None:
    log: list[str] = []
    widgets = Widgets(log=log)
    hold_lease(server, "another")

    async def on_leading() -> None:
        log.append("takes over")

    def setup(manager: Manager) -> None:
        manager.on_leading.append(on_leading)
        manager.run_always("server", ticking(log, "server"))
        manager.run_while_leading("agent", ticking(log, "agent"))
        manager.add_controller("widgets", widgets, widgets.queue)

    async with running(server, setup) as lifecycle:
        await until(lambda: log == ["server runs"], "the server")
        hold_lease(server, "")
        await until(lambda: len(log) == 3, "the takeover")
        assert log == ["server runs", "takes over", "agent runs"]
        server.fail("PUT", status=409, path="/leases/moorage")
        hold_lease(server, "another")
        await until(lambda: "agent cancelled" in log, "the stand-down")
        widgets.queue.add(KEY)
        await lifecycle.stop_wanted.wait()
        assert "server cancelled" not in log
        assert (lifecycle.exit_code, widgets.queue.depth) == (1, 1)
        assert left == [lifecycle_module.LOST_SECONDS]
        await until(lambda: bool(explained), "the termination message")
    assert [text.rpartition(" ")[0] for text in explained] == [
        "lease default/moorage was taken from"
    ]
    assert log[-1] == "server cancelled"
    assert "begun a" not in log


def test_two_tasks_of_one_name_are_refused() -> None:
    manager = object.__new__(Manager)
    manager.background = []
    manager.run_always("agent", ticking([], "agent"))
    with pytest.raises(ValueError, match="'agent' already"):
        manager.run_while_leading("agent", ticking([], "agent"))


@pytest.mark.parametrize("while_leading", [True, False])
async def test_a_task_that_ends_ends_the_process(
    server: ApiServer,
    while_leading: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
    explained: list[str],
) -> None:
    async def broken() -> None:
        raise ValueError("it broke")

    def setup(manager: Manager) -> None:
        add = manager.run_while_leading if while_leading else manager.run_always
        add("agent", broken)

    async with running(server, setup, elected=False) as lifecycle:
        await asyncio.wait_for(lifecycle.stop_wanted.wait(), 10)
        assert lifecycle.exit_code == 1
        assert lifecycle._health.unhealthy() == ("agent: it broke",)
    assert explained == ["agent ended: it broke"]
    assert "agent ended, and so does the process" in caplog.text


# Stop.


class NotingElection(NoElection):
    """Notes when leadership is given up."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    async def release(self) -> None:
        self._log.append("released")


async def test_a_stop_pauses_drains_notifies_cancels_releases_and_flushes_in_this_order(
    server: ApiServer, left: list[float]
) -> None:
    log: list[str] = []
    widgets = Widgets(log=log)
    widgets.gate.clear()
    event = Event(NODES, "n1", None, "uid-1", "Normal", "Stopped", "it stops")

    def setup(manager: Manager) -> None:
        manager.election = NotingElection(log)

        async def on_stopping(seconds: float) -> None:
            widgets.queue.add("late")
            log.append("stopping" if 0.0 < seconds <= 25.0 else f"stopping in {seconds}")
            await manager.events.publish(event)

        manager.on_stopping.append(on_stopping)
        manager.run_while_leading("agent", ticking(log, "agent"))
        manager.add_controller("widgets", widgets, widgets.queue)

    async with running(server, setup, elected=False) as lifecycle:
        await until(lambda: log == ["agent runs"], "the agent")
        widgets.queue.add(KEY)
        await until(lambda: "begun a" in log, "a pass")
        stopping = asyncio.create_task(lifecycle.stop())
        await lifecycle.stop_wanted.wait()
        widgets.queue.add("paused")
        widgets.gate.set()
        await stopping
        assert log == [
            "agent runs", "begun a", "ended a", "stopping", "agent cancelled", "released",
        ]  # fmt: skip
        assert [asked.path for asked in server.requests("POST")] == [
            "/api/v1/namespaces/default/events"
        ]
        assert lifecycle.exit_code == 0
        await lifecycle.stop()
    assert log.count("released") == 1
    assert left == []


async def test_a_process_that_does_not_lead_has_no_time_left_for_work_in_the_background(
    server: ApiServer,
) -> None:
    seconds: list[float] = []

    async def on_stopping(left: float) -> None:
        seconds.append(left)

    hold_lease(server, "another")
    async with running(server, lambda manager: manager.on_stopping.append(on_stopping)):
        pass
    assert seconds == [0.0]


async def test_the_lease_is_released_while_a_server_still_answers(server: ApiServer) -> None:
    class SlowToEnd(Webhooks):
        ended = False

        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await until(lambda: holder(server) == "", "the Lease to be released")
                self.ended = True

    webhooks = SlowToEnd()
    async with running(server, lambda manager: manager.serve("webhooks", webhooks)) as lifecycle:
        await until(lambda: lifecycle.manager.election.is_leader, "the Lease")
        assert holder(server) == lifecycle.manager.identity
    assert webhooks.ended


async def test_the_lease_is_released_though_something_goes_wrong_at_the_end(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def on_stopping(_: float) -> None:
        raise ValueError("it broke")

    async with running(
        server, lambda manager: manager.on_stopping.append(on_stopping)
    ) as lifecycle:
        await until(lambda: lifecycle.manager.election.is_leader, "the Lease")
    assert holder(server) == ""
    assert "something is left undone at the end" in caplog.text


async def test_a_takeover_that_ends_during_the_stop_begins_nothing(server: ApiServer) -> None:
    log: list[str] = []
    widgets = Widgets(log=log)
    widgets.queue.add(KEY)
    ready = asyncio.Event()

    def setup(manager: Manager) -> None:
        async def on_stopping(_: float) -> None:
            ready.set()
            for _ in range(20):
                await asyncio.sleep(0)

        async def on_leading() -> None:
            log.append("takes over")
            await ready.wait()

        manager.on_leading.append(on_leading)
        manager.on_stopping.append(on_stopping)
        manager.run_while_leading("agent", ticking(log, "agent"))
        manager.add_controller("widgets", widgets, widgets.queue)

    async with running(server, setup, elected=False):
        await until(lambda: bool(log), "the takeover")
    assert log == ["takes over"]


@pytest.mark.parametrize(
    ("settings", "namespace"),
    [
        (ElectedSettings.model_validate(QUIET | {"lease_namespace": "there"}), "there"),
        (ElectedSettings.model_validate(QUIET), "pods"),
        (CommonSettings.model_validate(QUIET), "pods"),
    ],
)
async def test_a_manager_knows_its_namespace(
    server: ApiServer, settings: CommonSettings, namespace: str
) -> None:
    lifecycle = Lifecycle(settings, server.connection(namespace="pods"), lambda _: None)
    try:
        await lifecycle.open()
        assert lifecycle.manager.namespace == namespace
    finally:
        await lifecycle.stop()


# Probes.


async def test_readiness_waits_for_caches_servers_and_what_a_controller_requires(
    server: ApiServer,
) -> None:
    webhooks, clouds = Webhooks(), ["not read yet"]

    def setup(manager: Manager) -> None:
        manager.informer(NODES, Store(name_of))
        manager.serve("webhooks", webhooks)
        manager.require("clouds", lambda: clouds[0] if clouds else None)

    server.fail("GET", status=503, path="/nodes", times=10_000)
    async with running(server, setup) as lifecycle:
        await until(lambda: lifecycle.manager.election.missing() is None, "the Lease")
        assert lifecycle._health.missing() == (
            "cache of nodes: not listed yet: GET nodes: no reason given (503 Unknown)",
            "webhooks: no certificate yet",
            "clouds: not read yet",
        )
        webhooks.answer = None
        clouds.clear()
        server.faults.clear()
        await until(lambda: lifecycle._health.missing() == (), "readiness")
        assert lifecycle.manager.metrics.registry.ready()


async def test_a_lease_out_of_reach_is_not_ready(server: ApiServer) -> None:
    server.fail("GET", status=503, path="/leases/moorage", times=10_000)
    async with running(server, lambda _: None) as lifecycle:
        assert [one.split(":")[0] for one in lifecycle._health.missing()] == ["leadership"]


async def test_the_probes_show_it_and_are_closed_at_the_end(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    webhooks = Webhooks()
    async with aiohttp.ClientSession() as session:
        async with running(server, lambda one: one.serve("webhooks", webhooks), elected=False):
            (port,) = {r.__dict__["port"] for r in caplog.records if "port" in r.__dict__}
            url = f"http://127.0.0.1:{port}"
            async with session.get(f"{url}/readyz") as answer:
                assert (answer.status, await answer.text()) == (
                    503,
                    "webhooks: no certificate yet\n",
                )
            async with session.get(f"{url}/healthz") as answer:
                assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/healthz")
