"""Clocks of nodes, places of pods, and which nodes a workload keeps busy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from core_builders import (
    ASKS,
    IP1,
    IP2,
    node_ref,
    raw_allocation,
    raw_node,
    raw_owned,
    raw_pod,
    record,
)
from hypothesis import given
from hypothesis import strategies as st

from moorage_core.caches import Caches, PodNodes, uptime
from moorage_core.model import Workload
from moorage_core.pods import MisplacedPod
from moorage_core.projections import project_pod
from moorage_kube.cache.store import Store

WEB = Workload("Deployment", "default", "web")
NODES = st.sampled_from(["n1", "n2", "n3", None])
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["p1", "p2", "p3", "p4"]),
        NODES,
        st.sampled_from(["", "rs-1", "ds-1"]),
        st.booleans(),
    ),
    max_size=40,
)


def deployed(uid: str = "d-1") -> Caches:
    """A Deployment ``web`` with two ReplicaSets, one pod each on n1 and n2."""
    caches = Caches()
    caches.workloads["Deployment"].apply(raw_owned("web", uid))
    for number in ("1", "2"):
        caches.replicasets.apply(raw_owned(f"web-{number}", f"rs-{number}", "d-1"))
        caches.pods.apply(raw_pod(f"web-{number}-x", f"n{number}", f"rs-{number}"))
    return caches


def busy(caches: Caches, workload: Workload | None) -> set[str]:
    """Nodes of a workload that exists."""
    nodes, missing = caches.busy_nodes(workload)
    assert not missing
    return set(nodes)


def test_a_deployment_is_busy_where_pods_of_any_of_its_replicasets_run() -> None:
    assert busy(deployed(), WEB) == {"n1", "n2"}


def test_a_workload_made_again_under_its_name_has_none_of_the_old_pods() -> None:
    caches = deployed()
    caches.workloads["Deployment"].apply(raw_owned("web", "d-2"))
    assert busy(caches, WEB) == set()


def test_pods_of_a_namesake_and_of_strangers_do_not_count() -> None:
    caches = deployed()
    caches.pods.apply(raw_pod("web-9", "n3", "rs-9"))  # of an unknown ReplicaSet
    caches.replicasets.apply(raw_owned("other-1", "rs-o", "d-other"))
    caches.pods.apply(raw_pod("other-1-x", "n4", "rs-o"))
    caches.pods.apply(raw_pod("direct", "n5", "d-1"))  # the chain has three links
    caches.pods.apply(raw_pod("bare", "n6"))
    assert busy(caches, WEB) == {"n1", "n2"}


def test_a_replicaset_that_was_let_go_does_not_count_any_more() -> None:
    caches = deployed()
    caches.replicasets.apply(raw_owned("web-1", "rs-1", ""))
    assert busy(caches, WEB) == {"n2"}


@pytest.mark.parametrize(
    ("kind", "namespace"), [("Deployment", "shop"), ("StatefulSet", "default")]
)
def test_a_workload_that_does_not_exist_is_missing_and_every_pod_counts(
    kind: str, namespace: str
) -> None:
    caches = deployed()
    caches.pods.apply(raw_pod("bare", "n3"))
    caches.pods.apply(raw_pod("agent", "n4", "ds-1", "DaemonSet"))
    nodes, missing = caches.busy_nodes(Workload(kind, namespace, "web"))
    assert (set(nodes), missing) == ({"n1", "n2", "n3"}, True)


def test_pods_a_deleted_daemonset_left_behind_still_count() -> None:
    caches = Caches()
    one = Workload("DaemonSet", "default", "agent")
    caches.workloads["DaemonSet"].apply(raw_owned("agent", "ds-1"))
    caches.pods.apply(raw_pod("agent-x", "n1", "ds-1", "DaemonSet"))
    assert busy(caches, one) == set()
    caches.workloads["DaemonSet"].forget("default/agent")
    nodes, missing = caches.busy_nodes(one)
    assert (set(nodes), missing) == ({"n1"}, True)


def test_a_statefulset_owns_its_pods_directly() -> None:
    caches = Caches()
    caches.workloads["StatefulSet"].apply(raw_owned("db", "uid-db"))
    caches.pods.apply(raw_pod("db-0", "n1", "uid-db", "StatefulSet"))
    assert busy(caches, Workload("StatefulSet", "default", "db")) == {"n1"}


def test_without_a_workload_every_pod_but_a_daemonsets_keeps_a_node_busy() -> None:
    caches = Caches()
    caches.pods.apply(raw_pod("agent", "n1", "ds-1", "DaemonSet"))
    caches.pods.apply(raw_pod("bare", "n2"))
    caches.pods.apply(raw_pod("web", "n3", "rs-1"))
    assert busy(caches, None) == {"n2", "n3"}
    assert set(caches.pod_nodes.crowded) == {"n2", "n3"}


def test_the_last_pod_to_leave_frees_the_node() -> None:
    caches = Caches()
    caches.pods.apply(raw_pod("a", "n1", "rs-1"))
    caches.pods.apply(raw_pod("b", "n1", "rs-1"))
    caches.pods.forget("default/a")
    assert busy(caches, None) == {"n1"}
    caches.pods.forget("default/b")
    assert busy(caches, None) == set()
    assert set(caches.pod_nodes.of_owner("rs-1")) == set()


@given(changes=CHANGES)
def test_places_of_pods_are_what_a_recount_says(
    changes: list[tuple[str, str | None, str, bool]],
) -> None:
    store = Store(project_pod)
    node_refs = PodNodes(store)
    for name, node_name, owner, deleted in changes:
        if deleted:
            store.forget(f"default/{name}")
        else:
            kind = "DaemonSet" if owner == "ds-1" else "ReplicaSet"
            store.apply(raw_pod(name, node_name or "", owner, kind))
        pods = list(store.values())
        assert node_refs.crowded == Counter(pod.node_name for pod in pods if not pod.daemon)
        for uid in ("", "rs-1", "ds-1"):
            nodes = {pod.node_name for pod in pods if pod.owner_uid == uid}
            assert set(node_refs.of_owner(uid)) == nodes


# Pods where their address is not.

WITHOUT, WITH = {"pool": "a"}, {"pool": "a", "ip.ready": "true"}


def misplaced(caches: Caches, workload: Workload = WEB) -> list[str]:
    return [pod.key for pod in caches.misplaced_pods(workload)]


def test_pods_of_the_workload_that_ask_for_an_address_are_found_where_none_is() -> None:
    caches = deployed()
    for name, labels in (("n1", WITHOUT), ("n2", WITH)):
        caches.nodes.apply(raw_node(name, labels=labels))
    for number in ("1", "2"):
        caches.pods.apply(raw_pod(f"asks-{number}", f"n{number}", f"rs-{number}", **ASKS))
    caches.pods.apply(raw_pod("stranger", "n1", "rs-9", **ASKS))
    assert caches.misplaced_pods(WEB) == [MisplacedPod("default/asks-1", "uid-asks-1", "n1")]
    caches.nodes.apply(raw_node("n2", labels=WITHOUT))
    assert misplaced(caches) == ["default/asks-1", "default/asks-2"]
    caches.nodes.apply(raw_node("n1", labels={"moorage.dev/ip": "203-0-113-10"}))
    assert misplaced(caches) == ["default/asks-2"]


def test_without_the_workload_no_pod_is_misplaced() -> None:
    caches = deployed()
    caches.nodes.apply(raw_node("n1"))
    caches.pods.apply(raw_pod("asks", "n1", "rs-1", **ASKS))
    assert misplaced(caches) == ["default/asks"]
    assert misplaced(caches, Workload("Deployment", "shop", "web")) == []
    assert misplaced(caches, Workload("StatefulSet", "default", "web")) == []
    caches.workloads["Deployment"].forget("default/web")
    assert misplaced(caches) == []


@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(["p1", "p2", "n1", "n2"]),
            st.sampled_from(["n1", "n2"]),
            st.sampled_from([{}, ASKS]),
            st.sampled_from([WITHOUT, WITH]),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_misplaced_pods_are_what_a_recount_says(
    changes: list[tuple[str, str, dict[str, Any], dict[str, str], bool]],
) -> None:
    caches = Caches()
    caches.workloads["StatefulSet"].apply(raw_owned("db", "uid-db"))
    for name, node_name, spec, labels, deleted in changes:
        if name.startswith("n"):
            if deleted:
                caches.nodes.forget(name)
            else:
                caches.nodes.apply(raw_node(name, labels=labels))
        elif deleted:
            caches.pods.forget(f"default/{name}")
        else:
            caches.pods.apply(raw_pod(name, node_name, "uid-db", "StatefulSet", **spec))
        nodes = {name: node.labels for name, node in caches.nodes.items()}
        wanted = {
            key: pod.node_name
            for key, pod in caches.pods.items()
            if pod.uid and nodes.get(pod.node_name) == WITHOUT
        }
        assert caches.misplaced.nodes == set(wanted.values())
        assert misplaced(caches, Workload("StatefulSet", "default", "db")) == sorted(wanted)


def test_a_node_counts_as_not_ready_since_it_was_first_observed_so() -> None:
    caches = Caches()
    before = uptime()
    caches.nodes.apply(raw_node("n1", ready=False))
    since = caches.clocks.not_ready_since["uid-n1"]
    assert before <= since <= uptime()
    caches.nodes.apply(raw_node("n1", ready=False, cordoned=True))
    assert caches.clocks.not_ready_since == {"uid-n1": since}
    caches.nodes.apply(raw_node("n1", ready=True))
    assert caches.clocks.not_ready_since == {}


def test_a_deleted_node_is_gone_since_then_and_not_unready_any_more() -> None:
    caches = Caches()
    caches.nodes.apply(raw_node("n1", ready=False))
    before = uptime()
    caches.nodes.forget("n1")
    assert caches.clocks.not_ready_since == {}
    assert before <= caches.clocks.gone_since["uid-n1"] <= uptime()


def test_a_node_made_again_under_its_name_leaves_the_old_one_gone() -> None:
    caches = Caches()
    caches.nodes.apply(raw_node("n1", uid="old", ready=False))
    caches.nodes.apply(raw_node("n1", uid="new"))
    assert set(caches.clocks.gone_since) == {"old"}
    assert caches.clocks.not_ready_since == {}


def test_a_node_nobody_saw_go_is_gone_since_it_was_missed_first() -> None:
    caches = Caches()
    caches.clocks.miss("uid-n1")
    since = caches.clocks.gone_since["uid-n1"]
    caches.clocks.miss("uid-n1")
    assert caches.clocks.gone_since == {"uid-n1": since}
    caches.nodes.apply(raw_node("n1"))
    assert caches.clocks.gone_since == {}


@given(
    changes=st.lists(
        st.tuples(
            st.sampled_from(["n1", "n2"]),
            st.sampled_from(["u1", "u2", "u3"]),
            st.sampled_from(["ready", "unready", "deleted"]),
        ),
        max_size=30,
    )
)
def test_clocks_run_for_exactly_the_nodes_that_are_unready_and_those_that_went(
    changes: list[tuple[str, str, str]],
) -> None:
    caches = Caches()
    observed: set[str] = set()
    for name, uid, what in changes:
        uid_of_this = f"{name}-{uid}"
        if what == "deleted":
            caches.nodes.forget(name)
        else:
            caches.nodes.apply(raw_node(name, uid=uid_of_this, ready=what == "ready"))
            observed.add(uid_of_this)
        there = {node.uid: node.ready for node in caches.nodes.values()}
        assert set(caches.clocks.not_ready_since) == {uid for uid, ok in there.items() if not ok}
        assert set(caches.clocks.gone_since) == observed - there.keys()


def test_a_node_gone_for_more_than_a_day_is_forgotten_with_the_next_that_goes() -> None:
    caches = Caches()
    caches.clocks.gone_since |= {"long-ago": uptime() - 86401, "lately": uptime() - 86000}
    caches.nodes.apply(raw_node("n1"))
    caches.nodes.forget("n1")
    assert set(caches.clocks.gone_since) == {"lately", "uid-n1"}


def test_an_address_is_claimed_while_it_is_listed_or_not_let_go() -> None:
    caches = Caches()
    held = (record(IP2, "n1"), record("203.0.113.99"))
    caches.allocations.apply(raw_allocation("a", IP1, records=held))
    assert caches.claims.get(IP1) == {"a"}
    assert caches.claims.get(IP2) == {"a"}
    assert caches.claims.get("203.0.113.99") == frozenset()
    leaving = (record(IP2, previous=node_ref("n1")),)
    caches.allocations.apply(raw_allocation("a", records=leaving))
    assert caches.claims.get(IP1) == frozenset()
    assert caches.claims.get(IP2) == {"a"}


def test_nodes_are_found_by_the_allocation_they_are_labelled_for() -> None:
    caches = Caches()
    caches.nodes.apply(raw_node("n1", annotations={"moorage.dev/owner": "uid-a"}))
    caches.nodes.apply(raw_node("n2"))
    assert caches.nodes_by_owner.get("uid-a") == {"n1"}
    assert caches.nodes_by_owner.get("") == frozenset()


def test_allocations_that_have_not_said_what_they_hold_are_unsettled() -> None:
    caches = Caches()
    caches.allocations.apply(raw_allocation("a", IP1))
    assert caches.unsettled.names == {"a"}
    settled = raw_allocation("a", IP1, records=(record(IP1, "n1"),))
    settled["status"]["observedGeneration"] = 1
    caches.allocations.apply(settled)
    assert caches.unsettled.names == set()
    caches.allocations.apply(raw_allocation("b", IP2))
    caches.allocations.forget("b")
    assert caches.unsettled.names == set()


def test_sec_03_of_workloads_that_no_allocation_names_any_more_nothing_is_remembered() -> None:
    caches = deployed()
    for number in range(1000):
        name = f"invented-{number}"
        caches.workloads["Deployment"].apply(raw_owned(name, f"d-{number}"))
        spec = {"workloadRef": {"kind": "Deployment", "name": name}}
        caches.allocations.apply(raw_allocation("a", spec=spec, resourceVersion=str(number + 1)))
        caches.busy_nodes(Workload("Deployment", "default", name))
    assert list(caches._last_uids) == [Workload("Deployment", "default", "invented-999")]
    caches.allocations.forget("a")
    assert caches._last_uids == {}
