"""What a drain depends on reaches the decision: counted pods, and whether the workload exists."""

from __future__ import annotations

from core_builders import IP1, raw_allocation, raw_node, raw_owned, raw_pod

from moorage_core.caches import Caches, uptime
from moorage_core.model import Observed
from moorage_core.mutations import PendingMutations
from moorage_core.observe import Observer
from moorage_core.priority import PrioritySemaphore
from moorage_core.scopes import Scopes
from moorage_kube.reconcile.assumed import Assumed
from moorage_testing.clouds.memory import MemoryCloud, MemoryProvider

WORKLOAD = {"workloadRef": {"kind": "StatefulSet", "name": "db"}}


def observer() -> Observer:
    """It knows one node and allocation ``a``, whose provider is not named: no cloud is asked."""
    cloud = MemoryCloud()
    mutations = PendingMutations(lambda: None, lambda *_: None, PrioritySemaphore(1))
    scopes = Scopes(lambda *_: MemoryProvider(cloud), lambda _: None)
    made = Observer(Caches(), scopes, mutations, Assumed())
    made.caches.nodes.apply(raw_node("n1"))
    spec = WORKLOAD | {"cloud": {"provider": ""}}
    made.caches.allocations.apply(raw_allocation("a", IP1, spec=spec))
    return made


def observed(by: Observer) -> Observed:
    found = by.observe("a")
    assert found is not None
    return found


def test_the_nodes_counted_lately_are_observed_with_what_was_found_there() -> None:
    one = observer()
    assert observed(one).counted == {}
    soon, past = uptime() + 60, uptime() - 1
    one.counts._counted |= {"n1": (soon, True), "n2": (soon, False), "n3": (past, True)}
    assert observed(one).counted == {"n1": True, "n2": False}


def test_a_named_workload_that_does_not_exist_is_observed_as_missing() -> None:
    one = observer()
    one.caches.pods.apply(raw_pod("other", "n1"))
    assert observed(one).workload_missing
    assert set(observed(one).busy) == {"n1"}
    one.caches.workloads["StatefulSet"].apply(raw_owned("db", "uid-db"))
    assert not observed(one).workload_missing
    assert set(observed(one).busy) == set()
