"""States that only accidents, other people or other clocks bring about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulation import Simulation

from moorage_core import reasons
from moorage_core.actions import LabelNode, Mutate, RemoveFinalizer, UnlabelNode, WriteStatus
from moorage_core.decide.allocation import decide
from moorage_core.decide.node_labels import label_changes
from moorage_core.model import Mutation, Outcome, Phase
from moorage_provider.errors import Unavailable

IP1, IP2 = "203.0.113.10", "203.0.113.11"


@pytest.fixture
def observed() -> Simulation:
    simulation = Simulation()
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    simulation.allocate("a", IP1)
    simulation.settle()
    return simulation


def kinds(observed: Simulation, name: str = "a") -> list[str]:
    return [type(action).__name__ for action in observed.plan(name).actions]


def test_two_node_objects_of_one_machine_move_nothing_to_itself(observed: Simulation) -> None:
    observed.add_node("again", machine="vm-n1")
    observed.change_node("n1", ready=False)
    before = len(observed.cloud.mutations)
    observed.settle(seconds=100)
    assert observed.record("a", IP1).phase is Phase.BOUND
    assert observed.cloud.mutations[before:] == []
    assert set(observed.labelled()) == {"again"}


def test_an_old_node_object_out_of_the_pool_takes_no_address_away(observed: Simulation) -> None:
    observed.add_node("z-old", machine="vm-n1", labels={"pool": "b"})
    before = len(observed.cloud.mutations)
    observed.settle(seconds=100)
    assert observed.record("a", IP1).phase is Phase.BOUND
    assert observed.cloud.mutations[before:] == []
    assert set(observed.labelled()) == {"n1"}


def test_a_machine_gets_no_second_address_by_its_other_node_object(observed: Simulation) -> None:
    for name in ("n2", "n3"):
        observed.remove_node(name)
    observed.add_node("again", machine="vm-n1")
    before = len(observed.cloud.mutations)
    observed.allocate("a", IP1, IP2)
    observed.settle(seconds=100)
    assert observed.cloud.mutations[before:] == []
    assert observed.record("a", IP1).phase is Phase.BOUND
    assert observed.record("a", IP2).reason == "NoEligibleNode"


def test_a_machine_gets_no_second_address_from_another_allocation(observed: Simulation) -> None:
    observed.add_node("b1", machine="vm-n1", labels={"pool": "b"})
    before = len(observed.cloud.mutations)
    observed.allocate("b", IP2, selector=(("pool", "b"),))
    observed.settle(seconds=100)
    assert observed.cloud.mutations[before:] == []
    assert observed.record("b", IP2).reason == "NoEligibleNode"
    assert set(observed.labelled()) == {"n1"}


def test_a_move_never_targets_the_machine_that_holds_the_address(observed: Simulation) -> None:
    for name in ("n2", "n3"):
        observed.remove_node(name)
    observed.add_node("again", machine="vm-n1", unschedulable=True)
    observed.change_node("n1", ready=False)
    observed.settle(seconds=100)
    assert observed.record("a", IP1).reason == "NoEligibleNode"


def test_deleting_while_an_attach_is_not_visible_yet_waits_for_it(observed: Simulation) -> None:
    verifying = replace(observed.record("a", IP1), phase=Phase.VERIFYING, since=observed.now)
    verifying = replace(verifying, operation="attach/request")
    observed.stored["a"].records = (verifying,)
    observed.cloud.assign(IP1, None)
    observed.delete("a")
    assert RemoveFinalizer() not in observed.plan("a").actions
    observed.cloud.assign(IP1, "vm-n1")
    observed.settle()
    assert (observed.stored, observed.where(IP1)) == ({}, None)


def test_deleting_after_an_attach_without_an_answer_waits_for_it(observed: Simulation) -> None:
    begun = replace(observed.record("a", IP1), phase=Phase.ATTACHING, since=observed.now)
    observed.stored["a"].records = (replace(begun, operation="attach/request"),)
    observed.cloud.assign(IP1, None)
    observed.delete("a")
    assert observed.pass_over("a")
    assert "a" in observed.stored
    observed.settle(seconds=31)
    assert observed.stored == {}


def test_an_invalid_allocation_takes_no_labels_off(observed: Simulation) -> None:
    observed.change_node("n3", labels={"pool": "a", "ip.ready": "true"})
    broken = replace(observed.stored["a"].allocation, problem="spec is broken", selector=())
    seen = replace(observed.look("a"), allocation=broken, cloud_states={}, strays=["n3"])
    assert not any(isinstance(action, UnlabelNode) for action in decide(seen).actions)


def test_labels_of_the_first_version_stay_while_any_allocation_is_unsettled() -> None:
    observed = Simulation()
    for name in ("n1", "n2"):
        observed.add_node(name, labels={"pool": "a", "ip.ready": "true"})
    for ip, machine in ((IP1, "vm-n1"), (IP2, "vm-n2")):
        observed.cloud.add_address(ip)
        observed.cloud.assign(ip, machine)
    observed.allocate("a", IP1)
    observed.allocate("b", IP2)
    taken_off = []
    observed.after = lambda action: (
        taken_off.append(action) if isinstance(action, UnlabelNode) else None
    )
    observed.settle()
    assert taken_off == []
    assert observed.labelled() == {"n1": "203-0-113-10", "n2": "203-0-113-11"}


def test_the_labels_of_an_allocation_that_is_no_more_are_taken_off(observed: Simulation) -> None:
    del observed.stored["a"]
    observed.cloud.assign(IP1, None)
    observed.allocate("b", IP2)
    observed.settle()
    assert set(observed.labelled().values()) == {"203-0-113-11"}


def test_an_older_allocations_label_on_the_same_node_is_left_alone(observed: Simulation) -> None:
    seen = observed.look("a")
    node = replace(seen.nodes["n1"], owner="uid-older")
    seen = replace(seen, nodes={**seen.nodes, "n1": node}, taken={"n1": "older"}, owned=[])
    younger = replace(seen, outranked=["n1"])
    assert label_changes(younger, younger.records) == ()
    assert [type(change) for change in label_changes(seen, seen.records)] == [LabelNode]


def test_a_node_that_refuses_its_label_holds_nothing_up(observed: Simulation) -> None:
    observed.change_node("n1", unschedulable=True)
    seen = replace(observed.look("a"), label_errors={"n1": "denied by policy"})
    plan = decide(seen)
    names = [type(action).__name__ for action in plan.actions]
    assert names == ["UnlabelNode", "WriteStatus", "Mutate"]
    assert plan.wait is not None
    written = next(action for action in plan.actions if isinstance(action, WriteStatus))
    degraded = next(c for c in written.conditions if c.type == "Degraded")
    assert (degraded.status, degraded.reason) == ("True", "NodeNotLabelled")
    assert "denied by policy" in degraded.message


def test_marks_come_after_the_status(observed: Simulation) -> None:
    observed.change_node("n1", labels={"pool": "a"})
    stored = observed.stored["a"]
    stored.records = (replace(stored.records[0], phase=Phase.ATTACHING),)
    assert kinds(observed) == ["WriteStatus", "LabelNode"]


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_wall_clock_that_jumps_moves_nothing_and_delays_nothing(
    observed: Simulation, jump: float
) -> None:
    observed.change_node("n1", ready=False)
    early = replace(observed.look("a"), now=observed.now + jump, uptime=observed.now + 2)
    assert not any(isinstance(action, Mutate) for action in decide(early).actions)
    late = replace(observed.look("a"), now=observed.now + jump, uptime=observed.now + 41)
    assert any(isinstance(action, Mutate) for action in decide(late).actions)


def test_a_next_attempt_far_in_the_future_is_not_believed(observed: Simulation) -> None:
    observed.change_node("n1", unschedulable=True)
    record = replace(observed.record("a", IP1), next_attempt=observed.now + 7200, attempts=1)
    observed.stored["a"].records = (record,)
    wait = observed.plan("a").wait
    assert wait is not None
    assert wait.total_seconds() <= 600


def test_nodes_deleted_on_purpose_freeze_for_a_while_only() -> None:
    observed = Simulation()
    for name in ("n1", "n2", "n3"):
        observed.add_node(name)
    observed.allocate("a", IP1, IP2)
    observed.settle()
    for name in ("n1", "n2"):
        observed.remove_node(name)
    observed.settle(seconds=100)
    assert observed.record("a", IP1).reason == "MassNotReady"
    ready = observed.stored["a"].conditions[0]
    assert (ready.type, ready.status) == ("Ready", "False")
    observed.settle(seconds=400)
    assert "n3" in (observed.where(IP1), observed.where(IP2))


def test_a_node_broken_long_ago_says_nothing_about_the_next_one() -> None:
    observed = Simulation()
    for name in ("n1", "n2", "n3"):
        observed.add_node(name)
    observed.allocate("a", IP1)
    observed.settle()
    observed.change_node("n2", ready=False)
    observed.settle(seconds=3600)
    observed.change_node("n1", ready=False)
    observed.settle(seconds=41)
    assert observed.where(IP1) == "n3"


def test_a_lost_workload_holds_as_all_pods_do_and_says_so(observed: Simulation) -> None:
    observed.change_node("n1", unschedulable=True)
    seen = replace(observed.look("a"), busy={"n1"}, workload_missing=True)
    written = next(a for a in decide(seen).actions if isinstance(a, WriteStatus))
    assert written.records[0].reason == reasons.WORKLOAD_RUNNING.name
    assert "there is no" in written.records[0].message


def test_a_failed_mutation_is_told_with_its_reason(observed: Simulation) -> None:
    observed.change_node("n1", unschedulable=True)
    outcome = Outcome(Mutation.MOVE, "a", Unavailable("no answer"), "uid", 5.0)
    seen = replace(observed.look("a"), outcomes={IP1: outcome})
    written = next(a for a in decide(seen).actions if isinstance(a, WriteStatus))
    assert written.records[0].reason == "CloudUnavailable"
    assert not any(isinstance(action, Mutate) for action in decide(seen).actions)
