"""Which allocations a change triggers, and which it does not."""

from __future__ import annotations

from typing import Any

import pytest
from core_builders import (
    ASKS,
    IP1,
    IP2,
    IP3,
    node_ref,
    raw_allocation,
    raw_node,
    raw_owned,
    raw_pod,
    record,
)

from moorage_core.caches import Caches
from moorage_core.model import AddressRecord, Phase
from moorage_core.triggers import Triggers

WAITING = AddressRecord(IP2, Phase.WAITING, "NoEligibleNode")
IN_CONFLICT = AddressRecord(IP1, Phase.BLOCKED, "Conflict")
HELD_BACK = record(IP1, "n1", phase=Phase.HOLDING, reason="WorkloadRunning")


class Watched:
    """Caches with triggers; ``keys`` are those added since it was last asked."""

    def __init__(self) -> None:
        self.caches = Caches()
        self._keys: list[str] = []
        self.triggers = Triggers(self.caches, self._keys.append)

    @property
    def keys(self) -> set[str]:
        keys = set(self._keys)
        self._keys.clear()
        return keys

    def allocate(self, name: str, *ips: str, pool: str = "a", **fields: Any) -> set[str]:
        """Create or change an allocation; which keys that adds."""
        spec = {"nodeSelector": {"pool": pool}} | fields.pop("spec", {})
        self.caches.allocations.apply(raw_allocation(name, *ips, spec=spec, **fields))
        return self.keys

    def pod(self, name: str, node: str) -> set[str]:
        self.caches.pods.apply(raw_pod(name, node, "rs-1"))
        return self.keys


@pytest.fixture
def watched() -> Watched:
    """``a`` is bound to n1 in pool a, ``b`` to m1 in pool b."""
    watched = Watched()
    for name, pool in (("n1", "a"), ("n2", "a"), ("m1", "b")):
        watched.caches.nodes.apply(raw_node(name, labels={"pool": pool}))
    watched.allocate("a", IP1, records=(record(IP1, "n1"),))
    watched.allocate("b", IP2, pool="b", records=(record(IP2, "m1"),))
    return watched


# Allocations.


def test_what_a_pass_said_in_the_status_is_looked_at_later_and_what_others_change_at_once() -> None:
    caches, now, later = Caches(), set[str](), set[str]()
    Triggers(caches, now.add, later.add)
    caches.allocations.apply(raw_allocation("a", IP1))
    now.clear()
    said = raw_allocation("a", IP1, records=(record(IP1, "n1"),))
    caches.allocations.update_known(said)
    assert (now, later) == (set(), {"a"})
    later.clear()
    # The answer shows what somebody else wants since, too.
    caches.allocations.update_known(raw_allocation("a", IP1, IP2, records=(record(IP1, "n1"),)))
    assert (now, later) == ({"a"}, set())
    now.clear()
    caches.allocations.apply(said)
    assert (now, later) == ({"a"}, set())


def test_an_allocation_is_triggered_when_it_comes_changes_and_goes(watched: Watched) -> None:
    assert watched.allocate("c", IP3) == {"c"}
    assert watched.allocate("c", IP3, generation=2) == {"c"}
    watched.caches.allocations.forget("c")
    assert watched.keys == {"c"}


def test_the_same_value_again_triggers_nothing(watched: Watched) -> None:
    assert watched.allocate("a", IP1, records=(record(IP1, "n1"),)) == set()


def test_an_allocation_is_triggered_when_another_one_lists_its_address(watched: Watched) -> None:
    assert watched.allocate("c", IP1, IP3) == {"a", "c"}
    assert watched.allocate("c", IP3) == {"a", "c"}


def test_waiting_allocations_are_triggered_when_a_node_or_an_address_becomes_free(
    watched: Watched,
) -> None:
    watched.allocate("c", IP3, records=(WAITING,))
    watched.allocate("d", IP1, records=(IN_CONFLICT,))
    assert watched.allocate("a", IP1, records=(record(IP1, "n2"),)) == {"a", "c", "d"}
    assert watched.allocate("a", IP1, records=(record(IP1, "n2"),), generation=2) == {"a"}
    watched.caches.allocations.forget("a")
    assert watched.keys == {"a", "c", "d"}


