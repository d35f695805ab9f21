"""A node that says it holds an address and verifiably does not loses its labels, whatever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    MARKS,
    PROTECTED,
    node,
    raw_allocation,
    raw_node,
    record,
    until,
)
from virtual_core import Lab, play

from moorage_core import false_labels
from moorage_core.act import Actor
from moorage_core.actions import AskMachine, UnlabelNode
from moorage_core.caches import Caches
from moorage_core.decide.false_labels import MOMENT, LabelledNode, decide
from moorage_core.evicting import Evictor
from moorage_core.false_labels import FalseLabels, trigger_labelled
from moorage_core.model import AddressRecord, Awaited, Phase
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.scopes import Scopes
from moorage_kube.client.client import Client
from moorage_kube.client.kinds import NODES
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.reconcile.logic import Pass
from moorage_kube.telemetry.events import Event
from moorage_provider.errors import Unavailable
from moorage_testing.apiserver import ApiServer, serve_with_client
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider
from moorage_testing.faults import Fault

N1 = "/api/v1/nodes/n1"


class Setup:
    """The controller of false labels with an API server and a memory cloud of two machines."""

    def __init__(self, server: ApiServer, client: Client, now: list[float]) -> None:
        self.server = server
        self.now = now
        self.cloud = MemoryCloud()
        self.caches = Caches()
        self.triggered: list[str] = []
        trigger_labelled(self.caches, self.triggered.append)
        self.scopes = Scopes(lambda *_: MemoryProvider(self.cloud), lambda _: None)
        self.assumed = Assumed()
        mutations = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(1))
        self.observer = Observer(self.caches, self.scopes, mutations, self.assumed)
        self.events: list[Event] = []
        evictor = Evictor(client, self.observer.evictions, self._publish, lambda *_: None)
        actor = Actor(client, self.observer, evictor)
        self.logic = FalseLabels(self.observer, actor, self._publish)
        for name in ("n1", "n2"):
            self.cloud.add_machine(f"vm-{name}")
            self.node(name)
        for ip in (IP1, IP2):
            self.cloud.add_address(ip)

    async def _publish(self, event: Event) -> None:
        self.events.append(event)

    def node(self, name: str, **fields: Any) -> None:
        """Put a node on the server and into the cache."""
        provider_id = fields.pop("provider_id", f"memory://vm-{fields.pop('machine', name)}")
        raw = raw_node(name, **fields)
        raw["spec"]["providerID"] = provider_id
        self.server.objects[f"/api/v1/nodes/{name}"] = raw
        self.caches.nodes.apply(raw)

    def lie(self, name: str = "n1", owner: str = "", **fields: Any) -> None:
        """A kubelet says that its node holds IP1."""
        labels = fields.pop("labels", {"pool": "a"}) | MARKS
        annotations = {"moorage.dev/owner": owner} if owner else {}
        self.node(name, labels=labels, annotations=annotations, **fields)

    def allocate(self, name: str, *ips: str, **fields: Any) -> None:
        """An allocation with a record of every address, by default on no node."""
        waiting = tuple(AddressRecord(ip, Phase.WAITING, "NoEligibleNode") for ip in ips)
        raw = raw_allocation(name, *ips, **({"records": waiting} | fields))
        raw["status"]["observedGeneration"] = 1
        self.caches.allocations.apply(raw)

    async def read(self, *names: str) -> None:
        """Have the cloud read for these allocations."""

        def all_read() -> bool:
            seen = [self.observer.observe(name) for name in names]
            return all(one and Awaited() not in one.cloud_states.values() for one in seen)

        await until(all_read, "the cloud to be read")

    async def pass_over(self, name: str = "n1") -> str:
        """One pass; the reason of its plan, ``""`` = there is nothing to do."""
        observed = await self.logic.observe(name)
        if observed is None:
            return ""
        plan = self.logic.decide(observed)
        for action in plan.actions:
            await self.logic.act(observed, action)
        await self.logic.report(Pass(name, observed, plan, None, 0.1))
        return plan.reason

    async def passes(self, name: str = "n1") -> str:
        """A pass, and two when the moment is over that a write of ours may take; its reason."""
        await self.pass_over(name)
        self.now[0] += MOMENT.total_seconds()
        await self.pass_over(name)
        return await self.pass_over(name)

    def says(self, name: str = "n1") -> set[str]:
        """The labels and annotations of ours that a node still has."""
        meta = self.server.objects[f"/api/v1/nodes/{name}"]["metadata"]
        return {*MARKS, "moorage.dev/owner"} & {
            *meta.get("labels", {}),
            *meta.get("annotations", {}),
        }


@pytest.fixture
async def setup(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Setup]:
    now = [1000.0]
    monkeypatch.setattr(false_labels, "uptime", lambda: now[0])
    async with serve_with_client() as (server, client):
        setup = Setup(server, client, now)
        yield setup
        await setup.scopes.close()


@pytest.mark.parametrize("pool", ["a", "of nobody"])
@pytest.mark.parametrize("owner", ["", "uid-a", "uid-b", "uid-of-one-that-is-gone"])
async def test_sec_04_false_labels_go_whatever_owner_and_pool_the_node_names(
    setup: Setup, owner: str, pool: str
) -> None:
    setup.allocate("a", IP1, records=(record(IP1, "n2"),))
    setup.allocate("b", IP2)
    await setup.read("a", "b")
    setup.lie(owner=owner, labels={"pool": pool})
    await setup.passes()
    assert setup.says() == set()
    (event,) = setup.events
    assert (event.kind.name, event.name, event.type) == ("Node", "n1", "Warning")
    assert event.reason == "FalseLabels"


async def test_sec_04_false_labels_go_where_there_is_no_allocation_at_all(setup: Setup) -> None:
    setup.lie()
    await setup.passes()
    assert setup.says() == set()


@pytest.mark.parametrize("key", MARKS)
async def test_sec_04_one_false_label_is_enough(setup: Setup, key: str) -> None:
    setup.node("n1", labels={key: MARKS[key]})
    await setup.passes()
    assert setup.says() == set()


async def test_labels_of_others_that_say_nothing_stay(setup: Setup) -> None:
    setup.node("n1", labels={"ip.ready": "false"})
    assert await setup.passes() == ""
    assert setup.says() == {"ip.ready"}


BROKEN: dict[str, dict[str, Any]] = {
    "invalid": {"spec": {"cloud": {"provider": ""}}},
    "never looked at": {"records": (AddressRecord(IP2),)},
    "unreadable": {"records": (record(IP2, "n2", phase=Phase.UNKNOWN),)},
    "not yet observed": {"generation": 2},
}


@pytest.mark.parametrize("why", BROKEN)
async def test_sec_04_one_broken_allocation_keeps_no_false_label(setup: Setup, why: str) -> None:
    setup.allocate("a", IP1)
    setup.allocate("b", IP2, **BROKEN[why])
    await setup.read("a")
    setup.lie(owner="uid-b")
    await setup.passes()
    assert setup.says() == set()


async def test_sec_04_a_cloud_that_reads_no_address_but_the_machine_is_enough(
    setup: Setup,
) -> None:
    setup.allocate("a", IP1)
    setup.cloud.faults.inject(Fault(op="snapshot", error=Unavailable("no answer"), times=99))
    await setup.read("a")
    setup.lie()
    await setup.passes()
    assert setup.says() == set()


async def test_unknown_is_never_absent(setup: Setup) -> None:
    """What cannot be read may be there, as when the first version's labels are taken over."""
    setup.allocate("a", IP1)
    setup.cloud.faults.inject(Fault(op=".*", error=Unavailable("no answer"), times=99))
    await setup.read("a")
    setup.lie()
    assert await setup.passes() == "DoubtfulLabels"
    assert setup.says() == set(MARKS)


