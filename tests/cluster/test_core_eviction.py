"""Pods where their address is not, and nodes that wait for theirs, on a real API server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from core_lab import CoreLab
from lab_labels import draw
from lab_rights import PENDING

from moorage_testing.cluster import KubectlError
from moorage_testing.faults import Fault
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.usefixtures("alone")

SELECTOR = {"ip.ready": "true"}
OTHER = {"key": "example.com/dedicated", "effect": "NoSchedule"}


class Misplaced:
    """A pool of three, and a workload whose only pod runs on its last node.

    Where the pod selects ip.ready, its node says so by hand before there is any allocation: then
    nobody answers for the label, and the controller takes it off once all addresses are at rest.
    """

    def __init__(self, lab: CoreLab, core: Child) -> None:
        self.lab = lab
        self.core = core
        self.pool = lab.pool(3)
        self.ips = lab.addresses(1)
        self.name = f"a-{self.pool.label}"
        self.node = self.pool.names[-1]
        self.app = ""
        self.uid = ""

    def allocate(self, **spec: Any) -> None:
        """An allocation that evicts, for the workload."""
        reference = {"kind": "Deployment", "name": f"app-{self.pool.label}"}
        fields: dict[str, Any] = {"evictMisplacedPods": True, "workloadRef": reference} | spec
        self.lab.allocate(self.pool, self.ips, **fields)

    def run(self, **selector: str) -> None:
        """Have the pod run on the last node, which gets the labels that it selects.

        It may run on each of them: an address comes to none that its workload cannot run on.
        """
        others = self.pool.names[:-1]
        for name in others:
            self.lab.cordon(name)
        self.app = self.lab.workload(self.pool, node_selector={"pool": self.pool.label} | selector)
        labels = [f"{key}={value}" for key, value in selector.items()]
        (self.uid,) = draw(self.lab.cluster, self.node, labels, self.pods)
        for name in others:
            self.lab.cordon(name, on=False)

    def bound(self, **spec: Any) -> str:
        """Allocate; wait until the address is bound and no other node says that it has one."""
        self.allocate(**spec)
        node = self.lab.wait_bound(self.name, self.ips[0], self.pool.names[0])
        wait_for(lambda: set(self.lab.labelled(self.pool)) == {node}, PATIENCE, "the label to go")
        return node

    def pods(self) -> set[str]:
        """Uids of the workload's pods that run somewhere and are not leaving."""
        path = f"/api/v1/namespaces/default/pods?labelSelector=app={self.app}-{self.pool.label}"
        return {
            pod["metadata"]["uid"]
            for pod in self.lab.cluster.request("GET", path)["items"]
            if pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"]
        }

    def evicted(self) -> None:
        """Wait until the pod was evicted and has an Event."""
        wait_for(lambda: self.uid not in self.pods(), PATIENCE, "the pod to be evicted")
        wait_for(lambda: "Evicted" in dict(self.lab.events(self.name)), PATIENCE, "the Event")

    def stays(self, passes: int = 3) -> None:
        """Let the controller decide some times; each time the pod is left where it is."""
        begun, asked = self._passes(), self.asked()
        wait_for(lambda: self._passes() >= begun + passes, PATIENCE, f"{passes} decisions")
        assert self.pods() == {self.uid}
        assert self.asked() == asked

    def decided(self) -> None:
        """Wait until the controller has answered to the allocation as it is now."""
        path = ("get", "nia", self.name, "-o", "jsonpath={.metadata.generation}")
        generation = int(self.lab.cluster.kubectl(*path))
        wait_for(
            lambda: self.lab.status(self.name).get("observedGeneration") == generation,
            PATIENCE,
            "a decision",
        )

    def asked(self) -> int:
        """How many evictions the controller asked for, of any pod, however they were answered."""
        return _sum(r'kube_requests_total\{.*resource="pods/eviction"', self._metrics())

    def refused(self) -> int:
        """How many evictions the controller counts as refused."""
        return _sum(r'moorage_core_evictions_total\{.*outcome="refused"', self._metrics())

    def events_of_pod(self) -> list[str]:
        """What Events about the pod say of refused evictions."""
        selector = f"reason=EvictionRefused,involvedObject.uid={self.uid}"
        raw = self.lab.cluster.kubectl("get", "events", "--field-selector", selector, "-o", "json")
        return [str(one["message"]) for one in json.loads(raw)["items"]]

    def deletions(self) -> int:
        """How many objects the controller deleted, of any kind."""
        return _sum(r'kube_requests_total\{.*verb="delete"', self._metrics())

    def _passes(self) -> int:
        pattern = rf'netipallocation_reconcile_total\{{.*crd_name="{self.name}"'
        return _sum(pattern, self._metrics())

    def _metrics(self) -> str:
        return self.lab.metrics(self.core)


def _sum(pattern: str, metrics: str) -> int:
    """The sum of all series whose line contains the pattern."""
    lines = [line for line in metrics.splitlines() if re.search(pattern, line)]
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)


def _if_true(condition: dict[str, Any]) -> str:
    return str(condition["message"]) if condition.get("status") == "True" else ""