def test_waiting_allocations_are_triggered_when_an_address_is_released_that_was_on_no_node(
    watched: Watched,
) -> None:
    """It was taken off its node, no other was free, and then it was taken off the list."""
    left = AddressRecord(IP1, Phase.WAITING, "NoEligibleNode", previous=node_ref("n1"))
    watched.allocate("a", records=(left,))
    watched.allocate("d", IP1, records=(IN_CONFLICT,))
    assert watched.caches.claims.get(IP1) == {"a", "d"}
    assert watched.allocate("a") == {"a", "d"}


# Nodes.


def test_a_free_node_concerns_who_has_all_it_wants_not_at_all(watched: Watched) -> None:
    watched.caches.nodes.apply(raw_node("n3"))
    watched.caches.nodes.apply(raw_node("n3", ready=False))
    watched.caches.nodes.forget("n3")
    assert watched.keys == set()


def test_the_node_an_address_is_on_concerns_it_whatever_changes(watched: Watched) -> None:
    watched.caches.nodes.apply(raw_node("n1", ready=False))
    assert watched.keys == {"a"}
    watched.caches.nodes.apply(raw_node("n1", labels={"pool": "x"}))
    assert watched.keys == {"a"}
    watched.caches.nodes.forget("n1")
    assert watched.keys == {"a"}


@pytest.mark.parametrize(
    "records",
    [
        (record(IP1, "n1"), WAITING),
        (record(IP1, "n1"),),  # IP2 has no record yet
        (record(IP1, "n1"), record(IP2, "n2"), record(IP3, "n9", phase=Phase.RELEASING)),
        (record(IP1, "n1"), record(IP2, "n2", phase=Phase.HOLDING)),
    ],
)
def test_a_node_that_comes_changes_or_goes_concerns_who_has_not_all_it_wants(
    watched: Watched, records: tuple[AddressRecord, ...]
) -> None:
    watched.allocate("a", IP1, IP2, records=records)
    watched.caches.nodes.apply(raw_node("n3"))
    assert watched.keys == {"a"}
    watched.caches.nodes.apply(raw_node("n3", ready=False))
    assert watched.keys == {"a"}
    watched.caches.nodes.forget("n3")
    assert watched.keys == {"a"}


def test_a_node_of_no_pool_concerns_nobody(watched: Watched) -> None:
    watched.caches.nodes.apply(raw_node("x1", labels={"pool": "x"}))
    watched.caches.nodes.apply(raw_node("x1", labels={"pool": "x"}, cordoned=True))
    watched.caches.nodes.forget("x1")
    assert watched.keys == set()


def test_a_heartbeat_of_a_node_concerns_nobody(watched: Watched) -> None:
    raw = raw_node("n1", resourceVersion="2")
    raw["status"]["images"] = ["new"]
    watched.caches.nodes.apply(raw)
    assert watched.keys == set()


def test_a_change_that_makes_a_node_no_fitter_concerns_nobody_who_is_not_on_it(
    watched: Watched,
) -> None:
    watched.allocate("a", IP1, IP2, records=(record(IP1, "n1"), WAITING))
    owned: dict[str, Any] = {"annotations": {"moorage.dev/owner": "uid-a"}}
    watched.caches.nodes.apply(raw_node("n2", **owned))
    assert watched.keys == set()
    label_changes = {"pool": "a", "ip.ready": "true", "moorage.dev/ip": "203-0-113-10"}
    watched.caches.nodes.apply(raw_node("n2", labels=label_changes, **owned))
    assert watched.keys == set()


def test_a_node_that_changes_its_pool_concerns_both(watched: Watched) -> None:
    watched.allocate("a", IP1, IP2, records=(WAITING,))
    watched.allocate("b", IP3, pool="b", records=(WAITING,))
    watched.caches.nodes.apply(raw_node("n2", labels={"pool": "b"}))
    assert watched.keys == {"a", "b"}


