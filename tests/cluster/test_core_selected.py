"""Addresses by the labels of their reservations, on a real API server and in each of the clouds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from core_lab import GROUP, CoreLab, Pool
from lab_rights import PENDING

from moorage_testing.cluster import ApiError
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

EDGE = {"kubeip": "reserved", "environment": "edge"}
SELECTS: dict[str, Any] = {"reservedIPSelector": EDGE}


@pytest.fixture(scope="module")
def controller(cloud_lab: CoreLab) -> Iterator[Child]:
    """One controller for the tests of a cloud."""
    child = cloud_lab.started()
    yield child
    assert child.stop() == 0, child.log_tail()


@pytest.fixture
def lab(cloud_lab: CoreLab, controller: Child) -> Iterator[CoreLab]:
    """The cloud with a controller at work; nothing is left behind."""
    del controller  # only that it runs
    yield cloud_lab
    cloud_lab.emulator.faults.clear()
    cloud_lab.clear()


def labelled(lab: CoreLab, count: int) -> list[str]:
    ips = lab.addresses(count)
    for ip in ips:
        lab.emulator.world.label(ip, EDGE)
    return ips


def known(lab: CoreLab, name: str) -> dict[str, bool]:
    """By address, whether the status says that it was selected."""
    entries = lab.status(name).get("addresses", [])
    return {one["ip"]: bool(one.get("selected")) for one in entries}


def test_reservations_come_and_go_by_their_labels(lab: CoreLab) -> None:
    pool, (listed, later) = lab.pool(4), lab.addresses(2)
    first, second = labelled(lab, 2)
    name = lab.allocate(pool, [listed], **SELECTS)
    for ip in (listed, first, second):
        lab.wait_bound(name, ip)
    assert known(lab, name) == {listed: False, first: True, second: True}
    assert lab.condition(name, "AddressesSelected")["status"] == "True"
    lab.emulator.world.label(later, EDGE | {"team": "platform"})
    lab.wait_bound(name, later)
    lab.emulator.world.label(first, {"kubeip": "reserved"})
    wait_for(lambda: first not in known(lab, name), PATIENCE, "it to be let go")
    assert lab.emulator.world.holder(first) == ""
    assert lab.status(name)["bound"] == 3
    for ip in (second, later):
        lab.emulator.world.label(ip, {})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"reservedIPSelector": None}, "has neither reservedIPs nor reservedIPSelector"),
        ({"reservedIPSelector": {}}, "would select every address there is"),
        ({"reservedIPSelector": {"n" * 513: "v"}}, "more than 512 characters"),
        ({"reservedIPSelector": {f"n{n}": "v" for n in range(17)}}, "must have at most 16 items"),
    ],
)
def test_a_selector_that_cannot_be_meant_is_refused(
    cloud_lab: CoreLab, spec: dict[str, dict[str, str] | None], words: str
) -> None:
    body = {
        "apiVersion": "netinfra.darkbrains.com/v1alpha1",
        "kind": "NetIPAllocation",
        "metadata": {"name": "refused"},
        "spec": {"cloud": {"provider": cloud_lab.cloud.name}, **spec},
    }
    with pytest.raises(ApiError, match=words):
        cloud_lab.cluster.request("POST", GROUP, body)


KUBEIP = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "kubeip", "namespace": "kube-system"},
    "spec": {
        "selector": {"matchLabels": {"app": "kubeip"}},
        "template": {
            "metadata": {"labels": {"app": "kubeip"}},
            "spec": {
                "nodeSelector": {"kubeip.com/public": "true"},
                "tolerations": [{"operator": "Exists"}],
                "containers": [{"name": "kubeip", "image": "kubeip"}],
            },
        },
    },
}


def adopted(lab: CoreLab) -> tuple[Pool, dict[str, str]]:
    """Three nodes with kubeip's label and taint, two of which its agents gave an address."""
    pool = lab.pool(3, labels={"kubeip.com/public": "true"})
    for node in pool.names:
        lab.cluster.kubectl("taint", "node", node, f"{PENDING}:NoSchedule")
    ips = labelled(lab, 2)
    held = dict(zip(ips, pool.names, strict=False))
    for ip, node in held.items():
        lab.emulator.world.associate(ip, pool.machines[node])
    return pool, held


def test_a_user_of_kubeip_with_a_filter_a_taint_and_a_daemonset_migrates(lab: CoreLab) -> None:
    """The steps of docs/migration/from-kubeip.md; a DaemonSet stands in for its agents."""
    pool, held = adopted(lab)
    lab.cluster.apply([KUBEIP])
    body = {
        "apiVersion": "netinfra.darkbrains.com/v1alpha1",
        "kind": "NetIPAllocation",
        "metadata": {"name": "edge", "annotations": {"moorage.dev/dry-run": "true"}},
        "spec": {
            "reservedIPSelector": EDGE,
            "nodeSelector": {"kubeip.com/public": "true"},
            "cloud": {"provider": lab.cloud.name, "region": lab.emulator.region},
            "settledTaint": PENDING,
            "reconcileInterval": 5,
        },
    }
    lab.cluster.apply([body])
    lab.cluster.kubectl("wait", "nia", "edge", "--for=condition=Ready", "--timeout=120s")
    records = {one["ip"]: one for one in lab.status("edge")["addresses"]}
    assert {ip: one["nodeName"] for ip, one in records.items()} == held
    assert {one["phase"] for one in records.values()} == {"Bound"}
    said = lab.condition("edge", "DryRun")["message"]
    assert "would label node" in said
    assert PENDING in said
    # Nothing is changed before the agents are gone.
    assert lab.labelled(pool) == {}
    lab.cluster.kubectl("-n", "kube-system", "delete", "daemonset", "kubeip")
    lab.cluster.kubectl("annotate", "nia", "edge", "moorage.dev/dry-run-")
    lab.cluster.kubectl("wait", "nia", "edge", "--for=condition=DryRun=False", "--timeout=60s")
    for ip, node in held.items():
        lab.wait_bound("edge", ip, node)
    wait_for(lambda: set(tainted(lab, pool)) == {pool.names[2]}, PATIENCE, "the taints to go")
    # A new reservation joins, as it did with the filter.
    (new,) = labelled(lab, 1)
    assert lab.wait_bound("edge", new) == pool.names[2]
    wait_for(lambda: not tainted(lab, pool), PATIENCE, "the last taint to go")
    for ip in (*held, new):
        lab.emulator.world.label(ip, {})


def tainted(lab: CoreLab, pool: Pool) -> list[str]:
    """The nodes that still have kubeip's taint."""
    return [
        node
        for node in pool.names
        if any(
            one["key"] == PENDING
            for one in lab.cluster.request("GET", f"/api/v1/nodes/{node}")["spec"].get("taints", [])
        )
    ]
