"""Writes against an API server: what is sent, under which preconditions, and what is learnt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from core_builders import (
    ASKS,
    IP1,
    IP2,
    MARKS,
    allocation,
    node_ref,
    observed_with,
    raw_node,
    raw_pod,
    until,
)

from moorage_core.act import MOST_LOOKS, Actor
from moorage_core.actions import (
    Action,
    CountPods,
    LabelNode,
    Mutate,
    RemoveTaint,
    Reread,
    UnlabelNode,
)
from moorage_core.caches import Caches, uptime
from moorage_core.evicting import Evictor
from moorage_core.model import Allocation, Awaited, Mutation
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_core.priority import PrioritySemaphore
from moorage_core.scopes import Scopes
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Client
from moorage_kube.client.errors import Conflict
from moorage_kube.client.kinds import PODS
from moorage_kube.reconcile.assumed import Assumed
from moorage_kube.telemetry.events import Event
from moorage_testing.apiserver import ApiServer, Asked, Refusal, serve_with_client
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

N1 = "/api/v1/nodes/n1"
P = "/api/v1/namespaces/default/pods/p"
POD = MisplacedPod("default/p", "uid-p", "n1")
KEY = "example.com/pending"
LABELS = MARKS
OWNED = {"moorage.dev/owner": "uid-a"}


class Setup:
    """An actor with an API server and a memory cloud; the caches know what the server holds."""

    def __init__(self, server: ApiServer, client: Client) -> None:
        self.server = server
        self.cloud = MemoryCloud()
        self.cloud.add_machine("vm-n1")
        self.cloud.add_address(IP1)
        self.caches = Caches()
        self.scopes = Scopes(lambda *_: MemoryProvider(self.cloud), lambda _: None)
        self.mutations = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(5))
        self.observer = Observer(self.caches, self.scopes, self.mutations, Assumed())
        self.events: list[Event] = []
        self.counted: list[tuple[str, str]] = []
        evictor = Evictor(client, self.observer.evictions, self._publish, self._count)
        self.actor = Actor(client, self.observer, evictor)

    def _count(self, allocation: str, outcome: str) -> None:
        self.counted.append((allocation, outcome))

    async def _publish(self, event: Event) -> None:
        self.events.append(event)

    def hold(self, path: str, raw: dict[str, Any]) -> None:
        """Put an object on the server and into the cache."""
        self.server.objects[path] = raw
        caches: dict[str, Store[Any]] = {"nodes": self.caches.nodes, "pods": self.caches.pods}
        caches.get(path.split("/")[-2], self.caches.allocations).apply(raw)

    async def act(self, action: Action, one: Allocation | None = None) -> list[Asked]:
        """Carry it out; what was asked of the API server."""
        count = len(self.server.asked)
        await self.actor.act(action, observed_with(one=one or allocation(IP1)))
        return self.server.asked[count:]


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    async with serve_with_client() as (server, client):
        setup = Setup(server, client)
        yield setup
        await setup.mutations.drain(0)
        await setup.scopes.close()


async def test_pods_are_counted_by_the_api_server(setup: Setup) -> None:
    setup.server.objects[P] = raw_pod("p", "n1")
    (asked,) = await setup.act(CountPods(("n1",)))
    assert (asked.method, asked.path) == ("GET", "/api/v1/pods")
    assert setup.observer.counts.lately() == {"n1": False}


# Labels.


async def test_a_node_is_labelled_in_one_patch_for_its_own_uid(setup: Setup) -> None:
    setup.hold(N1, raw_node("n1"))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    (asked,) = await setup.act(LabelNode(node, IP1))
    assert (asked.path, asked.content_type) == (N1, "application/merge-patch+json")
    assert asked.body == {"metadata": {"uid": "uid-n1", "labels": LABELS, "annotations": OWNED}}
    labelled = setup.caches.nodes.get("n1")
    assert labelled is not None
    assert (labelled.labels, labelled.owner) == ({"pool": "a"} | LABELS, "uid-a")
    assert await setup.act(LabelNode(labelled, IP1))  # again, to no harm
    assert setup.caches.nodes.get("n1") == labelled


async def test_a_namesake_of_the_node_is_not_labelled(setup: Setup) -> None:
    setup.hold(N1, raw_node("n1"))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    setup.server.objects[N1] = raw_node("n1", uid="another")
    with pytest.raises(Conflict):
        await setup.act(LabelNode(node, IP1))
    assert setup.server.objects[N1]["metadata"]["labels"] == {"pool": "a"}


async def test_a_node_that_is_gone_needs_no_labels(setup: Setup) -> None:
    setup.hold(N1, raw_node("n1", labels=LABELS, annotations=OWNED))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    del setup.server.objects[N1]
    assert len(await setup.act(LabelNode(node, IP1))) == 1
    assert len(await setup.act(UnlabelNode(node))) == 1


async def test_our_labels_are_removed_and_nothing_else(setup: Setup) -> None:
    others: dict[str, Any] = {"annotations": OWNED | {"keep": "me"}}
    setup.hold(N1, raw_node("n1", labels={"pool": "a"} | LABELS, **others))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    (asked,) = await setup.act(UnlabelNode(node))
    assert asked.content_type == "application/json-patch+json"
    assert {"op": "test", "path": "/metadata/uid", "value": "uid-n1"} in asked.body
    meta = setup.server.objects[N1]["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"pool": "a"}, {"keep": "me"})
    unlabelled = setup.caches.nodes.get("n1")
    assert unlabelled is not None
    assert (unlabelled.labels, unlabelled.owner) == ({"pool": "a"}, "")


async def test_a_label_of_the_first_version_alone_is_taken_off(setup: Setup) -> None:
    setup.hold(N1, raw_node("n1", labels={"pool": "a", "ip.ready": "true"}))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    await setup.act(UnlabelNode(node))
    assert setup.server.objects[N1]["metadata"]["labels"] == {"pool": "a"}


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"annotations": {"moorage.dev/owner": "uid-b"}},
        {"labels": {"pool": "a"} | LABELS | {"moorage.dev/ip": "203-0-113-11"}},
        {"uid": "another"},
        {"annotations": {}},
    ],
)
async def test_labels_that_changed_since_they_were_observed_stay(
    setup: Setup, meanwhile: dict[str, Any]
) -> None:
    observed: dict[str, Any] = {"labels": {"pool": "a"} | LABELS, "annotations": OWNED}
    setup.hold(N1, raw_node("n1", **observed))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    setup.server.objects[N1] = changed = raw_node("n1", **(observed | meanwhile))
    with pytest.raises(Conflict):
        await setup.act(UnlabelNode(node))
    assert setup.server.objects[N1] == changed


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(403, "Forbidden", "admission webhook said no"),
        Refusal(422, "Invalid", 'Node "n1" is invalid: metadata.labels: too long'),
    ],
)
async def test_a_node_that_refuses_its_labels_is_reported_and_blocks_nothing(
    setup: Setup, refusal: Refusal
) -> None:
    setup.hold(N1, raw_node("n1", labels={"pool": "a"} | LABELS, annotations=OWNED))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    for action in (LabelNode(node, IP1), UnlabelNode(node)):
        setup.server.refuse("PATCH", refusal)
        await setup.act(action)
        assert refusal.message in setup.observer.label_errors["n1"]
        await setup.act(action)
        assert setup.observer.label_errors == {}


# The settled taint.


async def test_the_taint_is_taken_off_with_every_effect_and_all_others_stay(setup: Setup) -> None:
    setup.hold(N1, raw_node("n1", taints=(KEY, "other", KEY, "last")))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    (asked,) = await setup.act(RemoveTaint(node, KEY))
    assert asked.content_type == "application/json-patch+json"
    assert asked.body == [
        {"op": "test", "path": "/metadata/uid", "value": "uid-n1"},
        {"op": "test", "path": "/spec/taints/2/key", "value": KEY},
        {"op": "remove", "path": "/spec/taints/2"},
        {"op": "test", "path": "/spec/taints/0/key", "value": KEY},
        {"op": "remove", "path": "/spec/taints/0"},
    ]
    untainted = setup.caches.nodes.get("n1")
    assert untainted is not None
    assert untainted.taint_keys == ("other", "last")  # before any watch showed it


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"taints": ("new", "other", KEY)},
        {"taints": (KEY,)},
        {"taints": ()},
        {"taints": ("other", KEY), "uid": "another"},
    ],
)
async def test_taints_that_are_not_the_ones_we_saw_stay(
    setup: Setup, meanwhile: dict[str, Any]
) -> None:
    setup.hold(N1, raw_node("n1", taints=("other", KEY)))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    setup.server.objects[N1] = changed = raw_node("n1", **meanwhile)
    with pytest.raises(Conflict):
        await setup.act(RemoveTaint(node, KEY))
    assert setup.server.objects[N1] == changed


async def test_a_taint_that_may_not_be_removed_holds_nothing_up(
    setup: Setup,
) -> None:
    setup.hold(N1, raw_node("n1", taints=(KEY,)))
    node = setup.caches.nodes.get("n1")
    assert node is not None
    setup.server.refuse("PATCH", Refusal(403, "Forbidden", "admission webhook said no"))
    await setup.act(RemoveTaint(node, KEY))
    assert "admission webhook said no" in setup.observer.label_errors["n1"]


# Evictions.


def misplace(setup: Setup, **pod: Any) -> None:
    setup.hold(N1, raw_node("n1"))
    setup.hold(P, raw_pod("p", "n1", **ASKS) | pod)


async def test_a_pod_is_evicted_politely_by_its_own_uid_with_an_event(setup: Setup) -> None:
    misplace(setup)
    (asked,) = await setup.act(EvictPod(POD))
    assert (asked.method, asked.path) == ("POST", f"{P}/eviction")
    assert asked.body == {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "p", "namespace": "default"},
        "deleteOptions": {"preconditions": {"uid": "uid-p"}},
    }
    (events,) = setup.events
    assert (events.name, events.type, events.reason) == ("a", "Normal", "Evicted")
    assert events.message == "pod default/p on node n1, which holds no address of a"


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(429, "TooManyRequests", "it would violate the pod's disruption budget"),
        Refusal(500, "InternalError", "this pod has more than one PodDisruptionBudget"),
        Refusal(403, "Forbidden", "admission webhook said no"),
    ],
)
async def test_a_refused_eviction_is_reported_and_the_pod_stays(
    setup: Setup, refusal: Refusal
) -> None:
    misplace(setup)
    setup.server.refuse("POST", refusal)
    (asked,) = await setup.act(EvictPod(POD))
    assert asked.method == "POST"
    assert P in setup.server.objects
    events, _ = setup.events
    assert (events.name, events.type, events.reason) == ("a", "Warning", "EvictionRefused")
    assert refusal.message in events.message
    assert "pod default/p on node n1" in events.message


BUDGET = "The disruption budget web needs 2 healthy pods and has 2 currently"


async def test_harm_26_a_refused_eviction_is_said_with_its_cause_wherever_people_look(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    misplace(setup)
    causes = [{"reason": "DisruptionBudget", "message": BUDGET}]
    setup.server.refuse("POST", Refusal(429, "TooManyRequests", "Cannot evict.", causes=causes))
    await setup.act(EvictPod(POD))
    about, at_pod = setup.events
    assert (about.name, about.reason) == ("a", "EvictionRefused")
    assert about.message == f"pod default/p on node n1 stays for now: Cannot evict. {BUDGET}"
    assert (at_pod.kind, at_pod.namespace, at_pod.name, at_pod.uid) == (
        PODS, "default", "p", "uid-p",
    )  # fmt: skip
    assert (at_pod.type, at_pod.reason) == ("Warning", "EvictionRefused")
    assert BUDGET in at_pod.message
    assert setup.counted == [("a", "refused")]
    assert setup.observer.evictions.refused([POD]) == {"default/p": f"Cannot evict. {BUDGET}"}
    (line,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert BUDGET in line.getMessage()


async def test_harm_26_the_same_refusal_is_one_line_of_the_log_and_ends_with_the_eviction(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    misplace(setup)
    for _ in range(2):
        setup.server.refuse("POST", Refusal(429, "TooManyRequests", "Cannot evict."))
        await setup.act(EvictPod(POD))
        setup.observer.evictions.after.clear()
    assert len([one for one in caplog.records if one.levelname == "WARNING"]) == 1
    await setup.act(EvictPod(POD))
    assert setup.observer.evictions.refused([POD]) == {}
    assert setup.counted == [("a", "refused"), ("a", "refused"), ("a", "evicted")]


@pytest.mark.parametrize("refused", [True, False])
async def test_a_pod_is_not_asked_about_twice_within_15_seconds(
    setup: Setup, *, refused: bool
) -> None:
    misplace(setup)
    if refused:
        setup.server.refuse("POST", Refusal(429, "TooManyRequests"))
    before = uptime()
    assert await setup.act(EvictPod(POD))
    assert before + 15 <= setup.observer.evictions.after["uid-p"] <= uptime() + 15
    assert await setup.act(EvictPod(POD), allocation(IP1, name="b")) == []
    assert {one.name for one in setup.events} <= {"a", "p"}
    setup.observer.evictions.after["uid-p"] = uptime()
    assert await setup.act(EvictPod(POD))


async def test_two_allocations_do_not_evict_one_pod_at_the_same_time(setup: Setup) -> None:
    misplace(setup)
    actions = (
        setup.actor.act(EvictPod(POD), observed_with(one=allocation(IP1, name=n))) for n in "ab"
    )
    await asyncio.gather(*actions)
    assert len(setup.server.asked) == 1


async def test_pods_that_may_be_evicted_again_are_not_remembered_for_ever(setup: Setup) -> None:
    misplace(setup)
    setup.observer.evictions.after |= {"long-gone": uptime() - 1, "lately": uptime() + 5}
    await setup.act(EvictPod(POD))
    assert set(setup.observer.evictions.after) == {"lately", "uid-p"}


async def test_a_pod_that_is_gone_or_replaced_gets_no_event(setup: Setup) -> None:
    misplace(setup)
    setup.server.objects[P] = replaced = raw_pod("p", "n2")
    replaced["metadata"]["uid"] = "another"
    assert await setup.act(EvictPod(POD))
    assert setup.server.objects[P] == replaced
    del setup.server.objects[P]
    setup.observer.evictions.after.clear()
    assert await setup.act(EvictPod(POD))
    assert setup.events == []


async def test_a_node_that_got_an_address_since_the_decision_keeps_its_pods(setup: Setup) -> None:
    misplace(setup)
    setup.caches.nodes.apply(raw_node("n1", labels=LABELS))
    assert await setup.act(EvictPod(POD)) == []


# The cloud.


def attach(setup: Setup) -> Mutate:
    address = setup.cloud.snapshot([IP1])[IP1]
    one = Mutate(Mutation.ATTACH, "a", IP1, address, node_ref("n1"), "vm-n1", "request-1")
    return replace(one, may_strip=True)


async def test_a_mutation_is_begun_in_the_background_without_a_word_to_the_api_server(
    setup: Setup,
) -> None:
    setup.scopes.want(allocation(IP1), {IP1})
    assert await setup.act(attach(setup)) == []
    assert set(setup.mutations.in_flight) == {IP1}
    await until(lambda: setup.mutations.outcomes, "the mutation to end")
    assert setup.cloud.mutations == [("attach", frozenset({IP1, "vm-n1"}))]


async def test_a_target_is_looked_at_before_its_status_is_written(setup: Setup) -> None:
    unseen = replace(attach(setup), may_strip=False)
    look = setup.actor.look_at_targets
    assert not await look("a", (unseen,)), "without a cloud"
    scope = setup.scopes.want(allocation(IP1), {IP1})
    nobody = (Reread(IP1, 1.0), attach(setup), replace(unseen, handle="operation-1"))
    detach = replace(unseen, mutation=Mutation.DETACH)
    assert not await look("a", (*nobody, detach))
    assert not await look("a", (unseen,) * (MOST_LOOKS + 1)), "many are read one by one"
    assert setup.mutations.own_addresses() == {}
    assert await look("a", (*nobody, unseen))
    assert setup.mutations.own_addresses() == {IP1: "uid-n1"}
    scope.rate_limiter.throttled(None)
    assert not await look("a", (unseen,)), "the cloud has just refused something"


async def test_a_target_of_what_is_under_way_is_not_looked_at(setup: Setup) -> None:
    setup.scopes.want(allocation(IP1), {IP1})
    unseen = replace(attach(setup), may_strip=False)
    setup.mutations.in_flight[IP1] = unseen
    assert not await setup.actor.look_at_targets("a", (unseen,))
    del setup.mutations.in_flight[IP1]


async def test_without_a_cloud_no_mutation_is_begun(setup: Setup) -> None:
    await setup.act(attach(setup))
    assert setup.mutations.in_flight == {}


async def test_an_address_is_read_again_after_the_pause(setup: Setup) -> None:
    scope = setup.scopes.want(allocation(IP1, interval=1000.0), {IP1})
    await until(lambda: scope.cloud_state(IP1) != Awaited(), "the first read")
    await setup.act(Reread(IP1, 0.05))
    assert scope.cloud_state(IP1) != Awaited()
    await until(lambda: len(setup.cloud.faults.calls) == 2, "the second read")
    first, second = (call.at for call in setup.cloud.faults.calls)
    assert second - first >= 0.05


async def test_an_address_is_read_again_once_however_often_that_is_asked(setup: Setup) -> None:
    scope = setup.scopes.want(allocation(IP1, interval=1000.0), {IP1})
    await until(lambda: scope.cloud_state(IP1) != Awaited(), "the first read")
    for number in range(5):
        await setup.act(Reread(IP1, 0.03 + number / 20))
    await until(lambda: len(setup.cloud.faults.calls) == 2, "the second read")
    await asyncio.sleep(0.3)
    assert len(setup.cloud.faults.calls) == 2
    await setup.act(Reread(IP1, 0.0))
    await until(lambda: len(setup.cloud.faults.calls) == 3, "the third read")


async def test_a_read_planned_for_an_allocation_that_is_gone_does_not_happen(setup: Setup) -> None:
    setup.scopes.want(allocation(IP1), {IP1})
    setup.scopes.want(allocation(IP2, name="b"), {IP2})
    await until(lambda: setup.cloud.faults.calls, "the first read")
    await setup.act(Reread(IP1, 0.0))
    setup.scopes.unwant("a")
    await asyncio.sleep(0.1)
    assert len(setup.cloud.faults.calls) == 1