@pytest.mark.parametrize("role", ["node_ref", "previous"])
def test_a_node_outside_the_pool_concerns_whose_address_is_on_it(
    watched: Watched, role: str
) -> None:
    here = record(IP1, "n1", **{role: node_ref("x1")})
    watched.allocate("a", IP1, records=(here,))
    watched.caches.nodes.apply(raw_node("x1", labels={"pool": "x"}))
    assert watched.keys == {"a"}


def test_an_allocation_without_a_selector_wants_to_know_of_every_node(watched: Watched) -> None:
    watched.caches.allocations.apply(raw_allocation("c", IP3, spec={"nodeSelector": {}}))
    assert watched.keys == {"c"}
    watched.caches.nodes.apply(raw_node("x1", labels={"pool": "x"}))
    assert watched.keys == {"c"}


def test_a_taint_concerns_whose_address_is_on_the_node_and_who_waits_for_one(
    watched: Watched,
) -> None:
    watched.allocate("c", IP3, records=(WAITING,))
    watched.caches.nodes.apply(raw_node("n1", taints=("example.com/pending",)))
    assert watched.keys == {"a", "c"}
    watched.caches.nodes.apply(raw_node("n2", taints=("example.com/pending",)))
    assert watched.keys == {"c"}


@pytest.mark.parametrize(
    "change",
    [
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        {"taints": ("node.cilium.io/agent-not-ready",)},
        {"network_unavailable": True},
    ],
)
def test_harm_01_and_02_whether_a_node_is_usable_concerns_who_waits_for_one(
    watched: Watched, change: dict[str, Any]
) -> None:
    watched.allocate("c", IP3, records=(WAITING,))
    for given in (change, {}):
        watched.caches.nodes.apply(raw_node("n2", **given))
        assert watched.keys == {"c"}


def test_a_taint_that_makes_a_node_leave_concerns_who_waits_for_one(watched: Watched) -> None:
    watched.allocate("c", IP3, records=(WAITING,))
    watched.caches.nodes.apply(raw_node("n2", taints=("karpenter.sh/disrupted",)))
    assert watched.keys == {"c"}


# Pods.


def test_a_pod_concerns_nobody_while_no_address_waits_for_it(watched: Watched) -> None:
    watched.caches.nodes.apply(raw_node("n1", cordoned=True))
    assert watched.keys == {"a"}
    assert watched.pod("p", "n1") == set()
    watched.caches.pods.forget("default/p")
    assert watched.keys == set()


def test_a_pod_concerns_the_address_that_waits_on_its_node_for_it_to_leave(
    watched: Watched,
) -> None:
    watched.allocate("a", IP1, records=(HELD_BACK,))
    assert watched.pod("p", "n1") == {"a"}
    assert watched.pod("q", "n2") == set()
    watched.caches.pods.forget("default/p")
    assert watched.keys == {"a"}


def test_a_pod_that_is_made_again_elsewhere_concerns_the_node_it_left(watched: Watched) -> None:
    watched.pod("p", "n1")
    watched.allocate("a", IP1, records=(HELD_BACK,))
    assert watched.pod("p", "n2") == {"a"}


def test_pods_concern_nobody_any_more_once_the_wait_is_over(watched: Watched) -> None:
    watched.allocate("a", IP1, records=(HELD_BACK,))
    watched.allocate("b", IP2, pool="b", records=(record(IP2, "n1", reason="WorkloadRunning"),))
    watched.allocate("a", IP1, records=(record(IP1, "n1"),))
    assert watched.pod("p", "n1") == {"b"}
    watched.caches.allocations.forget("b")
    assert watched.keys == {"b"}
    assert watched.pod("q", "n1") == set()


# Pods where their address is not.


@pytest.fixture
def evicting(watched: Watched) -> Watched:
    """``c`` evicts misplaced pods; ``a`` and ``b`` do not."""
    watched.allocate("c", IP3, spec={"evictMisplacedPods": True})
    return watched