@pytest.fixture
def misplaced(lab: CoreLab, core: Child) -> Iterator[Misplaced]:
    one = Misplaced(lab, core)
    yield one
    if one.app:
        lab.cluster.kubectl("delete", "deployment", one.app, "--wait=false")


def budget(lab: CoreLab, misplaced: Misplaced) -> str:
    """A PodDisruptionBudget that lets none of the workload's pods go; returns its name."""
    name = f"pdb-{misplaced.pool.label}"
    labels = {"app": f"app-{misplaced.pool.label}-{misplaced.pool.label}"}
    lab.cluster.apply(
        [
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"maxUnavailable": 0, "selector": {"matchLabels": labels}},
            }
        ]
    )
    return name


def test_a_pod_that_selects_an_address_leaves_a_node_that_lost_its_label(
    lab: CoreLab, misplaced: Misplaced
) -> None:
    misplaced.run(**SELECTOR)
    asked = misplaced.asked()
    node = misplaced.bound()
    misplaced.evicted()
    assert misplaced.asked() > asked
    assert misplaced.deletions() == 0
    assert set(lab.labelled(misplaced.pool)) == {node}


def test_a_pod_whose_address_was_taken_off_the_list_goes_where_another_one_is(
    lab: CoreLab, core: Child
) -> None:
    pool, ips = lab.pool(2), lab.addresses(2)
    app = lab.workload(pool, node_selector={"pool": pool.label, "ip.ready": "true"})
    reference = {"kind": "Deployment", "name": app}
    spec: dict[str, Any] = {"workloadRef": reference, "evictMisplacedPods": True}
    name = lab.allocate(pool, ips, **spec)
    nodes = {lab.wait_bound(name, ip): ip for ip in ips}
    node = wait_for(lambda: _node_of(lab, app, pool.label), PATIENCE, "the pod to run")
    kept = [ip for ip in ips if ip != nodes[node]]
    lab.allocate(pool, kept, name, **spec)
    (other,) = set(pool.names) - {node}
    wait_for(lambda: _node_of(lab, app, pool.label) == other, PATIENCE, f"the pod to be on {other}")
    wait_for(lambda: "Evicted" in dict(lab.events(name)), PATIENCE, "the Event")
    assert core.alive
    lab.cluster.kubectl("delete", "deployment", app, "--wait=false")


def _node_of(lab: CoreLab, app: str, label: str) -> str:
    path = f"/api/v1/namespaces/default/pods?labelSelector=app={app}-{label}"
    pods = lab.cluster.request("GET", path)["items"]
    names = [pod["spec"].get("nodeName", "") for pod in pods]
    return names[0] if len(names) == 1 else ""


def test_harm_26_i1_a_refused_eviction_is_reported_tried_again_and_never_forced(
    lab: CoreLab, misplaced: Misplaced
) -> None:
    misplaced.run(**SELECTOR)
    pdb = budget(lab, misplaced)
    try:
        misplaced.bound()
        message = wait_for(
            lambda: dict(lab.events(misplaced.name)).get("EvictionRefused", ""),
            PATIENCE,
            "the Event",
        )
        assert f"pod default/{misplaced.app}-" in message
        assert f"The disruption budget {pdb} needs 1 healthy pods and has 1 currently" in message
        at_pod = wait_for(misplaced.events_of_pod, PATIENCE, "the Event at the pod")
        assert f"The disruption budget {pdb} " in at_pod[0]
        said = wait_for(
            lambda: _if_true(lab.condition(misplaced.name, "EvictionRefused")),
            PATIENCE,
            "the condition",
        )
        assert f"The disruption budget {pdb} " in said
        assert misplaced.refused() > 0
        asked = misplaced.asked()
        wait_for(lambda: misplaced.asked() > asked, PATIENCE, "the eviction to be tried again")
        assert misplaced.pods() == {misplaced.uid}
        assert "Evicted" not in dict(lab.events(misplaced.name))
    finally:
        lab.cluster.kubectl("delete", "pdb", pdb)
    misplaced.evicted()
    assert misplaced.deletions() == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "UnauthorizedOperation"), (503, "RequestLimitExceeded"), (500, "InternalError")],
)
def test_t10_e1_while_the_cloud_cannot_be_read_nobody_is_evicted(
    lab: CoreLab, misplaced: Misplaced, status: int, code: str
) -> None:
    (ip,) = misplaced.ips
    misplaced.run(**SELECTOR)
    node = misplaced.bound(evictMisplacedPods=False)
    lab.emulator.faults.inject(Fault(op=".*", status=status, code=code, times=None))
    wait_for(
        lambda: lab.record(misplaced.name, ip).get("phase") == "Unknown", 60, "it to be unread"
    )
    misplaced.allocate()
    misplaced.stays()
    assert set(lab.labelled(misplaced.pool)) == {node}
    lab.emulator.faults.clear()
    misplaced.evicted()


