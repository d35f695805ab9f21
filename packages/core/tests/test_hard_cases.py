"""States that only accidents, other people or other clocks bring about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulation import Simulation

from moorage_core import reasons
from moorage_core.actions import MarkNode, Mutate, RemoveFinalizer, UnmarkNode, WriteStatus
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import marks
from moorage_core.model import Mutation, Outcome, Phase
from moorage_provider.errors import Unavailable

IP1, IP2 = "203.0.113.10", "203.0.113.11"


@pytest.fixture
def world() -> Simulation:
    simulation = Simulation()
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    simulation.allocate("a", IP1)
    simulation.settle()
    return simulation


def kinds(world: Simulation, name: str = "a") -> list[str]:
    return [type(action).__name__ for action in world.plan(name).actions]


def test_two_node_objects_of_one_machine_move_nothing_to_itself(world: Simulation) -> None:
    world.add_node("again", machine="vm-n1")
    world.change_node("n1", ready=False)
    before = len(world.cloud.mutations)
    world.settle(seconds=100)
    assert world.record("a", IP1).phase is Phase.BOUND
    assert world.cloud.mutations[before:] == []
    assert set(world.labelled()) == {"again"}


def test_an_old_node_object_out_of_the_pool_takes_no_address_away(world: Simulation) -> None:
    world.add_node("z-old", machine="vm-n1", labels={"pool": "b"})
    before = len(world.cloud.mutations)
    world.settle(seconds=100)
    assert world.record("a", IP1).phase is Phase.BOUND
    assert world.cloud.mutations[before:] == []
    assert set(world.labelled()) == {"n1"}


def test_a_machine_gets_no_second_address_by_its_other_node_object(world: Simulation) -> None:
    for name in ("n2", "n3"):
        world.remove_node(name)
    world.add_node("again", machine="vm-n1")
    before = len(world.cloud.mutations)
    world.allocate("a", IP1, IP2)
    world.settle(seconds=100)
    assert world.cloud.mutations[before:] == []
    assert world.record("a", IP1).phase is Phase.BOUND
    assert world.record("a", IP2).reason == "NoEligibleNode"


def test_a_machine_gets_no_second_address_from_another_allocation(world: Simulation) -> None:
    world.add_node("b1", machine="vm-n1", labels={"pool": "b"})
    before = len(world.cloud.mutations)
    world.allocate("b", IP2, selector=(("pool", "b"),))
    world.settle(seconds=100)
    assert world.cloud.mutations[before:] == []
    assert world.record("b", IP2).reason == "NoEligibleNode"
    assert set(world.labelled()) == {"n1"}


def test_a_move_never_targets_the_machine_that_holds_the_address(world: Simulation) -> None:
    for name in ("n2", "n3"):
        world.remove_node(name)
    world.add_node("again", machine="vm-n1", unschedulable=True)
    world.change_node("n1", ready=False)
    world.settle(seconds=100)
    assert world.record("a", IP1).reason == "NoEligibleNode"


def test_deleting_while_an_attach_is_not_visible_yet_waits_for_it(world: Simulation) -> None:
    verifying = replace(world.record("a", IP1), phase=Phase.VERIFYING, since=world.now)
    verifying = replace(verifying, operation="attach/request")
    world.stored["a"].records = (verifying,)
    world.cloud.assign(IP1, None)
    world.delete("a")
    assert RemoveFinalizer() not in world.plan("a").actions
    world.cloud.assign(IP1, "vm-n1")
    world.settle()
    assert (world.stored, world.where(IP1)) == ({}, None)


def test_deleting_after_an_attach_without_an_answer_waits_for_it(world: Simulation) -> None:
    begun = replace(world.record("a", IP1), phase=Phase.ATTACHING, since=world.now)
    world.stored["a"].records = (replace(begun, operation="attach/request"),)
    world.cloud.assign(IP1, None)
    world.delete("a")
    assert world.pass_over("a")
    assert "a" in world.stored
    world.settle(seconds=31)
    assert world.stored == {}


def test_an_invalid_allocation_takes_no_labels_off(world: Simulation) -> None:
    world.change_node("n3", labels={"pool": "a", "ip.ready": "true"})
    broken = replace(world.stored["a"].allocation, problem="spec is broken", selector=())
    seen = replace(world.look("a"), allocation=broken, readings={}, strays=["n3"])
    assert not any(isinstance(action, UnmarkNode) for action in decide(seen).actions)


def test_labels_of_the_first_version_stay_while_any_allocation_is_unsettled() -> None:
    world = Simulation()
    for name in ("n1", "n2"):
        world.add_node(name, labels={"pool": "a", "ip.ready": "true"})
    for ip, machine in ((IP1, "vm-n1"), (IP2, "vm-n2")):
        world.cloud.add_address(ip)
        world.cloud.assign(ip, machine)
    world.allocate("a", IP1)
    world.allocate("b", IP2)
    taken_off = []
    world.after = lambda action: (
        taken_off.append(action) if isinstance(action, UnmarkNode) else None
    )
    world.settle()
    assert taken_off == []
    assert world.labelled() == {"n1": "203-0-113-10", "n2": "203-0-113-11"}


def test_the_labels_of_an_allocation_that_is_no_more_are_taken_off(world: Simulation) -> None:
    del world.stored["a"]
    world.cloud.assign(IP1, None)
    world.allocate("b", IP2)
    world.settle()
    assert set(world.labelled().values()) == {"203-0-113-11"}


def test_an_older_allocations_label_on_the_same_node_is_left_alone(world: Simulation) -> None:
    seen = world.look("a")
    node = replace(seen.nodes["n1"], owner="uid-older")
    seen = replace(seen, nodes={**seen.nodes, "n1": node}, taken={"n1": "older"}, owned=[])
    younger = replace(seen, outranked=["n1"])
    assert marks(younger, younger.records) == ()
    assert [type(change) for change in marks(seen, seen.records)] == [MarkNode]


def test_a_node_that_refuses_its_label_holds_nothing_up(world: Simulation) -> None:
    world.change_node("n1", unschedulable=True)
    seen = replace(world.look("a"), label_errors={"n1": "denied by policy"})
    plan = decide(seen)
    names = [type(action).__name__ for action in plan.actions]
    assert names == ["UnmarkNode", "WriteStatus", "Mutate"]
    assert plan.wait is not None
    written = next(action for action in plan.actions if isinstance(action, WriteStatus))
    degraded = next(c for c in written.conditions if c.type == "Degraded")
    assert (degraded.status, degraded.reason) == ("True", "NodeNotLabelled")
    assert "denied by policy" in degraded.message


def test_marks_come_after_the_status(world: Simulation) -> None:
    world.change_node("n1", labels={"pool": "a"})
    stored = world.stored["a"]
    stored.records = (replace(stored.records[0], phase=Phase.ATTACHING),)
    assert kinds(world) == ["WriteStatus", "MarkNode"]


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_wall_clock_that_jumps_moves_nothing_and_delays_nothing(
    world: Simulation, jump: float
) -> None:
    world.change_node("n1", ready=False)
    early = replace(world.look("a"), now=world.now + jump, uptime=world.now + 2)
    assert not any(isinstance(action, Mutate) for action in decide(early).actions)
    late = replace(world.look("a"), now=world.now + jump, uptime=world.now + 41)
    assert any(isinstance(action, Mutate) for action in decide(late).actions)


def test_a_next_attempt_far_in_the_future_is_not_believed(world: Simulation) -> None:
    world.change_node("n1", unschedulable=True)
    record = replace(world.record("a", IP1), next_attempt=world.now + 7200, attempts=1)
    world.stored["a"].records = (record,)
    wait = world.plan("a").wait
    assert wait is not None
    assert wait.total_seconds() <= 600


def test_nodes_deleted_on_purpose_freeze_for_a_while_only() -> None:
    world = Simulation()
    for name in ("n1", "n2", "n3"):
        world.add_node(name)
    world.allocate("a", IP1, IP2)
    world.settle()
    for name in ("n1", "n2"):
        world.remove_node(name)
    world.settle(seconds=100)
    assert world.record("a", IP1).reason == "MassNotReady"
    ready = world.stored["a"].conditions[0]
    assert (ready.type, ready.status) == ("Ready", "False")
    world.settle(seconds=400)
    assert "n3" in (world.where(IP1), world.where(IP2))


def test_a_node_broken_long_ago_says_nothing_about_the_next_one() -> None:
    world = Simulation()
    for name in ("n1", "n2", "n3"):
        world.add_node(name)
    world.allocate("a", IP1)
    world.settle()
    world.change_node("n2", ready=False)
    world.settle(seconds=3600)
    world.change_node("n1", ready=False)
    world.settle(seconds=41)
    assert world.where(IP1) == "n3"


def test_a_lost_workload_holds_as_all_pods_do_and_says_so(world: Simulation) -> None:
    world.change_node("n1", unschedulable=True)
    seen = replace(world.look("a"), busy={"n1"}, workload_missing=True)
    written = next(a for a in decide(seen).actions if isinstance(a, WriteStatus))
    assert written.records[0].reason == reasons.WORKLOAD_RUNNING.name
    assert "there is no" in written.records[0].message


def test_a_failed_mutation_is_told_with_its_reason(world: Simulation) -> None:
    world.change_node("n1", unschedulable=True)
    outcome = Outcome(Mutation.MOVE, "a", Unavailable("no answer"), "uid", 5.0)
    seen = replace(world.look("a"), outcomes={IP1: outcome})
    written = next(a for a in decide(seen).actions if isinstance(a, WriteStatus))
    assert written.records[0].reason == "CloudUnavailable"
    assert not any(isinstance(action, Mutate) for action in decide(seen).actions)
