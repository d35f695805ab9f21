"""The named scenarios on a real API server and an EC2 API, with the controller as a process."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from core_lab import CoreLab

from moorage_testing.cluster import Node
from moorage_testing.faults import Fault
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from moorage_testing.clouds.aws import Ec2Emulator

pytestmark = pytest.mark.usefixtures("core", "alone")


class Bound:
    """Two addresses at rest on two of three nodes."""

    def __init__(self, lab: CoreLab, **spec: Any) -> None:
        self.lab = lab
        self.pool = lab.pool(3)
        self.ips = lab.addresses(2)
        self.name = lab.allocate(self.pool, self.ips, **spec)
        self.node = lab.wait_bound(self.name, self.ips[0])
        self.other = lab.wait_bound(self.name, self.ips[1])
        (self.free,) = set(self.pool.names) - {self.node, self.other}

    @property
    def ip(self) -> str:
        """The address the test is about."""
        return self.ips[0]

    def where(self) -> str:
        """The node that holds it in the cloud."""
        return self.lab.where(self.pool, self.ip)

    def moved(self) -> None:
        """Wait until it is on the free node, in the cloud and in the status."""
        self.lab.wait_bound(self.name, self.ip, self.free)
        assert self.where() == self.free
        assert self.lab.where(self.pool, self.ips[1]) == self.other
        assert set(self.lab.labelled(self.pool)) == {self.free, self.other}

    def stays(self, reads: int, calls: int) -> None:
        """Make sure that no mutation is made while the cloud is read a few times."""
        self.lab.wait_for_reads(reads)
        assert self.lab.associations(self.ips) == calls
        assert self.where() == self.node


@pytest.fixture
def bound(lab: CoreLab) -> Bound:
    return Bound(lab)


def test_a1_first_bind(bound: Bound) -> None:
    lab = bound.lab
    assert {bound.where(), lab.where(bound.pool, bound.ips[1])} == {bound.node, bound.other}
    assert bound.node != bound.other
    assert lab.labelled(bound.pool) == {
        bound.node: bound.ips[0].replace(".", "-"),
        bound.other: bound.ips[1].replace(".", "-"),
    }
    wait_for(
        lambda: lab.condition(bound.name, "Ready")["status"] == "True",
        PATIENCE,
        "Ready, last of all",
    )
    shown = lab.cluster.kubectl("get", "nia", bound.name)
    assert all(word in shown for word in ("aws", "2", "True", "AllBound"))


def test_harm_27_get_wide_says_where_and_why_and_the_object_says_which_times_count(
    bound: Bound,
) -> None:
    lab = bound.lab
    header, line = lab.cluster.kubectl("get", "nia", bound.name, "-o", "wide").splitlines()
    assert header.split()[-3:] == ["REGION", "PLACEMENT", "MESSAGE"]
    assert f"{bound.ip}={bound.node}, {bound.ips[1]}={bound.other}" in line
    assert lab.emulator.region in line
    assert line.rstrip().endswith("2 of 2 addresses are on their nodes")
    spec = json.loads(lab.cluster.kubectl("get", "nia", bound.name, "-o", "json"))["spec"]
    assert spec["failover"] == {
        "notReadySeconds": 40, "nodeGoneSeconds": 60, "drain": "WorkloadGone",
    }  # fmt: skip


def test_a2_steady_zero(bound: Bound, core: Child) -> None:
    lab = bound.lab
    writes, calls = lab.rests(core), len(lab.emulator.faults.ops())
    version = lab.cluster.request("GET", f"/api/v1/nodes/{bound.node}")["metadata"]
    lab.wait_for_reads(10)
    ops = lab.emulator.faults.ops(calls)
    assert set(ops) == {"DescribeAddresses"}
    assert lab.writes(core) == writes
    labels = lab.cluster.request("GET", f"/api/v1/nodes/{bound.node}")["metadata"]["labels"]
    assert labels == version["labels"]


def test_a3_no_label_before_the_cloud_shows_the_address(lab: CoreLab) -> None:
    pool, ips = lab.pool(2), lab.addresses(1)
    lab.emulator.faults.inject(Fault(op="AssociateAddress", delay_seconds=3.0))
    name = lab.allocate(pool, ips)
    observed: list[dict[str, str]] = []

    def shown() -> bool:
        observed.append(lab.labelled(pool))
        return bool(lab.where(pool, ips[0]))

    wait_for(shown, PATIENCE, "the address to be associated")
    assert not any(observed[:-1])
    lab.wait_bound(name, ips[0])
    assert len(lab.labelled(pool)) == 1


def test_a3_no_second_mutation_while_the_cloud_lags_behind(lab: CoreLab) -> None:
    emulator = cast("Ec2Emulator", lab.emulator)
    emulator.stale_reads = 3
    try:
        pool, ips = lab.pool(2), lab.addresses(1)
        name = lab.allocate(pool, ips)
        lab.wait_bound(name, ips[0])
        assert lab.associations(ips) == 1
    finally:
        emulator.stale_reads = 0


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_b1_b2_b5_cordon_holds_and_drain_moves(lab: CoreLab, kind: str) -> None:
    bound = Bound(lab)
    node_selector = {"pool": bound.pool.label, "ip.ready": "true"}
    app = lab.workload(bound.pool, kind, node_selector=node_selector, replicas=2)
    reference = {"kind": kind, "name": app}
    lab.allocate(bound.pool, bound.ips, workloadRef=reference)
    wait_for(lambda: _runs_on(lab, app, bound.node), PATIENCE, "a pod on the node")
    lab.cordon(bound.node)
    lab.wait_reason(bound.name, bound.ip, "WorkloadRunning")
    bound.stays(2, calls=2)
    lab.cluster.kubectl("drain", bound.node, "--ignore-daemonsets", "--force", "--timeout=60s")
    bound.moved()
    assert lab.associations(bound.ips) == 3


def _runs_on(lab: CoreLab, app: str, node: str, namespace: str = "default") -> bool:
    pods = lab.cluster.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    return any(
        pod["metadata"]["name"].startswith(f"{app}-") and pod["spec"].get("nodeName") == node
        for pod in pods
    )


def test_b3_b4_uncordon_cancels_and_there_is_no_fail_back(lab: CoreLab) -> None:
    bound = Bound(lab)
    node_selector = {"pool": bound.pool.label, "ip.ready": "true"}
    app = lab.workload(bound.pool, node_selector=node_selector, replicas=2)
    lab.allocate(bound.pool, bound.ips, workloadRef={"kind": "Deployment", "name": app})
    wait_for(lambda: _runs_on(lab, app, bound.node), PATIENCE, "a pod on the node")
    lab.cordon(bound.node)
    lab.wait_reason(bound.name, bound.ip, "WorkloadRunning")
    lab.cordon(bound.node, on=False)
    lab.wait_reason(bound.name, bound.ip, "Bound")
    bound.stays(1, calls=2)
    lab.cluster.kubectl("delete", "deployment", app)
    lab.cordon(bound.node)
    bound.moved()
    lab.cordon(bound.node, on=False)
    lab.wait_for_reads(2)
    assert bound.where() == bound.free


def test_b6_a_workload_in_kube_system_counts(lab: CoreLab) -> None:
    bound = Bound(lab)
    node_selector = {"pool": bound.pool.label, "ip.ready": "true"}
    app = lab.workload(bound.pool, namespace="kube-system", node_selector=node_selector, replicas=2)
    reference = {"kind": "Deployment", "name": app, "namespace": "kube-system"}
    lab.allocate(bound.pool, bound.ips, workloadRef=reference)
    wait_for(lambda: _runs_on(lab, app, bound.node, "kube-system"), PATIENCE, "a pod on the node")
    lab.cordon(bound.node)
    lab.wait_reason(bound.name, bound.ip, "WorkloadRunning")
    lab.cluster.kubectl("delete", "deployment", app, "-n", "kube-system")
    bound.moved()


def test_b7_only_the_exact_chain_of_owners_counts(lab: CoreLab) -> None:
    bound = Bound(lab)
    selector = {"pool": bound.pool.label, "ip.ready": "true"}
    api = f"api-{bound.pool.label}"
    lab.workload(bound.pool, name=api, node_selector=selector, replicas=0)
    gateway = lab.workload(bound.pool, name=f"{api}-gw", node_selector=selector, replicas=2)
    lab.allocate(bound.pool, bound.ips, workloadRef={"kind": "Deployment", "name": api})
    wait_for(lambda: _runs_on(lab, gateway, bound.node), PATIENCE, "a pod on the node")
    lab.cordon(bound.node)
    bound.moved()


def test_c1_node_deleted_vm_alive(lab: CoreLab) -> None:
    bound = Bound(lab, failover={"nodeGoneSeconds": 5})
    lab.remove_node(bound.node)
    lab.wait_reason(bound.name, bound.ip, "NodeGone")
    bound.moved()
    assert lab.associations(bound.ips) == 3


def test_c2_vm_deleted_rebinds_once(bound: Bound) -> None:
    lab = bound.lab
    lab.emulator.world.terminate(bound.pool.machines[bound.node])
    lab.remove_node(bound.node)
    bound.moved()
    assert lab.associations(bound.ips) == 3


def test_c3_vm_stopped(lab: CoreLab) -> None:
    bound = Bound(lab, failover={"notReadySeconds": 2})
    lab.emulator.world.stop(bound.pool.machines[bound.node])
    lab.set_ready(bound.node, ready=False)
    bound.moved()


def test_c4_same_name_recreated_is_another_node(lab: CoreLab) -> None:
    pool, ips = lab.pool(1), lab.addresses(1)
    name = lab.allocate(pool, ips)
    node = lab.wait_bound(name, ips[0])
    lab.emulator.world.terminate(pool.machines[node])
    lab.remove_node(node)
    (instance,) = lab.emulator.world.add_instances(1)
    pool.machines[node] = instance.id
    lab.cluster.add_nodes(
        [Node(node, labels={"pool": pool.label}, provider_id=instance.provider_id)]
    )
    wait_for(lambda: lab.where(pool, ips[0]) == node, PATIENCE, "the new instance to hold it")
    lab.wait_bound(name, ips[0], node)
    assert lab.associations(ips) == 2


def test_c4_another_object_for_the_same_machine_moves_nothing(bound: Bound) -> None:
    lab = bound.lab
    raw = lab.cluster.request("GET", f"/api/v1/nodes/{bound.node}")
    provider_id = raw["spec"]["providerID"]
    # A kubelet that comes back under another name leaves its old object behind.
    for name, pool in ((f"z-{bound.node}", "nowhere"), (f"a-{bound.node}", bound.pool.label)):
        lab.cluster.add_nodes([Node(name, labels={"pool": pool}, provider_id=provider_id)])
    bound.stays(2, calls=2)
    assert set(lab.labelled(bound.pool)) == {bound.node, bound.other}
    (ip,) = lab.addresses(1)
    lab.allocate(bound.pool, [*bound.ips, ip])
    assert lab.wait_bound(bound.name, ip) == bound.free


def test_c5_a_termination_taint_moves_at_once(lab: CoreLab) -> None:
    # Nothing but the taint itself can begin the move while the test waits for it.
    bound = Bound(lab, reconcileInterval=600)
    lab.taint(bound.node, "aws-node-termination-handler/spot-itn")
    bound.moved()


def test_c6_notready_flap(lab: CoreLab) -> None:
    bound = Bound(lab, failover={"notReadySeconds": 15})
    lab.set_ready(bound.node, ready=False)
    bound.stays(1, calls=2)
    lab.set_ready(bound.node, ready=True)
    bound.stays(2, calls=2)
    lab.set_ready(bound.node, ready=False)
    bound.moved()
    assert lab.associations(bound.ips) == 3


def test_c7_mass_notready_freezes(lab: CoreLab) -> None:
    bound = Bound(lab, failover={"notReadySeconds": 5})
    for node in (bound.node, bound.other):
        lab.set_ready(node, ready=False)
    lab.wait_reason(bound.name, bound.ip, "MassNotReady")
    assert lab.condition(bound.name, "Degraded")["reason"] == "MassNotReady"
    bound.stays(2, calls=2)
    lab.set_ready(bound.other, ready=True)
    bound.moved()


def test_e1_throttle_storm(bound: Bound) -> None:
    lab = bound.lab
    labels = lab.labelled(bound.pool)
    lab.emulator.faults.inject(Fault(op=".*", status=503, code="RequestLimitExceeded", times=None))
    try:
        lab.wait_reason(bound.name, bound.ip, "Throttled")
        assert lab.condition(bound.name, "Ready")["status"] == "Unknown"
        calls = lab.associations(bound.ips)
        begun = len(lab.emulator.faults.ops())
        wait_for(lambda: len(lab.emulator.faults.ops(begun)) > 6, PATIENCE, "more refused reads")
        assert (lab.labelled(bound.pool), lab.associations(bound.ips)) == (labels, calls)
    finally:
        lab.emulator.faults.clear()
    lab.wait_reason(bound.name, bound.ip, "Bound")
    assert lab.associations(bound.ips) == calls


def test_e2_a_denied_read_names_the_permission(bound: Bound) -> None:
    lab = bound.lab
    message = "You are not authorized to perform this operation."
    lab.emulator.faults.inject(
        Fault(op=".*", status=403, code="UnauthorizedOperation", message=message, times=None)
    )
    try:
        lab.wait_reason(bound.name, bound.ip, "PermissionDenied")
        degraded = lab.condition(bound.name, "Degraded")
        assert degraded["status"] == "True"
        assert "ec2:DescribeAddresses" in degraded["message"]
        # Events are written behind the status.
        wait_for(
            lambda: any("ec2:DescribeAddresses" in text for _, text in lab.events(bound.name)),
            PATIENCE,
            "the Event",
        )
    finally:
        lab.emulator.faults.clear()
    lab.wait_reason(bound.name, bound.ip, "Bound")


def test_e4_a_refused_address_does_not_hold_up_the_others(lab: CoreLab) -> None:
    pool, ips = lab.pool(2), lab.addresses(2)
    lab.emulator.faults.inject(
        Fault(op="AssociateAddress", status=400, code="AddressLimitExceeded")
    )
    name = lab.allocate(pool, ips)

    def reasons() -> set[str]:
        return {lab.record(name, ip).get("reason", "") for ip in ips}

    wait_for(lambda: reasons() == {"Bound", "QuotaExceeded"}, PATIENCE, "one bound, one refused")


def test_f1_an_address_of_another_border_group_is_refused(lab: CoreLab) -> None:
    pool, (ip,) = lab.pool(1), ("198.51.100.7",)
    lab.emulator.world.add_address(ip, border_group="eu-west-1-wl1-ber-wlz-1")
    name = lab.allocate(pool, [ip])
    lab.wait_reason(name, ip, "NoEligibleNode")
    assert "eu-west-1-wl1-ber-wlz-1" in lab.record(name, ip)["message"]
    assert lab.associations([ip]) == 0


def test_f4_an_address_on_a_load_balancer_is_never_touched(bound: Bound) -> None:
    lab = bound.lab
    interface = lab.emulator.world.associate_elsewhere(bound.ip, service="nlb")
    lab.wait_reason(bound.name, bound.ip, "InUseByForeign")
    assert interface in lab.record(bound.name, bound.ip)["message"]
    lab.wait_for_reads(2)
    assert lab.associations(bound.ips) == 2  # the two first bindings
    assert bound.node not in lab.labelled(bound.pool)


def test_f5_out_of_the_pool_is_moved_in(lab: CoreLab) -> None:
    stray, pool, ips = lab.pool(1), lab.pool(1), lab.addresses(1)
    lab.emulator.world.associate(ips[0], stray.machines[stray.names[0]])
    name = lab.allocate(pool, ips)
    lab.wait_bound(name, ips[0], pool.names[0])
    assert lab.where(pool, ips[0]) == pool.names[0]


def test_f6_a_detach_by_hand_is_repaired_with_one_event(bound: Bound) -> None:
    lab = bound.lab
    lab.emulator.world.disassociate(bound.ip)
    wait_for(lambda: bound.where() == bound.node, PATIENCE, "the repair")
    lab.wait_reason(bound.name, bound.ip, "Bound")
    wait_for(lambda: "Repairing" in dict(lab.events(bound.name)), PATIENCE, "the Event")
    repairs = [text for reason, text in lab.events(bound.name) if reason == "Repairing"]
    assert len(repairs) == 1


def test_g1_the_younger_allocation_makes_no_call(lab: CoreLab) -> None:
    pool, ips = lab.pool(2), lab.addresses(1)
    old = lab.allocate(pool, ips, name="g1-old")
    lab.wait_bound(old, ips[0])
    wait_for(lambda: time.time() > _created(lab, old) + 1, PATIENCE, "the next second")
    calls = lab.associations(ips)
    young = lab.allocate(pool, ips, name="g1-young")
    lab.wait_reason(young, ips[0], "Conflict")
    assert lab.condition(young, "Conflict")["status"] == "True"
    assert "g1-old" in lab.condition(young, "Conflict")["message"]
    lab.wait_for_reads(1)
    assert lab.associations(ips) == calls
    lab.delete(old)
    wait_for(lambda: lab.gone(old), PATIENCE, "the older one to go")
    lab.wait_bound(young, ips[0])


def _created(lab: CoreLab, name: str) -> float:
    from datetime import datetime  # noqa: PLC0415  # only here

    raw = lab.cluster.kubectl("get", "nia", name, "-o", "jsonpath={.metadata.creationTimestamp}")
    return datetime.fromisoformat(raw).timestamp()


def test_g2_g3_two_allocations_side_by_side(lab: CoreLab, core: Child) -> None:
    pool, ips = lab.pool(2), lab.addresses(3)
    one = lab.allocate(pool, ips[:1], name=f"one-{pool.label}")
    two = lab.allocate(pool, ips[1:], name=f"two-{pool.label}")
    lab.wait_bound(one, ips[0])
    wait_for(
        lambda: (
            {lab.record(two, ip).get("reason") for ip in ips[1:]} == {"Bound", "NoEligibleNode"}
        ),
        PATIENCE,
        "one bound and one without a node",
    )
    writes, labels = lab.rests(core), lab.labelled(pool)
    assert len(labels) == 2  # both nodes
    lab.wait_for_reads(4)
    assert (lab.labelled(pool), lab.writes(core)) == (labels, writes)
    assert lab.associations(ips) == 2


def test_h1_delete_detaches_and_forgets(bound: Bound, core: Child) -> None:
    lab = bound.lab
    # The page may be a second old.
    wait_for(lambda: f'crd_name="{bound.name}"' in lab.metrics(core), PATIENCE, "its series")
    lab.delete(bound.name)
    wait_for(lambda: lab.gone(bound.name), PATIENCE, "the object to go")
    assert [lab.where(bound.pool, ip) for ip in bound.ips] == ["", ""]
    assert lab.labelled(bound.pool) == {}
    wait_for(
        lambda: f'crd_name="{bound.name}"' not in lab.metrics(core), PATIENCE, "its series to go"
    )


def test_h1_delete_retains(lab: CoreLab) -> None:
    bound = Bound(lab, releasePolicy="Retain")
    lab.delete(bound.name)
    wait_for(lambda: lab.gone(bound.name), PATIENCE, "the object to go")
    assert bound.where() == bound.node
    assert lab.labelled(bound.pool) == {}


def test_h2_shrinking_the_list_releases_only_that_address(bound: Bound) -> None:
    lab = bound.lab
    lab.allocate(bound.pool, bound.ips[1:])
    wait_for(lambda: bound.where() == "", PATIENCE, "the address to be free")
    wait_for(lambda: lab.record(bound.name, bound.ip) == {}, PATIENCE, "its entry to go")
    assert lab.where(bound.pool, bound.ips[1]) == bound.other
    assert set(lab.labelled(bound.pool)) == {bound.other}


def test_harm_21_h3_delete_while_the_cloud_is_down(bound: Bound) -> None:
    lab = bound.lab
    lab.emulator.faults.inject(Fault(op=".*", status=503, code="Unavailable", times=None))
    try:
        lab.wait_reason(bound.name, bound.ip, "CloudUnavailable")
        lab.delete(bound.name)
        wait_for(
            lambda: "force-release" in lab.record(bound.name, bound.ip).get("message", ""),
            PATIENCE,
            "the way out to be in the message",
        )
        message = lab.record(bound.name, bound.ip)["message"]
        _, kubectl, words = message.rpartition("kubectl ")
        assert not lab.gone(bound.name)
        assert kubectl
        lab.cluster.kubectl(*words.split())
        wait_for(lambda: lab.gone(bound.name), PATIENCE, "the object to go")
    finally:
        lab.emulator.faults.clear()
    assert bound.where() == bound.node
    wait_for(lambda: "ForceReleased" in dict(lab.events(bound.name)), PATIENCE, "the Event")
    said = dict(lab.events(bound.name))["ForceReleased"]
    assert f"{bound.ip} was last on machine" in said
    assert f"(node {bound.node})" in said


def test_a_label_taken_off_by_hand_comes_back(bound: Bound) -> None:
    lab = bound.lab
    lab.cluster.kubectl("label", "node", bound.node, "ip.ready-")
    wait_for(lambda: bound.node in lab.labelled(bound.pool), PATIENCE, "the label to be back")
    assert lab.associations(bound.ips) == 2  # the two first bindings


def test_more_addresses_than_nodes_wait_and_take_new_nodes(lab: CoreLab) -> None:
    pool, ips = lab.pool(1), lab.addresses(2)
    name = lab.allocate(pool, ips)
    wait_for(
        lambda: {lab.record(name, ip).get("reason") for ip in ips} == {"Bound", "NoEligibleNode"},
        PATIENCE,
        "one bound and one waiting",
    )
    lab.grow(pool, 1)
    for ip in ips:
        lab.wait_bound(name, ip)
