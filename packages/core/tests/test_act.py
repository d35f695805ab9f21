"""Writes against an API server: what is sent, under which preconditions, and what is learnt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from core_api_server import Asked, CoreApiServer, Refusal, serve
from core_builders import (
    ASKS,
    IP1,
    IP2,
    allocation,
    node_ref,
    raw_allocation,
    raw_node,
    raw_pod,
    record,
    seen,
    until,
)

from moorage_core.act import Actor
from moorage_core.actions import (
    Action,
    AddFinalizer,
    CountPods,
    LabelNode,
    Mutate,
    RemoveFinalizer,
    RemoveTaint,
    Reread,
    UnlabelNode,
    WriteStatus,
)
from moorage_core.caches import Caches, uptime
from moorage_core.model import Allocation, Awaited, Mutation
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.pods import EvictPod, MisplacedPod
from moorage_core.priority import PrioritySemaphore
from moorage_core.projections import FINALIZER
from moorage_core.scopes import Scopes
from moorage_domain.conditions import Condition
from moorage_kube.cache.store import Store
from moorage_kube.client.client import Client
from moorage_kube.client.errors import Conflict, NotFound
from moorage_kube.telemetry.events import Event
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

A = "/apis/netinfra.darkbrains.com/v1alpha1/netipallocations/a"
N1 = "/api/v1/nodes/n1"
P = "/api/v1/namespaces/default/pods/p"
POD = MisplacedPod("default/p", "uid-p", "n1")
KEY = "example.com/pending"
MARKS = {"ip.ready": "true", "moorage.dev/ip": "203-0-113-10"}
OWNED = {"moorage.dev/owner": "uid-a"}
READY = Condition("Ready", "True", "AllBound", "1 of 1", 3, "2026-01-01T00:00:00Z")


class Deck:
    """An actor with an API server and a memory cloud; the caches know what the server holds."""

    def __init__(self, server: CoreApiServer, client: Client) -> None:
        self.server = server
        self.cloud = MemoryCloud()
        self.cloud.add_machine("vm-n1")
        self.cloud.add_address(IP1)
        self.caches = Caches()
        self.scopes = Scopes(lambda *_: MemoryProvider(self.cloud), lambda _: None)
        self.mutations = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(5))
        self.observer = Observer(self.caches, self.scopes, self.mutations)
        self.told: list[Event] = []
        self.actor = Actor(client, self.observer, self._publish)

    async def _publish(self, note: Event) -> None:
        self.told.append(note)

    def hold(self, path: str, raw: dict[str, Any]) -> None:
        """Put an object on the server and into the cache."""
        self.server.objects[path] = raw
        caches: dict[str, Store[Any]] = {"nodes": self.caches.nodes, "pods": self.caches.pods}
        caches.get(path.split("/")[-2], self.caches.allocations).apply(raw)

    async def act(self, action: Action, one: Allocation | None = None) -> list[Asked]:
        """Carry it out; what was asked of the API server."""
        count = len(self.server.asked)
        await self.actor.act(action, seen(one=one or allocation(IP1)))
        return self.server.asked[count:]


@pytest.fixture
async def deck() -> AsyncIterator[Deck]:
    async with serve() as (server, client):
        deck = Deck(server, client)
        yield deck
        await deck.mutations.drain(0)
        await deck.scopes.close()


async def test_pods_are_counted_by_the_api_server(deck: Deck) -> None:
    deck.server.objects["/api/v1/pods"] = {
        "metadata": {"resourceVersion": "5"}, "items": [raw_pod("unheard-of", "n1")],
    }  # fmt: skip
    (asked,) = await deck.act(CountPods(("n1",)))
    assert (asked.method, asked.path) == ("GET", "/api/v1/pods")
    assert deck.observer.counts.lately() == {"n1": False}


# Finalizers.


async def test_the_finalizer_comes_beside_those_of_others(deck: Deck) -> None:
    deck.hold(A, raw_allocation("a", IP1, finalizers=["other/one"], resourceVersion="7"))
    (asked,) = await deck.act(AddFinalizer())
    assert (asked.method, asked.path) == ("PATCH", A)
    assert asked.content_type == "application/merge-patch+json"
    assert asked.body == {
        "metadata": {"finalizers": ["other/one", FINALIZER], "resourceVersion": "7"}
    }
    view = deck.caches.allocations.get("a")
    assert view is not None
    assert view.allocation.finalizer  # before any watch told it


async def test_a_finalizer_added_meanwhile_is_not_lost(deck: Deck) -> None:
    deck.hold(A, raw_allocation("a", IP1, finalizers=[FINALIZER], resourceVersion="7"))
    changed = raw_allocation("a", IP1, finalizers=[FINALIZER, "late/one"], resourceVersion="8")
    deck.server.objects[A] = changed
    with pytest.raises(Conflict):
        await deck.act(RemoveFinalizer())
    assert deck.server.objects[A] == changed


async def test_ours_is_taken_off_and_the_object_goes_unless_others_hold_it(deck: Deck) -> None:
    gone: dict[str, Any] = {"deletionTimestamp": "2026-01-02T00:00:00Z"}
    deck.hold(A, raw_allocation("a", IP1, finalizers=["x/y", FINALIZER], **gone))
    await deck.act(RemoveFinalizer())
    assert deck.server.objects[A]["metadata"]["finalizers"] == ["x/y"]
    deck.caches.allocations.forget("a")
    deck.hold(A, raw_allocation("a", IP1, finalizers=[FINALIZER], **gone))
    await deck.act(RemoveFinalizer())
    assert A not in deck.server.objects


async def test_an_object_that_went_away_meanwhile_is_not_written(deck: Deck) -> None:
    for action in (AddFinalizer(), RemoveFinalizer(), WriteStatus((), ())):
        assert await deck.act(action) == []


async def test_an_object_that_only_the_server_knows_is_gone_is_looked_at_again(
    deck: Deck,
) -> None:
    deck.hold(A, raw_allocation("a", IP1))
    del deck.server.objects[A]
    with pytest.raises(NotFound):
        await deck.act(AddFinalizer())


# Status.


async def test_the_status_tells_all_and_is_known_at_once(deck: Deck) -> None:
    deck.hold(A, raw_allocation("a", IP1, resourceVersion="7", generation=3))
    one = allocation(IP1, generation=3, invalid=(("10.0.0.1", "private"),))
    bound = record(IP1, "n1", since=60.0)
    (asked,) = await deck.act(WriteStatus((bound,), (READY,), serving=1), one)
    assert asked.path == f"{A}/status"
    assert asked.body == {
        "metadata": {"resourceVersion": "7", "uid": "uid-a"},
        "status": {
            "observedGeneration": 3,
            "reserved": 2,
            "bound": 1,
            "addresses": [
                {
                    "ip": IP1, "phase": "Bound", "reason": "Bound", "message": "",
                    "nodeName": "n1", "nodeUID": "uid-n1", "providerID": "memory://vm-n1",
                    "since": "1970-01-01T00:01:00Z",
                }
            ],
            "conditions": [
                {
                    "type": "Ready", "status": "True", "reason": "AllBound", "message": "1 of 1",
                    "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 3,
                }
            ],
        },
    }  # fmt: skip
    view = deck.caches.allocations.get("a")
    assert view is not None
    assert (view.records, view.conditions, view.seen_generation) == ((bound,), (READY,), 3)
    assert view.resource_version == "101"


async def test_a_status_based_on_an_old_object_is_refused(deck: Deck) -> None:
    deck.hold(A, raw_allocation("a", IP1, resourceVersion="7"))
    deck.server.objects[A] = raw_allocation("a", IP1, IP2, resourceVersion="8")
    with pytest.raises(Conflict):
        await deck.act(WriteStatus((), ()))
    assert deck.server.objects[A]["status"] == {"addresses": []}


async def test_a_namesake_made_meanwhile_gets_no_status(deck: Deck) -> None:
    deck.hold(A, raw_allocation("a", IP1, uid="another"))
    with pytest.raises(Conflict):
        await deck.act(WriteStatus((), ()))


async def test_two_writes_in_one_pass_follow_each_other(deck: Deck) -> None:
    deck.hold(A, raw_allocation("a", IP1, resourceVersion="7"))
    await deck.act(AddFinalizer())
    await deck.act(WriteStatus((record(IP1, "n1"),), ()))
    stored = deck.server.objects[A]
    assert stored["metadata"]["finalizers"] == [FINALIZER]
    assert [entry["nodeName"] for entry in stored["status"]["addresses"]] == ["n1"]


# Marks.


async def test_a_node_is_marked_in_one_patch_for_its_own_uid(deck: Deck) -> None:
    deck.hold(N1, raw_node("n1"))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    (asked,) = await deck.act(LabelNode(node, IP1))
    assert (asked.path, asked.content_type) == (N1, "application/merge-patch+json")
    assert asked.body == {"metadata": {"uid": "uid-n1", "labels": MARKS, "annotations": OWNED}}
    marked = deck.caches.nodes.get("n1")
    assert marked is not None
    assert (marked.labels, marked.owner) == ({"pool": "a"} | MARKS, "uid-a")
    assert await deck.act(LabelNode(marked, IP1))  # again, to no harm
    assert deck.caches.nodes.get("n1") == marked


async def test_a_namesake_of_the_node_is_not_marked(deck: Deck) -> None:
    deck.hold(N1, raw_node("n1"))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    deck.server.objects[N1] = raw_node("n1", uid="another")
    with pytest.raises(Conflict):
        await deck.act(LabelNode(node, IP1))
    assert deck.server.objects[N1]["metadata"]["labels"] == {"pool": "a"}


async def test_a_node_that_is_gone_needs_no_marks(deck: Deck) -> None:
    deck.hold(N1, raw_node("n1", labels=MARKS, annotations=OWNED))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    del deck.server.objects[N1]
    assert len(await deck.act(LabelNode(node, IP1))) == 1
    assert len(await deck.act(UnlabelNode(node))) == 1


async def test_our_marks_are_taken_off_and_nothing_else(deck: Deck) -> None:
    others: dict[str, Any] = {"annotations": OWNED | {"keep": "me"}}
    deck.hold(N1, raw_node("n1", labels={"pool": "a"} | MARKS, **others))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    (asked,) = await deck.act(UnlabelNode(node))
    assert asked.content_type == "application/json-patch+json"
    assert {"op": "test", "path": "/metadata/uid", "value": "uid-n1"} in asked.body
    meta = deck.server.objects[N1]["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"pool": "a"}, {"keep": "me"})
    unmarked = deck.caches.nodes.get("n1")
    assert unmarked is not None
    assert (unmarked.labels, unmarked.owner) == ({"pool": "a"}, "")


async def test_a_label_of_the_first_version_alone_is_taken_off(deck: Deck) -> None:
    deck.hold(N1, raw_node("n1", labels={"pool": "a", "ip.ready": "true"}))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    await deck.act(UnlabelNode(node))
    assert deck.server.objects[N1]["metadata"]["labels"] == {"pool": "a"}


@pytest.mark.parametrize(
    "meanwhile",
    [
        {"annotations": {"moorage.dev/owner": "uid-b"}},
        {"labels": {"pool": "a"} | MARKS | {"moorage.dev/ip": "203-0-113-11"}},
        {"uid": "another"},
        {"annotations": {}},
    ],
)
async def test_marks_that_are_not_the_ones_we_saw_stay(
    deck: Deck, meanwhile: dict[str, Any]
) -> None:
    seen: dict[str, Any] = {"labels": {"pool": "a"} | MARKS, "annotations": OWNED}
    deck.hold(N1, raw_node("n1", **seen))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    deck.server.objects[N1] = changed = raw_node("n1", **(seen | meanwhile))
    with pytest.raises(Conflict):
        await deck.act(UnlabelNode(node))
    assert deck.server.objects[N1] == changed


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(403, "Forbidden", "admission webhook said no"),
        Refusal(422, "Invalid", 'Node "n1" is invalid: metadata.labels: too long'),
    ],
)
async def test_a_node_that_refuses_its_labels_is_told_of_and_holds_nothing_up(
    deck: Deck, refusal: Refusal
) -> None:
    deck.hold(N1, raw_node("n1", labels={"pool": "a"} | MARKS, annotations=OWNED))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    for action in (LabelNode(node, IP1), UnlabelNode(node)):
        deck.server.refusal = refusal
        await deck.act(action)
        assert refusal.message in deck.observer.label_errors["n1"]
        deck.server.refusal = None
        await deck.act(action)
        assert deck.observer.label_errors == {}


# The settled taint.


async def test_the_taint_is_taken_off_with_every_effect_and_all_others_stay(deck: Deck) -> None:
    deck.hold(N1, raw_node("n1", taints=(KEY, "other", KEY, "last")))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    (asked,) = await deck.act(RemoveTaint(node, KEY))
    assert asked.content_type == "application/json-patch+json"
    assert asked.body == [
        {"op": "test", "path": "/metadata/uid", "value": "uid-n1"},
        {"op": "test", "path": "/spec/taints/2/key", "value": KEY},
        {"op": "remove", "path": "/spec/taints/2"},
        {"op": "test", "path": "/spec/taints/0/key", "value": KEY},
        {"op": "remove", "path": "/spec/taints/0"},
    ]
    untainted = deck.caches.nodes.get("n1")
    assert untainted is not None
    assert untainted.taints == ("other", "last")  # before any watch told it


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
    deck: Deck, meanwhile: dict[str, Any]
) -> None:
    deck.hold(N1, raw_node("n1", taints=("other", KEY)))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    deck.server.objects[N1] = changed = raw_node("n1", **meanwhile)
    with pytest.raises(Conflict):
        await deck.act(RemoveTaint(node, KEY))
    assert deck.server.objects[N1] == changed


async def test_a_taint_that_may_not_be_removed_is_told_of_and_holds_nothing_up(deck: Deck) -> None:
    deck.hold(N1, raw_node("n1", taints=(KEY,)))
    node = deck.caches.nodes.get("n1")
    assert node is not None
    deck.server.refusal = Refusal(403, "Forbidden", "admission webhook said no")
    await deck.act(RemoveTaint(node, KEY))
    assert "admission webhook said no" in deck.observer.label_errors["n1"]


# Evictions.


def misplace(deck: Deck, **pod: Any) -> None:
    deck.hold(N1, raw_node("n1"))
    deck.hold(P, raw_pod("p", "n1", **ASKS) | pod)


async def test_a_pod_is_evicted_politely_by_its_own_uid_and_people_are_told(deck: Deck) -> None:
    misplace(deck)
    (asked,) = await deck.act(EvictPod(POD))
    assert (asked.method, asked.path) == ("POST", f"{P}/eviction")
    assert asked.body == {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "p", "namespace": "default"},
        "deleteOptions": {"preconditions": {"uid": "uid-p"}},
    }
    (told,) = deck.told
    assert (told.name, told.type, told.reason) == ("a", "Normal", "Evicted")
    assert told.message == "pod default/p on node n1, which holds no address of a"


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(429, "TooManyRequests", "it would violate the pod's disruption budget"),
        Refusal(500, "InternalError", "this pod has more than one PodDisruptionBudget"),
        Refusal(403, "Forbidden", "admission webhook said no"),
    ],
)
async def test_a_refused_eviction_is_told_and_the_pod_stays(deck: Deck, refusal: Refusal) -> None:
    misplace(deck)
    deck.server.refusal = refusal
    (asked,) = await deck.act(EvictPod(POD))
    assert asked.method == "POST"
    assert P in deck.server.objects
    (told,) = deck.told
    assert (told.name, told.type, told.reason) == ("a", "Warning", "EvictionRefused")
    assert refusal.message in told.message
    assert "pod default/p on node n1" in told.message


@pytest.mark.parametrize("refused", [True, False])
async def test_a_pod_is_not_asked_about_twice_within_15_seconds(
    deck: Deck, *, refused: bool
) -> None:
    misplace(deck)
    deck.server.refusal = Refusal(429, "TooManyRequests") if refused else None
    before = uptime()
    assert await deck.act(EvictPod(POD))
    assert before + 15 <= deck.observer.evict_after["uid-p"] <= uptime() + 15
    assert await deck.act(EvictPod(POD), allocation(IP1, name="b")) == []
    assert len(deck.told) == 1
    deck.observer.evict_after["uid-p"] = uptime()
    assert await deck.act(EvictPod(POD))


async def test_two_allocations_do_not_evict_one_pod_at_the_same_time(deck: Deck) -> None:
    misplace(deck)
    actions = (deck.actor.act(EvictPod(POD), seen(one=allocation(IP1, name=n))) for n in "ab")
    await asyncio.gather(*actions)
    assert len(deck.server.asked) == 1


async def test_pods_that_may_be_evicted_again_are_not_remembered_for_ever(deck: Deck) -> None:
    misplace(deck)
    deck.observer.evict_after |= {"long-gone": uptime() - 1, "lately": uptime() + 5}
    await deck.act(EvictPod(POD))
    assert set(deck.observer.evict_after) == {"lately", "uid-p"}


async def test_a_pod_that_is_gone_or_replaced_is_not_told_of(deck: Deck) -> None:
    misplace(deck)
    deck.server.objects[P] = replaced = raw_pod("p", "n2")
    replaced["metadata"]["uid"] = "another"
    assert await deck.act(EvictPod(POD))
    assert deck.server.objects[P] == replaced
    del deck.server.objects[P]
    deck.observer.evict_after.clear()
    assert await deck.act(EvictPod(POD))
    assert deck.told == []


async def test_a_node_that_got_an_address_since_the_decision_keeps_its_pods(deck: Deck) -> None:
    misplace(deck)
    deck.caches.nodes.apply(raw_node("n1", labels=MARKS))
    assert await deck.act(EvictPod(POD)) == []


# The cloud.


def attach(deck: Deck) -> Mutate:
    address = deck.cloud.snapshot([IP1])[IP1]
    return Mutate(Mutation.ATTACH, "a", IP1, address, node_ref("n1"), "vm-n1", "request-1")


async def test_a_mutation_is_begun_in_the_background_without_a_word_to_the_api_server(
    deck: Deck,
) -> None:
    deck.scopes.want(allocation(IP1), {IP1})
    assert await deck.act(attach(deck)) == []
    assert set(deck.mutations.in_flight) == {IP1}
    await until(lambda: deck.mutations.outcomes, "the mutation to end")
    assert deck.cloud.mutations == [("attach", frozenset({IP1, "vm-n1"}))]


async def test_without_a_cloud_no_mutation_is_begun(deck: Deck) -> None:
    await deck.act(attach(deck))
    assert deck.mutations.in_flight == {}


async def test_an_address_is_read_again_after_the_pause(deck: Deck) -> None:
    scope = deck.scopes.want(allocation(IP1, interval=1000.0), {IP1})
    await until(lambda: scope.cloud_state(IP1) != Awaited(), "the first reading")
    await deck.act(Reread(IP1, 0.05))
    assert scope.cloud_state(IP1) != Awaited()
    await until(lambda: len(deck.cloud.faults.calls) == 2, "the second reading")
    first, second = (call.at for call in deck.cloud.faults.calls)
    assert second - first >= 0.05


async def test_an_address_is_read_again_once_however_often_that_is_asked(deck: Deck) -> None:
    scope = deck.scopes.want(allocation(IP1, interval=1000.0), {IP1})
    await until(lambda: scope.cloud_state(IP1) != Awaited(), "the first reading")
    for number in range(5):
        await deck.act(Reread(IP1, 0.03 + number / 20))
    await until(lambda: len(deck.cloud.faults.calls) == 2, "the second reading")
    await asyncio.sleep(0.3)
    assert len(deck.cloud.faults.calls) == 2
    await deck.act(Reread(IP1, 0.0))
    await until(lambda: len(deck.cloud.faults.calls) == 3, "the third reading")


async def test_a_reading_planned_for_an_allocation_that_went_away_is_none(deck: Deck) -> None:
    deck.scopes.want(allocation(IP1), {IP1})
    deck.scopes.want(allocation(IP2, name="b"), {IP2})
    await until(lambda: deck.cloud.faults.calls, "the first reading")
    await deck.act(Reread(IP1, 0.0))
    deck.scopes.unwant("a")
    await asyncio.sleep(0.1)
    assert len(deck.cloud.faults.calls) == 1
