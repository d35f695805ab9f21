"""The named scenarios of the specification, as pure decisions over a simulated cluster."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_builders import in_flight, tainted
from loop_writes import WriteStatus
from simulation import Simulation

from moorage_core import reasons
from moorage_core.actions import Mutate
from moorage_core.decide.allocation import decide
from moorage_core.model import AddressRecord, Awaited, DrainMode, ForeignPolicy, Mutation, Phase
from moorage_core.report import Said, events
from moorage_provider.errors import CloudError, Denied, QuotaExceeded, Throttled
from moorage_provider.protocol import OtherHolder
from moorage_testing.clouds.memory import TWO_STEPS, MemoryCloud
from moorage_testing.faults import Fault

IP1, IP2 = "203.0.113.10", "203.0.113.11"


@pytest.fixture(params=["one call", "two steps"])
def simulation(request: pytest.FixtureRequest) -> Simulation:
    """Three nodes, on a cloud that moves at once and on one that detaches first."""
    cloud = MemoryCloud(TWO_STEPS) if request.param == "two steps" else MemoryCloud()
    simulation = Simulation(cloud)
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    return simulation


@pytest.fixture
def bound(simulation: Simulation) -> Simulation:
    """Two addresses at rest on n1 and n2."""
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    assert [simulation.where(IP1), simulation.where(IP2)] == ["n1", "n2"]
    return simulation


def mutations(simulation: Simulation, since: int = 0) -> list[str]:
    return [op for op, _ in simulation.cloud.mutations[since:]]


def test_a1_first_bind(bound: Simulation) -> None:
    assert bound.record("a", IP1).phase is Phase.BOUND
    assert bound.labelled() == {"n1": "203-0-113-10", "n2": "203-0-113-11"}
    ready = bound.stored["a"].conditions[0]
    assert (ready.type, ready.status, ready.reason) == ("Ready", "True", "AllBound")


def test_a1_the_label_comes_only_after_the_cloud_shows_the_address(simulation: Simulation) -> None:
    simulation.allocate("a", IP1)
    observed: list[tuple[str, object]] = []
    simulation.before = lambda action: observed.append(
        (type(action).__name__, simulation.where(IP1))
    )
    simulation.settle()
    label_changes = [where for kind, where in observed if kind == "LabelNode"]
    assert label_changes == ["n1"]


def test_a2_steady_zero(bound: Simulation) -> None:
    bound.writes.clear()
    for _ in range(10):
        bound.settle(seconds=30)
    assert bound.writes == []


def test_a3_no_label_while_an_operation_is_under_way(bound: Simulation) -> None:
    bound.allocate("b", "203.0.113.20", selector=(("pool", "b"),))
    observed = bound.observe("b")
    awaited = replace(
        observed, in_flight=in_flight(ip="203.0.113.20"), cloud_states={"203.0.113.20": Awaited()}
    )
    kinds = {type(action).__name__ for action in decide(awaited).actions}
    assert "LabelNode" not in kinds
    assert "Mutate" not in kinds


def test_a4_op_fails_late_compensates_and_tries_the_next_node() -> None:
    simulation = Simulation(MemoryCloud(TWO_STEPS, operation_steps=2))
    for name in ("n1", "n2"):
        simulation.add_node(name)
    phases: list[Phase] = []
    simulation.after = lambda action: phases.extend(
        record.phase for record in getattr(action, "records", ())
    )
    simulation.cloud.faults.inject(
        Fault(op="attach", late_error=CloudError("the operation failed"))
    )
    simulation.allocate("a", IP1)
    simulation.settle()
    assert Phase.COMPENSATING in phases
    assert simulation.where(IP1) == "n2"
    assert simulation.labelled() == {"n2": "203-0-113-10"}
    assert simulation.cloud.machine("vm-n1").public_ip  # it has an address of its own again


def test_b1_cordon_hold(bound: Simulation) -> None:
    bound.busy = {"n1"}
    before = len(bound.cloud.mutations)
    bound.change_node("n1", unschedulable=True)
    bound.settle()
    assert bound.record("a", IP1).phase is Phase.HOLDING
    assert bound.record("a", IP1).reason == "WorkloadRunning"
    assert mutations(bound, before) == []


def test_b2_drain_move_disturbs_exactly_one_address(bound: Simulation) -> None:
    bound.add_node("other", labels={"pool": "b"})
    before = len(bound.cloud.mutations)
    bound.change_node("n1", unschedulable=True)
    bound.settle()
    assert (bound.where(IP1), bound.where(IP2)) == ("n3", "n2")
    assert bound.labelled() == {"n2": "203-0-113-11", "n3": "203-0-113-10"}
    assert all(IP2 not in subjects for _, subjects in bound.cloud.mutations[before:])


def test_b2_a_move_is_one_mutation_where_the_cloud_can() -> None:
    simulation = Simulation()
    for name in ("n1", "n2"):
        simulation.add_node(name)
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.change_node("n1", unschedulable=True)
    simulation.settle()
    assert mutations(simulation) == ["attach", "move"]


def test_b3_uncordon_cancels(bound: Simulation) -> None:
    bound.busy = {"n1"}
    before = len(bound.cloud.mutations)
    bound.change_node("n1", unschedulable=True)
    bound.settle()
    bound.change_node("n1", unschedulable=False)
    bound.settle()
    bound.busy = set()
    bound.settle(seconds=60)
    assert bound.record("a", IP1).phase is Phase.BOUND
    assert mutations(bound, before) == []


def test_b4_no_fail_back(bound: Simulation) -> None:
    bound.change_node("n1", unschedulable=True)
    bound.settle()
    before = len(bound.cloud.mutations)
    bound.change_node("n1", unschedulable=False)
    bound.settle(seconds=60)
    assert bound.where(IP1) == "n3"
    assert mutations(bound, before) == []


@pytest.mark.parametrize("mode", [DrainMode.ALL_PODS_GONE, DrainMode.IMMEDIATE])
def test_b1_other_drain_modes(bound: Simulation, mode: DrainMode) -> None:
    bound.allocate("a", IP1, IP2, drain=mode)
    bound.crowded = {"n1"}
    bound.change_node("n1", unschedulable=True)
    bound.settle()
    held = mode is DrainMode.ALL_PODS_GONE
    assert bound.where(IP1) == ("n1" if held else "n3")
    bound.crowded = set()
    bound.settle()
    assert bound.where(IP1) == "n3"


def test_c1_node_deleted_vm_alive_moves_after_the_grace(bound: Simulation) -> None:
    before = len(bound.cloud.mutations)
    bound.remove_node("n1")
    bound.settle(seconds=30)
    assert (bound.record("a", IP1).reason, mutations(bound, before)) == ("NodeGone", [])
    bound.settle(seconds=31)
    assert bound.where(IP1) == "n3"


def test_c1_a_kubelet_that_registers_again_is_no_failover(bound: Simulation) -> None:
    before = len(bound.cloud.mutations)
    bound.remove_node("n1")
    bound.settle(seconds=30)
    bound.add_node("n1")
    bound.settle(seconds=60)
    assert bound.record("a", IP1).phase is Phase.BOUND
    assert bound.labelled()["n1"] == "203-0-113-10"
    assert mutations(bound, before) == []


def test_c2_vm_deleted_rebinds_once(bound: Simulation) -> None:
    bound.cloud.terminate("vm-n1")
    bound.remove_node("n1")
    bound.settle()
    assert bound.where(IP1) == "n3"
    assert [op for op in mutations(bound) if op in ("attach", "move")] == ["attach"] * 3


def test_c3_vm_stopped_moves(bound: Simulation) -> None:
    bound.cloud.set_running("vm-n1", running=False)
    bound.change_node("n1", ready=False)
    bound.settle(seconds=41)
    assert bound.where(IP1) == "n3"


def test_c4_same_name_recreated_is_another_node(bound: Simulation) -> None:
    bound.cloud.terminate("vm-n1")
    bound.remove_node("n1")
    bound.add_node("n1", machine="vm-n1-again")
    bound.settle()
    assert bound.where(IP1) in ("n1", "n3")
    assert bound.labelled()[str(bound.where(IP1))] == "203-0-113-10"
    assert len(bound.labelled()) == 2


def test_c5_a_termination_taint_moves_at_once(bound: Simulation) -> None:
    bound.busy = {"n1"}
    bound.change_node("n1", taints=tainted("cloud.google.com/impending-node-termination"))
    bound.settle()
    assert bound.where(IP1) == "n3"


def test_c6_notready_flap(bound: Simulation) -> None:
    before = len(bound.cloud.mutations)
    bound.change_node("n1", ready=False)
    bound.settle(seconds=20)
    bound.change_node("n1", ready=True)
    bound.settle(seconds=60)
    assert mutations(bound, before) == []
    bound.change_node("n1", ready=False)
    bound.settle(seconds=41)
    assert bound.where(IP1) == "n3"


def test_c6_a_notready_node_sets_the_time_of_the_next_pass(bound: Simulation) -> None:
    bound.change_node("n1", ready=False)
    wait = bound.plan("a").wait
    assert wait is not None
    assert wait.total_seconds() == 40


def test_c7_mass_notready_freezes(bound: Simulation) -> None:
    before = len(bound.cloud.mutations)
    for name in ("n1", "n2"):
        bound.change_node(name, ready=False)
    bound.settle(seconds=120)
    assert mutations(bound, before) == []
    degraded = next(c for c in bound.stored["a"].conditions if c.type == "Degraded")
    assert (degraded.status, degraded.reason) == ("True", "MassNotReady")
    bound.change_node("n2", ready=True)
    bound.settle(seconds=1)
    assert bound.where(IP1) == "n3"


def test_e1_throttle_storm_changes_nothing_and_recovers(bound: Simulation) -> None:
    bound.cloud.faults.inject(Fault(op=".*", error=Throttled("slow down"), times=None))
    before, labels = len(bound.cloud.mutations), bound.labelled()
    for _ in range(10):
        bound.settle(seconds=30)
    assert (mutations(bound, before), bound.labelled()) == ([], labels)
    assert bound.record("a", IP1).phase is Phase.UNKNOWN
    bound.cloud.faults.clear()
    bound.settle(seconds=30)
    assert bound.record("a", IP1).phase is Phase.BOUND
    assert mutations(bound, before) == []


def test_e2_a_denied_read_names_the_permission(bound: Simulation) -> None:
    denied = Denied("not allowed: ec2:DescribeAddresses", permission="ec2:DescribeAddresses")
    bound.cloud.faults.inject(Fault(op="snapshot", error=denied, times=None))
    bound.settle(seconds=30)
    ready, degraded = bound.stored["a"].conditions[0], bound.stored["a"].conditions[2]
    assert (ready.status, degraded.status) == ("Unknown", "True")
    assert degraded.reason == "PermissionDenied"
    assert "ec2:DescribeAddresses" in degraded.message


def test_e4_quota_blocks_one_address_and_others_proceed(simulation: Simulation) -> None:
    simulation.cloud.faults.inject(
        Fault(op="attach", error=QuotaExceeded("limit reached"), times=1)
    )
    simulation.allocate("a", IP1, IP2)
    for _ in range(6):
        simulation.pass_over("a")
    phases = {simulation.record("a", ip).phase for ip in (IP1, IP2)}
    assert Phase.BOUND in phases


def test_f1_a_node_elsewhere_is_refused_before_any_interface_is_touched() -> None:
    simulation = Simulation()
    simulation.cloud.add_machine("far", location="us-east-1")
    simulation.cloud.add_machine("near", location="eu-west-1")
    simulation.add_node("n1", machine="far")
    simulation.add_node("n2", machine="near")
    simulation.cloud.add_address(IP1, location="eu-west-1")
    simulation.allocate("a", IP1)
    observed: list[AddressRecord] = []
    simulation.after = lambda a: observed.extend(a.records) if isinstance(a, WriteStatus) else None
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    assert all("vm-n1" not in subjects for _, subjects in simulation.cloud.mutations)
    assert any("us-east-1" in record.message for record in observed)


def test_f4_an_address_on_a_load_balancer_is_never_touched(bound: Simulation) -> None:
    bound.cloud.assign(IP1, OtherHolder("load balancer lb-1"))
    before = len(bound.cloud.mutations)
    for policy in ForeignPolicy:
        bound.allocate("a", IP1, IP2, foreign=policy)
        bound.settle(seconds=60)
        record = bound.record("a", IP1)
        assert (record.phase, record.reason) == (Phase.BLOCKED, "InUseByForeign")
        assert "lb-1" in record.message
    # The node it left gets its own address again, where that had been taken for this one.
    assert set(mutations(bound, before)) <= {"compensate"}
    assert bound.cloud.machine("vm-n1").public_ip
    assert "n1" not in bound.labelled()


def test_f4_a_foreign_machine_keeps_it_unless_the_policy_allows(simulation: Simulation) -> None:
    simulation.cloud.add_machine("stranger", cluster="other")
    simulation.cloud.add_address(IP1)
    simulation.cloud.assign(IP1, "stranger")
    simulation.allocate("a", IP1)
    simulation.settle(seconds=60)
    assert (simulation.where(IP1), mutations(simulation)) == ("stranger", [])
    simulation.allocate("a", IP1, foreign=ForeignPolicy.IF_UNMANAGED)
    for _ in range(5):
        simulation.pass_over("a")
    assert simulation.where(IP1) == "stranger"
    simulation.allocate("a", IP1, foreign=ForeignPolicy.ALWAYS)
    simulation.settle(seconds=600)
    assert simulation.where(IP1) in ("n1", "n2", "n3")


def test_f5_out_of_the_pool_is_moved_in(simulation: Simulation) -> None:
    simulation.add_node("stray", labels={"pool": "b"})
    simulation.cloud.add_address(IP1)
    simulation.cloud.assign(IP1, "vm-stray")
    simulation.allocate("a", IP1)
    simulation.settle()
    assert simulation.where(IP1) == "n1"


def test_f6_a_detach_by_hand_is_repaired_on_the_same_node(bound: Simulation) -> None:
    bound.cloud.assign(IP2, None)
    bound.settle(seconds=30)
    assert (bound.where(IP2), bound.record("a", IP2).phase) == ("n2", Phase.BOUND)


def test_g1_two_allocations_one_address(simulation: Simulation) -> None:
    simulation.allocate("old", IP1)
    simulation.settle()
    calls = len(simulation.cloud.faults.calls)
    simulation.allocate("young", IP1)
    for _ in range(3):
        simulation.pass_over("young")
    assert len(simulation.cloud.faults.calls) == calls
    assert simulation.record("young", IP1).reason == "Conflict"
    assert "old" in simulation.record("young", IP1).message
    simulation.delete("old")
    simulation.settle()
    assert "old" not in simulation.stored
    assert simulation.record("young", IP1).phase is Phase.BOUND


def test_g2_two_allocations_one_node(simulation: Simulation) -> None:
    simulation.remove_node("n2")
    simulation.remove_node("n3")
    simulation.allocate("a", IP1)
    simulation.settle()
    before = len(simulation.cloud.mutations)
    simulation.allocate("b", IP2)
    simulation.settle(seconds=60)
    assert (simulation.where(IP1), simulation.where(IP2)) == ("n1", None)
    assert simulation.record("b", IP2).reason == "NoEligibleNode"
    assert mutations(simulation, before) == []
    simulation.add_node("n4")
    simulation.settle()
    assert simulation.where(IP2) == "n4"


def test_g3_two_pools_never_touch_each_others_labels(simulation: Simulation) -> None:
    simulation.add_node("m1", labels={"pool": "b"})
    simulation.allocate("a", IP1)
    simulation.allocate("b", IP2, selector=(("pool", "b"),))
    simulation.settle()
    simulation.writes.clear()
    for _ in range(10):
        simulation.settle(seconds=30)
    assert simulation.writes == []
    assert simulation.labelled() == {"n1": "203-0-113-10", "m1": "203-0-113-11"}


def test_h1_delete_detaches(bound: Simulation) -> None:
    bound.delete("a")
    bound.settle()
    assert (bound.where(IP1), bound.where(IP2)) == (None, None)
    assert (bound.labelled(), bound.stored) == ({}, {})


def test_h1_delete_retains(bound: Simulation) -> None:
    bound.allocate("a", IP1, IP2, retain=True)
    before = len(bound.cloud.mutations)
    bound.delete("a")
    bound.settle()
    assert (bound.where(IP1), mutations(bound, before)) == ("n1", [])
    assert (bound.labelled(), bound.stored) == ({}, {})


def test_h2_shrinking_the_list_releases_only_that_one(bound: Simulation) -> None:
    bound.allocate("a", IP2)
    bound.settle()
    assert (bound.where(IP1), bound.where(IP2)) == (None, "n2")
    assert [record.ip for record in bound.stored["a"].records] == [IP2]
    assert bound.labelled() == {"n2": "203-0-113-11"}


def test_h3_delete_while_the_cloud_is_down_waits(bound: Simulation) -> None:
    bound.cloud.faults.inject(Fault(op=".*", error=Throttled("slow down"), times=None))
    bound.delete("a")
    bound.settle(seconds=600)
    assert "a" in bound.stored
    assert "force-release" in bound.record("a", IP1).message
    bound.allocate("a", IP1, IP2, force_release=True)
    bound.settle()
    assert (bound.stored, bound.where(IP1)) == ({}, "n1")


def test_harm_21_a_forced_release_names_what_it_left_behind(bound: Simulation) -> None:
    bound.cloud.faults.inject(Fault(op=".*", error=Throttled("slow down"), times=None))
    bound.delete("a")
    bound.settle(seconds=600)
    command = "kubectl annotate netipallocation a moorage.dev/force-release=true"
    assert bound.record("a", IP1).message.endswith(command)
    bound.allocate("a", IP1, IP2, force_release=True)
    observed = bound.observe("a")
    plan = bound.plan("a")
    (event,) = events(observed, plan, Said())
    assert (event.type, event.reason, event.message) == ("Warning", "ForceReleased", plan.message)
    assert plan.message == (
        f"let go without the cloud, as its annotation asks: {IP1} was last on machine"
        f" memory://vm-n1 (node n1); {IP2} was last on machine memory://vm-n2 (node n2)."
        " Nobody takes them off any more: do it in the cloud where they must not stay"
    )
    bound.settle()
    assert (bound.stored, bound.where(IP1), bound.where(IP2)) == ({}, "n1", "n2")


def test_harm_21_a_forced_release_knows_what_the_cloud_said_last(bound: Simulation) -> None:
    bound.cloud.assign(IP2, None)
    bound.settle(seconds=0)
    bound.delete("a")
    bound.allocate("a", IP1, IP2, force_release=True)
    message = bound.plan("a").message
    assert f"{IP1} stays on machine vm-n1 (node n1)" in message
    assert IP2 not in message or f"{IP2} stays" in message


def test_harm_21_a_retained_address_is_not_said_to_be_released(bound: Simulation) -> None:
    bound.delete("a")
    bound.allocate("a", IP1, IP2, retain=True)
    assert "each stays where it is" in bound.plan("a").message


def test_an_absent_address_is_reported_and_found_later(simulation: Simulation) -> None:
    simulation.allocate("a", IP1)
    simulation.cloud.remove_address(IP1)
    simulation.settle()
    assert simulation.record("a", IP1).reason == reasons.NOT_FOUND.name
    simulation.cloud.add_address(IP1)
    simulation.settle(seconds=30)
    assert simulation.record("a", IP1).phase is Phase.BOUND


def test_an_address_bound_before_us_is_adopted_without_a_mutation(simulation: Simulation) -> None:
    simulation.cloud.add_address(IP1)
    simulation.cloud.assign(IP1, "vm-n3")
    simulation.allocate("a", IP1)
    simulation.settle()
    assert (simulation.where(IP1), mutations(simulation)) == ("n3", [])


def test_a_stray_ready_label_is_taken_off(simulation: Simulation) -> None:
    node = simulation.nodes["n3"]
    simulation.change_node("n3", labels={**node.labels, "ip.ready": "true"})
    simulation.allocate("a", IP1)
    simulation.settle(seconds=30)
    assert simulation.labelled() == {"n1": "203-0-113-10"}


def test_a_label_edited_by_hand_is_repaired_in_one_patch(bound: Simulation) -> None:
    bound.writes.clear()
    bound.change_node("n1", labels={"pool": "a"})
    bound.settle()
    patches = [action for action in bound.writes if not isinstance(action, WriteStatus)]
    assert [type(action).__name__ for action in patches] == ["LabelNode"]


def test_a_drained_node_keeps_the_address_when_no_other_can_take_it(simulation: Simulation) -> None:
    simulation.remove_node("n2")
    simulation.remove_node("n3")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.change_node("n1", unschedulable=True)
    simulation.settle(seconds=60)
    assert (simulation.where(IP1), simulation.record("a", IP1).reason) == ("n1", "NoEligibleNode")


def test_the_intention_is_stored_before_every_mutation(bound: Simulation) -> None:
    def check(action: object) -> None:
        if isinstance(action, Mutate):
            record = bound.record("a", action.ip)
            assert record.operation.endswith(action.request_id)
            compensates = action.mutation is Mutation.RESTORE
            assert action.node_ref in (
                record.restore_pending if compensates else (record.node_ref,)
            )

    bound.before = check
    bound.change_node("n1", unschedulable=True)
    bound.settle()
    assert bound.where(IP1) == "n3"


def test_invalid_entries_are_reported_and_the_others_proceed(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, invalid=(("10.0.0.1", "lies in 10.0.0.0/8"),))
    simulation.settle()
    assert simulation.record("a", "10.0.0.1").reason == "InvalidAddress"
    assert simulation.record("a", IP1).phase is Phase.BOUND


def test_a_spec_that_cannot_be_carried_out_changes_nothing(bound: Simulation) -> None:
    before = len(bound.cloud.mutations)
    bound.allocate("a", IP1, IP2, problem="spec.cloud.provider is empty")
    bound.change_node("n1", unschedulable=True)
    bound.settle(seconds=60)
    assert (mutations(bound, before), bound.where(IP1)) == ([], "n1")
    ready = bound.stored["a"].conditions[0]
    assert (ready.status, ready.reason) == ("False", "InvalidSpec")


def test_j3_five_hundred_addresses_on_a_thousand_nodes_are_planned_at_once() -> None:
    """How long it takes is measured by the benchmark; here: one plan, each on a node of its own."""
    simulation = Simulation()
    for number in range(1000):
        simulation.add_node(f"n{number:04}")
    simulation.allocate(
        "a", *(f"198.51.{number // 250}.{number % 250 + 1}" for number in range(500))
    )
    begun = [action for action in simulation.plan("a").actions if isinstance(action, Mutate)]
    assert len({action.machine_id for action in begun}) == len(begun) == 500
    simulation.settle()
    assert simulation.plan("a").actions == ()
    simulation.change_node("n0007", unschedulable=True)
    moved = [action for action in simulation.plan("a").actions if isinstance(action, Mutate)]
    assert len(moved) == 1