def test_a_misplaced_pod_concerns_who_evicts_such(evicting: Watched) -> None:
    asking = raw_pod("p", "n2", "rs-1", **ASKS)
    evicting.caches.pods.apply(asking)
    assert evicting.keys == {"c"}
    evicting.caches.pods.apply(asking)
    assert evicting.keys == set()
    assert evicting.pod("q", "n2") == set()  # asks for nothing
    evicting.caches.pods.forget("default/p")
    assert evicting.keys == set()


def test_a_pod_on_a_node_with_an_address_concerns_nobody_until_the_label_goes(
    evicting: Watched,
) -> None:
    owned: dict[str, Any] = {"annotations": {"moorage.dev/owner": "uid-x"}}
    labels = {"pool": "x", "ip.ready": "true"}
    evicting.caches.nodes.apply(raw_node("x1", labels=labels, **owned))
    evicting.caches.pods.apply(raw_pod("p", "x1", "rs-1", **ASKS))
    assert evicting.keys == set()
    evicting.caches.nodes.apply(raw_node("x1", labels={"pool": "x"}, **owned))
    assert evicting.keys == {"c"}


def test_evicting_allocations_are_triggered_when_a_misplaced_pod_may_have_got_an_owner(
    evicting: Watched,
) -> None:
    evicting.caches.replicasets.apply(raw_owned("web-1", "rs-1", "d-1"))
    assert evicting.keys == set()
    evicting.caches.pods.apply(raw_pod("p", "n2", "rs-2", **ASKS))
    assert evicting.keys == {"c"}
    evicting.caches.replicasets.apply(raw_owned("web-2", "rs-2", "d-1"))
    assert evicting.keys == {"c"}


def test_who_does_not_evict_any_more_is_left_in_peace(evicting: Watched) -> None:
    evicting.allocate("c", IP3)
    evicting.caches.pods.apply(raw_pod("p", "n2", "rs-1", **ASKS))
    assert evicting.keys == set()
    evicting.allocate("c", IP3, spec={"evictMisplacedPods": True})
    evicting.caches.allocations.forget("c")
    assert evicting.keys == {"c"}
    evicting.caches.pods.apply(raw_pod("q", "n2", "rs-1", **ASKS))
    assert evicting.keys == set()


# Workloads and ReplicaSets.


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"])
def test_allocations_that_wait_for_pods_are_triggered_when_an_owner_comes_or_goes(
    watched: Watched, kind: str
) -> None:
    watched.allocate("a", IP1, records=(HELD_BACK,))
    caches = watched.caches
    store = caches.replicasets if kind == "ReplicaSet" else caches.workloads[kind]
    store.apply(raw_owned("web", "uid-1", "uid-0"))
    assert watched.keys == {"a"}
    store.apply(raw_owned("web", "uid-1", "uid-0"))
    assert watched.keys == set()
    store.forget("default/web")
    assert watched.keys == {"a"}


def test_a_workload_made_again_during_a_silence_concerns_who_waits_for_its_pods(
    watched: Watched,
) -> None:
    """After a lost watch, a list shows the new one in place of the old: one change, both there."""
    store = watched.caches.workloads["Deployment"]
    store.apply(raw_owned("web", "uid-1"))
    watched.allocate("a", IP1, records=(HELD_BACK,))
    store.replace_all([raw_owned("web", "uid-2")])
    assert watched.keys == {"a"}


def test_a_replicaset_that_changes_hands_concerns_who_waits_for_its_pods(watched: Watched) -> None:
    store = watched.caches.replicasets
    store.apply(raw_owned("web-1", "uid-rs", "uid-d"))
    watched.allocate("a", IP1, records=(HELD_BACK,))
    store.apply(raw_owned("web-1", "uid-rs", ""))
    assert watched.keys == {"a"}


def test_owners_concern_nobody_while_nobody_waits_for_pods(watched: Watched) -> None:
    watched.caches.workloads["Deployment"].apply(raw_owned("web", "uid-1"))
    watched.caches.replicasets.apply(raw_owned("web-1", "uid-rs", "uid-1"))
    assert watched.keys == set()
