"""States that only accidents, other people or other clocks bring about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from loop_writes import RemoveFinalizer, WriteStatus, in_order
from simulation import Simulation

from moorage_core import reasons
from moorage_core.actions import LabelNode, Mutate, UnlabelNode
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import label_changes
from moorage_core.model import Mutation, Outcome, Phase
from moorage_provider.errors import Unavailable
from moorage_provider.protocol import Capabilities
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud
from moorage_testing.faults import Fault

IP1, IP2 = "203.0.113.10", "203.0.113.11"


@pytest.fixture
def simulation() -> Simulation:
    simulation = Simulation()
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    simulation.allocate("a", IP1)
    simulation.settle()
    return simulation


def kinds(simulation: Simulation, name: str = "a") -> list[str]:
    return [type(action).__name__ for action in simulation.planned(name)]


def test_two_node_objects_of_one_machine_move_nothing_to_itself(simulation: Simulation) -> None:
    simulation.add_node("again", machine="vm-n1")
    simulation.change_node("n1", ready=False)
    before = len(simulation.cloud.mutations)
    simulation.settle(seconds=100)
    assert simulation.record("a", IP1).phase is Phase.BOUND
    assert len(simulation.cloud.mutations) - before == 1
    assert simulation.where(IP1) == "n2"
    assert set(simulation.labelled()) == {"n2"}


def test_an_old_node_object_out_of_the_pool_takes_no_address_away(simulation: Simulation) -> None:
    simulation.add_node("z-old", machine="vm-n1", labels={"pool": "b"})
    before = len(simulation.cloud.mutations)
    simulation.settle(seconds=100)
    assert simulation.record("a", IP1).phase is Phase.BOUND
    assert simulation.cloud.mutations[before:] == []
    assert set(simulation.labelled()) == {"n1"}


def test_a_machine_gets_no_second_address_by_its_other_node_object(simulation: Simulation) -> None:
    for name in ("n2", "n3"):
        simulation.remove_node(name)
    simulation.add_node("again", machine="vm-n1")
    before = len(simulation.cloud.mutations)
    simulation.allocate("a", IP1, IP2)
    simulation.settle(seconds=100)
    assert simulation.cloud.mutations[before:] == []
    assert simulation.record("a", IP1).phase is Phase.BOUND
    assert simulation.record("a", IP2).reason == "NoEligibleNode"


def test_a_machine_gets_no_second_address_from_another_allocation(simulation: Simulation) -> None:
    simulation.add_node("b1", machine="vm-n1", labels={"pool": "b"})
    before = len(simulation.cloud.mutations)
    simulation.allocate("b", IP2, selector=(("pool", "b"),))
    simulation.settle(seconds=100)
    assert simulation.cloud.mutations[before:] == []
    assert simulation.record("b", IP2).reason == "NoEligibleNode"
    assert set(simulation.labelled()) == {"n1"}


def test_a_move_never_targets_the_machine_that_holds_the_address(simulation: Simulation) -> None:
    for name in ("n2", "n3"):
        simulation.remove_node(name)
    simulation.add_node("again", machine="vm-n1", unschedulable=True)
    simulation.change_node("n1", ready=False)
    simulation.settle(seconds=100)
    assert simulation.record("a", IP1).reason == "NoEligibleNode"


def test_deleting_while_an_attach_is_not_visible_yet_waits_for_it(simulation: Simulation) -> None:
    verifying = replace(simulation.record("a", IP1), phase=Phase.VERIFYING, since=simulation.now)
    verifying = replace(verifying, operation="attach/request")
    simulation.stored["a"].records = (verifying,)
    simulation.cloud.assign(IP1, None)
    simulation.delete("a")
    assert RemoveFinalizer() not in simulation.planned("a")
    simulation.cloud.assign(IP1, "vm-n1")
    simulation.settle()
    assert (simulation.stored, simulation.where(IP1)) == ({}, None)


def test_deleting_after_an_attach_without_an_answer_waits_for_it(simulation: Simulation) -> None:
    begun = replace(simulation.record("a", IP1), phase=Phase.ATTACHING, since=simulation.now)
    simulation.stored["a"].records = (replace(begun, operation="attach/request"),)
    simulation.cloud.assign(IP1, None)
    simulation.delete("a")
    assert simulation.pass_over("a")
    assert "a" in simulation.stored
    simulation.settle(seconds=31)
    assert simulation.stored == {}


def test_labels_of_the_first_version_stay_while_any_allocation_is_unsettled() -> None:
    simulation = Simulation()
    for name in ("n1", "n2"):
        simulation.add_node(name, labels={"pool": "a", "ip.ready": "true"})
    for ip, machine in ((IP1, "vm-n1"), (IP2, "vm-n2")):
        simulation.cloud.add_address(ip)
        simulation.cloud.assign(ip, machine)
    simulation.allocate("a", IP1)
    simulation.allocate("b", IP2)
    taken_off = []
    simulation.after = lambda action: (
        taken_off.append(action) if isinstance(action, UnlabelNode) else None
    )
    simulation.settle()
    assert taken_off == []
    assert simulation.labelled() == {"n1": "203-0-113-10", "n2": "203-0-113-11"}


def test_the_labels_of_an_allocation_that_is_no_more_are_taken_off(simulation: Simulation) -> None:
    del simulation.stored["a"]
    simulation.cloud.assign(IP1, None)
    simulation.allocate("b", IP2)
    simulation.settle()
    assert set(simulation.labelled().values()) == {"203-0-113-11"}


def test_an_older_allocations_label_on_the_same_node_is_left_alone(simulation: Simulation) -> None:
    observed = simulation.observe("a")
    node = replace(observed.nodes["n1"], owner="uid-older")
    observed = replace(
        observed, nodes={**observed.nodes, "n1": node}, taken={"n1": "older"}, owned=[]
    )
    younger = replace(observed, outranked=["n1"])
    assert label_changes(younger, younger.records) == ()
    assert [type(change) for change in label_changes(observed, observed.records)] == [LabelNode]


def test_a_node_that_refuses_its_label_holds_nothing_up(simulation: Simulation) -> None:
    simulation.change_node("n1", unschedulable=True)
    observed = replace(simulation.observe("a"), label_errors={"n1": "denied by policy"})
    writes = in_order(decide(observed), observed)
    names = [type(action).__name__ for action in writes]
    assert names == ["WriteStatus", "Mutate"]
    assert decide(observed).wait is not None
    written = next(action for action in writes if isinstance(action, WriteStatus))
    degraded = next(c for c in written.conditions if c.type == "Degraded")
    assert (degraded.status, degraded.reason) == ("True", "NodeNotLabelled")
    assert "denied by policy" in degraded.message


def test_labels_are_set_after_the_status(simulation: Simulation) -> None:
    simulation.change_node("n1", labels={"pool": "a"})
    stored = simulation.stored["a"]
    stored.records = (replace(stored.records[0], phase=Phase.ATTACHING),)
    assert kinds(simulation) == ["WriteStatus", "LabelNode"]


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_wall_clock_that_jumps_moves_nothing_and_delays_nothing(
    simulation: Simulation, jump: float
) -> None:
    simulation.change_node("n1", ready=False)
    early = replace(simulation.observe("a"), now=simulation.now + jump, uptime=simulation.now + 2)
    assert not any(isinstance(action, Mutate) for action in decide(early).actions)
    late = replace(simulation.observe("a"), now=simulation.now + jump, uptime=simulation.now + 41)
    assert any(isinstance(action, Mutate) for action in decide(late).actions)


def test_a_next_attempt_far_in_the_future_is_not_believed(simulation: Simulation) -> None:
    simulation.change_node("n1", unschedulable=True)
    record = replace(simulation.record("a", IP1), next_attempt=simulation.now + 7200, attempts=1)
    simulation.stored["a"].records = (record,)
    wait = simulation.plan("a").wait
    assert wait is not None
    assert wait.total_seconds() <= 600


def test_nodes_deleted_on_purpose_freeze_for_a_while_only() -> None:
    simulation = Simulation()
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    for name in ("n1", "n2"):
        simulation.remove_node(name)
    simulation.settle(seconds=100)
    assert simulation.record("a", IP1).reason == "MassNotReady"
    ready = simulation.stored["a"].conditions[0]
    assert (ready.type, ready.status) == ("Ready", "False")
    simulation.settle(seconds=400)
    assert "n3" in (simulation.where(IP1), simulation.where(IP2))


def test_a_node_broken_long_ago_says_nothing_about_the_next_one() -> None:
    simulation = Simulation()
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.change_node("n2", ready=False)
    simulation.settle(seconds=3600)
    simulation.change_node("n1", ready=False)
    simulation.settle(seconds=41)
    assert simulation.where(IP1) == "n3"


def test_a_lost_workload_holds_as_all_pods_do_and_says_so(simulation: Simulation) -> None:
    simulation.change_node("n1", unschedulable=True)
    observed = replace(simulation.observe("a"), busy={"n1"}, workload_missing=True)
    written = next(a for a in in_order(decide(observed), observed) if isinstance(a, WriteStatus))
    assert written.records[0].reason == reasons.WORKLOAD_RUNNING.name
    assert "there is no" in written.records[0].message


def test_a_failed_mutation_is_recorded_with_its_reason(simulation: Simulation) -> None:
    simulation.change_node("n1", unschedulable=True)
    outcome = Outcome(Mutation.MOVE, "a", Unavailable("no answer"), "uid", 5.0)
    observed = replace(simulation.observe("a"), outcomes={IP1: outcome})
    written = next(a for a in in_order(decide(observed), observed) if isinstance(a, WriteStatus))
    assert written.records[0].reason == "CloudUnavailable"
    assert not any(isinstance(action, Mutate) for action in decide(observed).actions)


@pytest.mark.parametrize("capabilities", [ONE_CALL, TWO_STEPS], ids=["one_call", "two_steps"])
def test_harm_09_a_machine_nobody_understands_does_not_keep_an_address_from_the_next_node(
    capabilities: Capabilities,
) -> None:
    simulation = Simulation(MemoryCloud(capabilities))
    for name in ("n1", "n2"):
        simulation.add_node(name)
    simulation.cloud.confuse("vm-n1")
    simulation.allocate("a", IP1)
    simulation.settle(seconds=30)
    assert simulation.where(IP1) == "n2"


@pytest.mark.parametrize("capabilities", [ONE_CALL, TWO_STEPS], ids=["one_call", "two_steps"])
def test_harm_09_after_an_outage_that_failed_every_target_no_node_is_shut_out(
    capabilities: Capabilities,
) -> None:
    simulation = Simulation(MemoryCloud(capabilities))
    for name in ("n1", "n2"):
        simulation.add_node(name)
    outage = Fault(op="attach", error=Unavailable("no answer"), times=None)
    simulation.cloud.faults.inject(outage)
    simulation.allocate("a", IP1)
    simulation.work(60)
    simulation.cloud.faults.clear()
    simulation.settle(seconds=10)
    assert simulation.where(IP1) in ("n1", "n2")
    bare = "n2" if simulation.where(IP1) == "n1" else "n1"
    assert simulation.cloud.machine(f"vm-{bare}").public_ip
