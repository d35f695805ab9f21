"""The scenarios that touch a cloud, on a real API server, in each of the clouds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from core_lab import CoreLab, Pool
from lab_clouds import AZURE, GCP

from moorage_testing.contract import ContractWorld, Failure
from moorage_testing.faults import Fault
from moorage_testing.processes import Child
from moorage_testing.waiting import PATIENCE, wait_for


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


@pytest.fixture
def cloud(lab: CoreLab) -> ContractWorld:
    """The cloud as it can be made to fail."""
    return lab.cloud.contract(lab.emulator)


def bound(lab: CoreLab, nodes: int = 2) -> tuple[Pool, str, str, str]:
    """One address at rest on one of the nodes: pool, address, allocation, node."""
    pool, (ip,) = lab.pool(nodes), lab.addresses(1)
    name = lab.allocate(pool, [ip])
    return pool, ip, name, lab.wait_bound(name, ip)


def other(pool: Pool, node: str) -> str:
    """The other one of two nodes."""
    (target,) = set(pool.names) - {node}
    return target


def restore_pending(lab: CoreLab, name: str, ip: str) -> list[str]:
    """The nodes that gave up their own address for this one."""
    return [one["nodeName"] for one in lab.record(name, ip).get("owed", [])]


def test_a1_first_bind(lab: CoreLab) -> None:
    pool, ips = lab.pool(3), lab.addresses(2)
    name = lab.allocate(pool, ips)
    nodes = [lab.wait_bound(name, ip) for ip in ips]
    assert len(set(nodes)) == 2
    assert [lab.where(pool, ip) for ip in ips] == nodes
    assert set(lab.labelled(pool)) == set(nodes)


def test_a4_an_operation_that_fails_late_moves_nothing(lab: CoreLab, cloud: ContractWorld) -> None:
    if not cloud.accepts_operations:
        pytest.skip("this cloud's calls end with their answers")
    pool, (ip,) = lab.pool(2), lab.addresses(1)
    cloud.fail("attach", Failure.LATE)
    begun = len(lab.emulator.faults.ops())
    name = lab.allocate(pool, [ip])
    wait_for(
        lambda: (lab.record(name, ip).get("attempts") or 0) >= 1, PATIENCE, "the attach to fail"
    )
    assert lab.changes(begun)
    assert lab.where(pool, ip) == ""
    assert lab.labelled(pool) == {}
    lab.emulator.faults.clear()
    node = lab.wait_bound(name, ip)
    assert lab.where(pool, ip) == node


def test_b2_a_drained_node_is_left_in_as_few_changes_as_the_cloud_allows(lab: CoreLab) -> None:
    pool, ip, name, node = bound(lab)
    begun = len(lab.emulator.faults.ops())
    lab.cordon(node)
    target = other(pool, node)
    lab.wait_bound(name, ip, target)
    assert lab.where(pool, ip) == target
    assert set(lab.labelled(pool)) == {target}
    whole = lab.cloud.changes + lab.cloud.afterwards
    wait_for(lambda: len(lab.changes(begun)) == whole, PATIENCE, f"{whole} changes in all")
    expected = [target] if lab.cloud.lends else []
    wait_for(
        lambda: restore_pending(lab, name, ip) == expected,
        PATIENCE,
        f"{expected} to have a pending restore",
    )


def test_c2_a_lost_machine_is_left(lab: CoreLab) -> None:
    pool, ip, name, node = bound(lab)
    lab.emulator.world.terminate(pool.machines[node])
    lab.remove_node(node)
    lab.allocate(pool, [ip], name, failover={"nodeGoneSeconds": 1})
    target = other(pool, node)
    lab.wait_bound(name, ip, target)
    assert lab.where(pool, ip) == target


def test_e1_a_throttled_cloud_costs_nobody_an_address(lab: CoreLab, cloud: ContractWorld) -> None:
    pool, ip, name, node = bound(lab)
    cloud.fail("snapshot", Failure.THROTTLED)
    begun = len(lab.emulator.faults.ops())
    lab.wait_reason(name, ip, "Throttled")
    assert lab.record(name, ip)["phase"] == "Unknown"
    assert lab.changes(begun) == []
    assert set(lab.labelled(pool)) == {node}
    lab.emulator.faults.clear()
    assert lab.wait_bound(name, ip) == node


def test_e2_a_missing_right_is_named(lab: CoreLab, cloud: ContractWorld) -> None:
    _, ip, name, node = bound(lab)
    cloud.fail("snapshot", Failure.DENIED)
    lab.wait_reason(name, ip, "PermissionDenied")
    permission = {
        "aws": "ec2:DescribeAddresses", "gcp": "compute.addresses.list",
        "azure": "Microsoft.Network/",
    }[lab.cloud.name]  # fmt: skip
    assert permission in lab.condition(name, "Degraded")["message"]
    lab.emulator.faults.clear()
    assert lab.wait_bound(name, ip) == node


def test_f1_an_address_of_another_location_is_refused_before_anything_is_touched(
    lab: CoreLab,
) -> None:
    pool, ip = lab.pool(2), f"{lab.cloud.network}.5"
    lab.emulator.world.add_address(ip, **lab.cloud.elsewhere)
    begun = len(lab.emulator.faults.ops())
    name = lab.allocate(pool, [ip])
    wait_for(
        lambda: lab.record(name, ip).get("phase") in ("Waiting", "Blocked"), PATIENCE, "the refusal"
    )
    (place,) = lab.cloud.elsewhere.values()
    found = lab.record(name, ip)
    assert found["reason"] in ("NoEligibleNode", "MachineUnfit", "NotFound"), found
    assert found["reason"] == "NotFound" or place in found["message"], found
    assert lab.changes(begun) == []


def test_f4_what_is_no_machine_keeps_its_address(lab: CoreLab) -> None:
    pool, (ip,) = lab.pool(2), lab.addresses(1)
    owner = lab.emulator.world.associate_elsewhere(ip)
    begun = len(lab.emulator.faults.ops())
    name = lab.allocate(pool, [ip])
    lab.wait_reason(name, ip, "InUseByForeign")
    assert owner.rsplit("/", 1)[-1].lower() in lab.record(name, ip)["message"].lower()
    assert lab.changes(begun) == []


def test_h1_a_deleted_allocation_gives_its_address_up(lab: CoreLab) -> None:
    pool, ip, name, _ = bound(lab)
    lab.delete(name)
    wait_for(lambda: lab.gone(name), PATIENCE, "the allocation to be gone")
    assert lab.where(pool, ip) == ""
    assert lab.labelled(pool) == {}


def test_e3_a_locked_interface_is_waited_for_alone(lab: CoreLab) -> None:
    if lab.cloud is not AZURE:
        pytest.skip("only Azure locks an interface that somebody else changes")
    pool, ips = lab.pool(2), lab.addresses(2)
    locked = Fault(
        op="networkInterfaces.createOrUpdate", status=429,
        code="RetryableErrorDueToAnotherOperation", times=1,
    )  # fmt: skip
    lab.emulator.faults.inject(locked)
    name = lab.allocate(pool, ips)
    for ip in ips:
        lab.wait_bound(name, ip)
    assert len({lab.where(pool, ip) for ip in ips}) == 2


def test_f2_an_address_of_another_tier_or_sku_is_refused_or_named_with_it(lab: CoreLab) -> None:
    if lab.cloud not in (GCP, AZURE):
        pytest.skip("EC2 has neither tiers nor SKUs of addresses")
    pool, ip = lab.pool(2), f"{lab.cloud.network}.6"
    begun = len(lab.emulator.faults.ops())
    if lab.cloud is GCP:
        # The interface is given the address's own tier, so there is nothing to refuse.
        lab.emulator.world.add_address(ip, tier="STANDARD")
        name = lab.allocate(pool, [ip])
        node = lab.wait_bound(name, ip)
        assert lab.where(pool, ip) == node
        return
    lab.emulator.world.add_address(ip, sku="Basic")
    name = lab.allocate(pool, [ip])
    wait_for(lambda: "Basic" in lab.record(name, ip).get("message", ""), PATIENCE, "the refusal")
    assert lab.changes(begun) == []


def test_f3_an_instance_of_a_uniform_scale_set_is_refused_and_never_faked(lab: CoreLab) -> None:
    if lab.cloud is not AZURE:
        pytest.skip("only Azure has scale sets of this kind")
    pool, (ip,) = Pool("azure-uniform"), lab.addresses(1)
    members = lab.emulator.world.add_scale_set_instances("aks-pool", 2)
    lab.adopt(pool, members)
    begun = len(lab.emulator.faults.ops())
    name = lab.allocate(pool, [ip])
    wait_for(lambda: "niform" in lab.record(name, ip).get("message", ""), PATIENCE, "the refusal")
    assert lab.where(pool, ip) == ""
    assert lab.labelled(pool) == {}
    assert lab.changes(begun) == []