def test_while_nothing_is_bound_nobody_is_evicted(lab: CoreLab, misplaced: Misplaced) -> None:
    (ip,) = misplaced.ips
    misplaced.run(**SELECTOR)
    lab.cluster.kubectl("label", "node", misplaced.node, "ip.ready-")
    refused = Fault(op="AssociateAddress", status=403, code="UnauthorizedOperation", times=None)
    lab.emulator.faults.inject(refused)
    misplaced.allocate()
    lab.wait_reason(misplaced.name, ip, "PermissionDenied")
    misplaced.stays()
    lab.emulator.faults.clear()
    misplaced.evicted()


def test_a_pod_that_selects_no_address_is_left_alone(misplaced: Misplaced) -> None:
    misplaced.run()
    misplaced.bound()
    asked = misplaced.asked()
    misplaced.allocate(reconcileInterval=6)
    misplaced.decided()
    assert misplaced.pods() == {misplaced.uid}
    assert misplaced.asked() == asked


def test_without_the_wish_nobody_is_evicted(misplaced: Misplaced) -> None:
    misplaced.run(**SELECTOR)
    misplaced.bound(evictMisplacedPods=False)
    asked = misplaced.asked()
    misplaced.allocate(evictMisplacedPods=False, reconcileInterval=6)
    misplaced.decided()
    assert misplaced.pods() == {misplaced.uid}
    assert misplaced.asked() == asked
    misplaced.allocate()
    misplaced.evicted()


def test_a_dry_run_names_the_pod_and_leaves_it(lab: CoreLab, misplaced: Misplaced) -> None:
    misplaced.run(**SELECTOR)
    misplaced.bound(evictMisplacedPods=False)
    lab.cluster.kubectl("annotate", "nia", misplaced.name, "moorage.dev/dry-run=true")
    misplaced.allocate()
    message = f"evict pod default/{misplaced.app}-"
    wait_for(
        lambda: message in lab.condition(misplaced.name, "DryRun").get("message", ""),
        PATIENCE,
        "the pod",
    )
    assert misplaced.pods() == {misplaced.uid}
    lab.cluster.kubectl("annotate", "nia", misplaced.name, "moorage.dev/dry-run-")
    misplaced.evicted()


# The settled taint.


def taint(lab: CoreLab, node: str) -> None:
    """Two effects of the settled taint around one of somebody else."""
    taints = [
        {"key": PENDING, "effect": "NoSchedule"},
        OTHER,
        {"key": PENDING, "effect": "PreferNoSchedule"},
    ]
    lab.cluster.request("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": taints}})


def taints_of(lab: CoreLab, node: str) -> list[str]:
    spec = lab.cluster.request("GET", f"/api/v1/nodes/{node}")["spec"]
    return [taint["key"] for taint in spec.get("taints", [])]


def test_the_settled_taint_leaves_only_after_the_address_is_bound(
    lab: CoreLab, core: Child
) -> None:
    pool, (ip,) = lab.pool(2), lab.addresses(1)
    for node in pool.names:
        taint(lab, node)
    lab.emulator.faults.inject(Fault(op="AssociateAddress", delay_seconds=3.0))
    name = lab.allocate(pool, [ip], settledTaint=PENDING)
    observed: list[list[str]] = []

    def associated() -> bool:
        observed.append(taints_of(lab, pool.names[0]))
        return bool(lab.where(pool, ip))

    wait_for(associated, PATIENCE, "the address to be associated")
    # The last one may be from after the association.
    assert len(observed) > 1
    assert all(PENDING in taints for taints in observed[:-1])
    assert lab.wait_bound(name, ip) == pool.names[0]
    wait_for(lambda: taints_of(lab, pool.names[0]) == [OTHER["key"]], PATIENCE, "the taint to go")
    assert taints_of(lab, pool.names[1]).count(PENDING) == 2
    assert core.alive


def test_a_settled_taint_that_comes_late_goes_at_once_and_others_stay(
    lab: CoreLab, core: Child
) -> None:
    pool, (ip,) = lab.pool(1), lab.addresses(1)
    name = lab.allocate(pool, [ip], settledTaint=PENDING)
    node = lab.wait_bound(name, ip)
    taint(lab, node)
    wait_for(lambda: taints_of(lab, node) == [OTHER["key"]], PATIENCE, "the taint to go")
    assert core.alive


@pytest.mark.parametrize(
    "key", ["a b", "/x", "x/", "UPPER.example.com/x", "a/b/c", "-x", "x" * 64, "x=y:NoSchedule"]
)
def test_what_can_be_no_taint_is_refused_with_a_clear_message(lab: CoreLab, key: str) -> None:
    with pytest.raises(KubectlError, match="is no taint key; write one like") as refused:
        lab.allocate(lab.pool(0), ["203.0.113.9"], "refused", settledTaint=key)
    assert "spec.settledTaint" in str(refused.value)


@pytest.mark.parametrize("key", ["", "pending", "Not_ready.yet", f"a-1.example.com/{'x' * 63}"])
def test_every_taint_key_that_kubernetes_takes_is_taken(lab: CoreLab, key: str) -> None:
    pool = lab.pool(0)
    name = lab.allocate(pool, [], settledTaint=key)
    assert not lab.gone(name)
