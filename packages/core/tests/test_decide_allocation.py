"""Every address decided, folded into actions whose order survives a crash."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

from core_builders import IP1, IP2, observed_with, raw_allocation, record, tainted
from loop_writes import AddFinalizer, RemoveFinalizer, Write, WriteStatus, in_order
from simulation import Simulation

from moorage_core.actions import (
    CountPods,
    LabelNode,
    Mutate,
    UnlabelNode,
)
from moorage_core.decide.allocation import decide
from moorage_core.model import AddressRecord, Awaited, DrainMode, Observed, Phase
from moorage_core.projections import project_allocation
from moorage_domain.plans import Plan


def observed(*nodes: str) -> Simulation:
    simulation = Simulation()
    for name in nodes:
        simulation.add_node(name)
    return simulation


def kinds(writes: tuple[Write, ...]) -> list[type]:
    return [type(write) for write in writes]


def written(writes: tuple[Write, ...]) -> WriteStatus:
    (status,) = [write for write in writes if isinstance(write, WriteStatus)]
    return status


def decided(one: Observed) -> tuple[Write, ...]:
    """What is made of a decision, in order; the conditions before were none."""
    return in_order(decide(one), one)


def test_the_finalizer_comes_before_the_intention_and_that_before_the_call() -> None:
    simulation = observed("n1", "n2")
    simulation.allocate("a", IP1, IP2)
    assert kinds(simulation.planned("a")) == [AddFinalizer, WriteStatus, Mutate, Mutate]


def test_the_old_node_is_unmarked_by_the_move_once_its_target_is_known_to_be_fit() -> None:
    simulation = observed("n1", "n2")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.change_node("n1", unschedulable=True)
    assert kinds(simulation.planned("a")) == [WriteStatus, Mutate]
    # The target has a public address of its own, which is written down first.
    simulation.pass_over("a")
    simulation.writes.clear()
    simulation.pass_over("a")
    assert kinds(tuple(simulation.writes)) == [WriteStatus, UnlabelNode, Mutate]


def drained(**fields: Any) -> Observed:
    """An address on a cordoned node without pods, and a free node, observed with these fields."""
    simulation = observed("n1", "n2")
    simulation.allocate("a", IP1)
    simulation.settle()
    assert simulation.where(IP1) == "n1"
    simulation.change_node("n1", unschedulable=True)
    return replace(simulation.observe("a"), **fields)


def test_pods_are_counted_before_an_address_leaves_for_want_of_them() -> None:
    plan = decide(drained(counted={"n2": True}))
    assert plan.actions == (CountPods(("n1",)),)
    assert plan.wait == timedelta(0)


def test_pods_the_watch_has_not_shown_keep_the_address() -> None:
    one = drained(counted={"n1": False})
    plan, writes = decide(one), decided(one)
    assert kinds(writes) == [WriteStatus]
    (entry,) = written(writes).records
    assert (entry.phase, entry.reason) == (Phase.HOLDING, "WorkloadRunning")
    assert entry.message == (
        "node n1 is cordoned; pods run there that the watch has not told of yet"
    )
    assert plan.wait == timedelta(seconds=1)


def test_where_pods_do_not_matter_none_are_counted() -> None:
    at_once = drained(counted={})
    at_once = replace(at_once, allocation=replace(at_once.allocation, drain=DrainMode.IMMEDIATE))
    assert kinds(decided(at_once)) == [WriteStatus, Mutate]
    leaving = drained(counted={})
    n1 = replace(leaving.nodes["n1"], taints=tainted("node.kubernetes.io/out-of-service"))
    nodes = {**leaving.nodes, "n1": n1}
    assert kinds(decided(replace(leaving, nodes=nodes))) == [WriteStatus, Mutate]


def test_a_dry_run_counts_too_and_reports_nothing_of_it() -> None:
    observed = drained(counted={})
    observed = replace(observed, allocation=replace(observed.allocation, dry_run=True))
    writes = decided(observed)
    assert kinds(writes) == [WriteStatus, CountPods]
    (condition,) = (one for one in written(writes).conditions if one.type == "DryRun")
    assert condition.reason == "NothingToDo"


def test_the_new_node_is_labelled_once_the_status_can_say_bound() -> None:
    simulation = observed("n1")
    simulation.cloud.add_address(IP1)
    simulation.cloud.assign(IP1, "vm-n1")
    simulation.allocate("a", IP1, finalizer=True)
    plan, writes = simulation.plan("a"), simulation.planned("a")
    assert kinds(writes) == [WriteStatus, LabelNode]
    assert (written(writes).bound, plan.reason, plan.wait) == (0, "Labelling", None)
    simulation.pass_over("a")
    plan, writes = simulation.plan("a"), simulation.planned("a")
    assert kinds(writes) == [WriteStatus]
    assert (written(writes).bound, plan.reason, plan.wait) == (1, "AllBound", None)


def test_a_node_that_refuses_its_labels_is_tried_again_in_a_minute() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1)
    simulation.settle()
    refused = replace(simulation.observe("a"), label_errors={"n1": "refused"})
    plan = decide(refused)
    assert plan.wait is not None
    assert plan.wait.total_seconds() == 60
    degraded = next(one for one in written(decided(refused)).conditions if one.type == "Degraded")
    assert (degraded.status, degraded.reason) == ("True", "NodeNotLabelled")


def test_a_spec_nobody_answered_yet_is_answered_even_if_nothing_else_is_new() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1)
    simulation.settle()
    assert simulation.planned("a") == ()
    one = simulation.stored["a"]
    one.allocation = replace(one.allocation, generation=one.allocation.generation + 1)
    writes = simulation.planned("a")
    assert kinds(writes) == [WriteStatus]
    generation = one.allocation.generation
    assert {c.observed_generation for c in written(writes).conditions} == {generation}


def test_an_empty_list_is_no_error_and_rests() -> None:
    simulation = observed("n1")
    simulation.allocate("a")
    simulation.settle()
    assert simulation.stored["a"].conditions[0].reason == "NoAddresses"
    assert simulation.planned("a") == ()


def test_what_is_gone_and_holds_nothing_is_left_alone() -> None:
    simulation = observed("n1")
    gone = simulation.allocate("a", IP1, deleting=True)
    assert not gone.finalizer
    assert decide(observed_with(one=gone)) == Plan(
        "Gone", "the object is being deleted and nothing is left to release"
    )


def test_the_finalizer_goes_last_of_all() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1, retain=True)
    simulation.settle()
    simulation.delete("a")
    assert kinds(simulation.planned("a")) == [UnlabelNode, RemoveFinalizer]


def test_being_deleted_the_finalizer_is_not_put_on_again() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1, finalizer=True)
    simulation.settle()
    simulation.delete("a")
    assert kinds(simulation.planned("a")) == [WriteStatus, UnlabelNode, Mutate]


def test_a_bad_spec_does_not_keep_a_deleted_one_from_going() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.allocate("a", problem="spec.cloud.provider is empty")
    simulation.delete("a")
    simulation.settle()
    assert (simulation.stored, simulation.where(IP1)) == ({}, None)


def test_letting_go_by_force_waits_for_the_deletion() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.allocate("a", IP1, force_release=True)
    simulation.settle()
    assert (simulation.where(IP1), simulation.labelled()) == ("n1", {"n1": "203-0-113-10"})


def test_the_earliest_next_pass_counts() -> None:
    simulation = observed("n1", "n2", "n3", "n4", "n5")
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    simulation.change_node("n1", ready=False)
    simulation.now += 10
    simulation.change_node("n2", ready=False)
    wait = simulation.plan("a").wait
    assert wait is not None
    assert wait.total_seconds() == 30


def test_an_address_not_read_yet_is_waited_for() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1)
    writes = decided(replace(simulation.observe("a"), cloud_states={IP1: Awaited()}))
    assert kinds(writes) == [AddFinalizer, WriteStatus]
    assert [one.phase for one in written(writes).records] == [Phase.PENDING]


def test_a_node_with_an_address_in_the_cloud_is_not_given_a_second_one() -> None:
    simulation = observed("n1", "n2")
    simulation.cloud.add_address(IP2)
    simulation.cloud.assign(IP2, "vm-n1")
    simulation.allocate("a", IP1, IP2)  # IP1 is decided first
    simulation.settle()
    assert (simulation.where(IP1), simulation.where(IP2)) == ("n2", "n1")


def test_an_entry_mended_by_hand_leaves_no_trace() -> None:
    simulation = observed("n1")
    simulation.allocate("a", IP1, invalid=(("10.0.0.1", "lies in 10.0.0.0/8"),))
    simulation.settle()
    simulation.allocate("a", IP1, invalid=())
    simulation.settle()
    assert [one.ip for one in simulation.stored["a"].records] == [IP1]


def test_an_address_that_became_invalid_while_bound_keeps_its_place() -> None:
    """An upgrade may refuse what an older version took; nobody loses an address by that."""
    simulation = observed("n1")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.allocate("a", invalid=((IP1, "not any more"),))
    simulation.settle()
    assert (simulation.where(IP1), simulation.record("a", IP1).phase) == ("n1", Phase.BLOCKED)


def test_every_address_has_one_entry_even_where_a_bad_one_is_listed_twice() -> None:
    """The entries are a map by address: the API server refuses a status with two of one key."""
    view = project_allocation(raw_allocation("a", IP1, "10.0.0.1", "10.0.0.1"))
    status = written(decided(observed_with(one=view.allocation)))
    counts = Counter(one.ip for one in status.records)
    assert counts == {IP1: 1, "10.0.0.1": 1}


def test_who_waits_for_an_address_gets_it_when_it_is_let_go_half_way() -> None:
    """Taken off its node, no other free, off the list: the last trace of it goes."""
    stuck = AddressRecord(IP1, Phase.WAITING, "NoEligibleNode", previous=record(IP1, "n1").node_ref)
    simulation = observed()
    simulation.allocate("a", finalizer=True)
    simulation.cloud.add_address(IP1)
    simulation.stored["a"].records = (stuck,)
    simulation.settle()
    assert not simulation.stored["a"].records