@pytest.mark.parametrize("why", ["invalid", "never looked at"])
async def test_an_address_that_may_be_there_keeps_its_labels(setup: Setup, why: str) -> None:
    """A broken allocation names no address: what its machine has may be one of them."""
    setup.cloud.assign(IP2, "vm-n1")
    setup.allocate("a", IP1)
    setup.allocate("b", IP2, **BROKEN[why] | ({"records": ()} if why == "invalid" else {}))
    await setup.read("a")
    setup.lie()
    assert await setup.passes() == "DoubtfulLabels"
    assert setup.says() == set(MARKS)


async def test_while_every_allocation_is_a_dry_run_no_label_is_touched(setup: Setup) -> None:
    dry = {"annotations": {"moorage.dev/dry-run": "true"}}
    setup.allocate("a", IP1, **dry)
    await setup.read("a")
    setup.lie()
    assert await setup.passes() == "DoubtfulLabels"
    assert setup.says() == set(MARKS)
    setup.allocate("b", IP2)
    await setup.read("b")
    await setup.passes()
    assert setup.says() == set()


async def test_labels_that_are_true_or_are_being_written_stay(setup: Setup) -> None:
    setup.lie()
    setup.assumed.replace("a", frozenset({"n1"}))
    assert await setup.passes() == ""
    setup.assumed.forget("a")
    setup.allocate("a", IP1, records=(record(IP1, "n1"),))
    assert await setup.passes() == ""
    setup.allocate("a", IP1, records=(AddressRecord(IP1, previous=record(IP1, "n1").node_ref),))
    assert await setup.passes() == ""
    assert setup.says() == set(MARKS)


