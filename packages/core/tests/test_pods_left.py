"""People read which pods keep an address on a node that is drained, and since when they end."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from core_builders import IP1, allocation, node, observed_with, raw_owned, raw_pod

from moorage_core.caches import Caches
from moorage_core.decide.pods_left import pods_left
from moorage_core.model import DrainMode, Workload
from moorage_core.running import RunningPods

WEB = Workload("Deployment", "default", "web")
DB = Workload("StatefulSet", "default", "db")
AT = datetime(2026, 1, 1, 12, 1, 3, tzinfo=UTC).timestamp()


@pytest.fixture
def caches() -> Caches:
    """Five pods of web, one of them terminating, beside one of db and one of a DaemonSet on n1."""
    caches = Caches()
    caches.workloads["Deployment"].apply(raw_owned("web", "uid-web"))
    caches.workloads["StatefulSet"].apply(raw_owned("db", "uid-db"))
    caches.replicasets.apply(raw_owned("web-1", "uid-rs", "uid-web"))
    for number in range(5):
        caches.pods.apply(raw_pod(f"web-{number}", "n1", "uid-rs"))
    leaving = raw_pod("web-4", "n1", "uid-rs")
    # Asked to leave at 12:01:03, with 30 s to do so.
    leaving["metadata"] |= {
        "deletionTimestamp": "2026-01-01T12:01:33Z",
        "deletionGracePeriodSeconds": 30,
    }
    caches.pods.apply(leaving)
    caches.pods.apply(raw_pod("elsewhere", "n2", "uid-rs"))
    caches.pods.apply(raw_pod("db-0", "n1", "uid-db", "StatefulSet"))
    caches.pods.apply(raw_pod("agent", "n1", "uid-ds", "DaemonSet"))
    return caches


def said(caches: Caches, workload: Workload | None, **fields: Any) -> str:
    one = allocation(IP1, workload=workload, **fields)
    busy, missing = caches.busy_nodes(workload)
    seen: dict[str, Any] = {
        "busy": busy,
        "workload_missing": missing,
        "crowded": caches.pod_nodes.crowded,
        "running": RunningPods(caches, one),
    }
    return pods_left(observed_with(one=one, **seen), node("n1"))


def test_harm_26_up_to_three_pods_are_named_first_those_that_terminate(caches: Caches) -> None:
    assert said(caches, WEB) == (
        "pods of Deployment default/web still run there: default/web-4 (terminating since"
        " 12:01:03), default/web-0, default/web-1 and 2 more"
    )


def test_harm_26_only_pods_that_count_are_named(caches: Caches) -> None:
    assert said(caches, DB) == "pods of StatefulSet default/db still run there: default/db-0"
    assert said(caches, None).endswith(" and 3 more")
    assert "default/db-0" in said(caches, None)
    missing = Workload("Deployment", "default", "gone")
    assert said(caches, missing).endswith("and 3 more")
    assert said(caches, DB, drain=DrainMode.ALL_PODS_GONE).endswith(" and 3 more")


def test_harm_26_pods_of_a_workload_that_was_deleted_are_named_still(caches: Caches) -> None:
    daemons = Workload("DaemonSet", "default", "agents")
    caches.workloads["DaemonSet"].apply(raw_owned("agents", "uid-ds"))
    caches.busy_nodes(daemons)
    assert "default/agent," not in said(caches, daemons)
    caches.workloads["DaemonSet"].forget("default/agents")
    assert said(caches, daemons).endswith(" and 4 more")


def test_the_view_lists_every_node_with_pods(caches: Caches) -> None:
    running = RunningPods(caches, allocation(IP1, workload=WEB))
    assert set(running) == {"n1", "n2"}
    assert len(running) == 2
    assert [pod.terminating_since for pod in running["n1"]] == [0.0, 0.0, 0.0, 0.0, AT]