async def test_labels_where_the_cloud_shows_an_address_stay(setup: Setup) -> None:
    setup.cloud.assign(IP1, "vm-n1")
    setup.allocate("a", IP1)
    await setup.read("a")
    setup.lie()
    assert await setup.passes() == "DoubtfulLabels"
    assert setup.says() == set(MARKS)


async def test_sec_04_a_namesake_of_the_node_that_had_it_is_not_it(setup: Setup) -> None:
    setup.allocate("a", IP1, records=(record(IP1, "n1"),))
    await setup.read("a")
    setup.lie(uid="uid-again", machine="n2")
    await setup.passes()
    assert setup.says() == set()


async def test_sec_05_an_impostor_that_says_it_has_the_victims_address_loses_its_labels(
    setup: Setup,
) -> None:
    setup.cloud.assign(IP1, "vm-n1")
    setup.allocate("a", IP1, records=(record(IP1, "n1"),))
    await setup.read("a")
    setup.lie("impostor", owner="uid-a", machine="n1")
    await setup.passes("impostor")
    assert setup.says("impostor") == set()
    assert "machine of node n1" in setup.events[0].message


async def test_sec_04_a_node_without_a_machine_has_no_address(setup: Setup) -> None:
    setup.allocate("a", IP1, generation=2)
    setup.lie(provider_id="")
    await setup.passes()
    assert setup.says() == set()


def test_no_label_goes_at_once() -> None:
    """Another write of ours may be on its way: a record, or the first version's take-over."""
    n1 = node("n1", labels=MARKS)
    fresh = decide(LabelledNode(n1, 0.0, all_known=True))
    assert (fresh.actions, fresh.wait) == ((), MOMENT)
    later = decide(LabelledNode(n1, MOMENT.total_seconds(), all_known=True))
    assert later.actions == (UnlabelNode(n1),)


def test_a_machine_is_asked_once_and_the_answer_decides() -> None:
    n1 = node("n1", labels=MARKS)
    doubted = decide(LabelledNode(n1, 60.0))
    assert (doubted.actions, doubted.wait) == ((AskMachine(n1),), timedelta(0))
    for answer, actions in ((True, ()), (None, ()), (False, (UnlabelNode(n1),))):
        plan = decide(LabelledNode(n1, 60.0, asked=True, machine_has_one=answer))
        assert plan.actions == actions
        assert plan.wait is not None
        assert plan.wait <= timedelta(seconds=30), "a false label must not outlast an interval"


def test_only_labelled_nodes_and_those_that_lose_their_record_are_looked_at() -> None:
    caches = Caches()
    triggered: list[str] = []
    trigger_labelled(caches, triggered.append)
    caches.nodes.apply(raw_node("n1"))
    caches.nodes.apply(raw_node("n2", labels={f"{PROTECTED}/ip.ready": "true"}))
    assert triggered == ["n2"]
    caches.allocations.apply(raw_allocation("a", IP1, records=(record(IP1, "n1"),)))
    assert triggered == ["n2"]
    caches.allocations.apply(raw_allocation("a", IP1, records=(record(IP1, "n2"),)))
    assert triggered == ["n2", "n1"]
    caches.nodes.apply(raw_node("n1", annotations={"moorage.dev/owner": "uid-a"}))
    triggered.clear()
    caches.allocations.forget("a")
    assert sorted(triggered) == ["n1", "n2"]


INTERVAL = 30.0


@pytest.mark.parametrize("owner", ["", "uid-a"])
def test_sec_04_in_the_whole_controller_they_are_gone_within_an_interval(owner: str) -> None:
    """While all is at rest, while the cloud gives no answer about addresses, and at the end."""

    async def gone(lab: Lab) -> None:
        lie = {"labels": MARKS, "annotations": {"moorage.dev/owner": owner}}
        lab.server.patch(NODES, "liar", {"metadata": lie})
        await lab.until(lambda: "liar" not in lab.labelled(), "the labels to be gone", INTERVAL)
        assert not MARKS.keys() & lab.node("liar")["metadata"]["labels"].keys()

    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.add_node("liar", labels={"pool": "of nobody"})
        await gone(lab)
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)
        await gone(lab)
        assert lab.events("FalseLabels")
        lab.cloud.faults.inject(Fault(op="snapshot", error=Unavailable("no answer"), times=None))
        await lab.world.pass_time(60.0)
        await gone(lab)
        assert lab.labelled() == {"n1"}, "unknown is never absent"

    play(story)
