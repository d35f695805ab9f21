"""A dry run reports all and changes nothing but the status that reports it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_builders import IP1, IP2
from loop_writes import WriteStatus, carried_out
from simulation import Simulation

from moorage_core import reasons
from moorage_core.decide.allocation import decide
from moorage_core.model import Awaited, Phase, Unread
from moorage_core.report import Said, events
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud


@pytest.fixture(params=[ONE_CALL, TWO_STEPS], ids=["one call", "two steps"])
def simulation(request: pytest.FixtureRequest) -> Simulation:
    simulation = Simulation(MemoryCloud(request.param))
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    return simulation


def condition(simulation: Simulation, kind: str) -> tuple[str, str, str]:
    found = next(c for c in simulation.stored["a"].conditions if c.type == kind)
    return found.status, found.reason, found.message


def test_of_a_new_allocation_only_the_status_is_written(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, IP2, dry_run=True)
    simulation.settle()
    assert simulation.cloud.mutations == []
    assert {type(action) for action in simulation.writes} == {WriteStatus}
    assert not simulation.stored["a"].allocation.finalizer
    record = simulation.record("a", IP1)
    assert (record.phase, record.reason, record.node_ref) == (Phase.PENDING, "DryRun", None)
    assert record.message.startswith("would ")
    status, reason, message = condition(simulation, "DryRun")
    assert (status, reason) == ("True", "WouldChange")
    assert IP1 in message
    assert IP2 in message
    assert condition(simulation, "Ready")[0] == "False"


def test_a_dry_run_comes_to_rest(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, dry_run=True)
    simulation.settle()
    simulation.writes.clear()
    simulation.settle(seconds=60)
    assert simulation.writes == []


def test_a_bound_address_stays_and_its_move_is_reported(simulation: Simulation) -> None:
    simulation.allocate("a", IP1)
    simulation.settle()
    before, writes = len(simulation.cloud.mutations), len(simulation.writes)
    simulation.allocate("a", IP1, dry_run=True)
    simulation.change_node("n1", unschedulable=True)
    simulation.settle()
    assert len(simulation.cloud.mutations) == before
    assert {type(action) for action in simulation.writes[writes:]} == {WriteStatus}
    record = simulation.record("a", IP1)
    assert (record.phase, record.reason) == (Phase.BOUND, "DryRun")
    assert record.node_ref is not None
    assert record.node_ref.name == "n1"
    assert "n2" in record.message
    assert set(simulation.labelled()) == {"n1"}


def test_the_end_of_a_dry_run_does_what_was_reported(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, dry_run=True)
    simulation.settle()
    simulation.allocate("a", IP1, dry_run=False)
    simulation.settle()
    assert simulation.where(IP1) == "n1"
    assert condition(simulation, "DryRun")[0] == "False"
    assert condition(simulation, "Ready")[0] == "True"


def test_with_nothing_to_do_it_says_so(simulation: Simulation) -> None:
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.allocate("a", IP1, dry_run=True)
    simulation.settle()
    assert condition(simulation, "DryRun") == ("True", "NothingToDo", "nothing would be changed")
    assert simulation.record("a", IP1).reason == "Bound"


def test_a_deleted_allocation_is_kept_until_the_dry_run_ends(simulation: Simulation) -> None:
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.allocate("a", IP1, dry_run=True)
    simulation.delete("a")
    simulation.settle()
    assert simulation.where(IP1) == "n1"
    stored = simulation.stored["a"]
    stored.allocation = replace(stored.allocation, dry_run=False)
    simulation.settle()
    assert "a" not in simulation.stored
    assert simulation.where(IP1) is None


def test_people_get_an_event_of_what_would_be_done(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, dry_run=True)
    observed = simulation.observe("a")
    (event,) = events(observed, simulation.plan("a"), Said())
    assert (event.reason, event.type) == ("DryRun", "Normal")
    assert event.message.startswith(f"{IP1}: would ")


def test_before_the_cloud_is_read_no_action_is_announced(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, dry_run=True)
    observed = replace(simulation.observe("a"), cloud_states={IP1: Awaited()})
    plan = carried_out(decide(observed), observed)
    assert plan.message == "dry run: the cloud is not read yet"


def test_harm_22_what_would_be_done_is_unknown_where_the_cloud_cannot_be_read(
    simulation: Simulation,
) -> None:
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.allocate("a", IP1, dry_run=True)
    unread = Unread(reasons.UNAVAILABLE, "cannot read the cloud: timed out after 15 s")
    observed = replace(simulation.observe("a"), cloud_states={IP1: unread})
    plan = carried_out(decide(observed), observed)
    assert plan.message == (
        f"dry run: cannot tell what would be done about {IP1}: cannot read the cloud:"
        " timed out after 15 s"
    )
    assert plan.status is not None
    found = next(one for one in plan.status.conditions if one.type == "DryRun")
    assert (found.status, found.reason) == ("True", "CannotTell")


def test_harm_22_what_was_read_is_still_said(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, IP2, dry_run=True)
    unread = Unread(reasons.THROTTLED, "cannot read the cloud: slow down")
    observed = simulation.observe("a")
    observed = replace(observed, cloud_states={**observed.cloud_states, IP2: unread})
    plan = carried_out(decide(observed), observed)
    assert plan.message.startswith("dry run: would ")
    assert IP1 in plan.message
    assert plan.message.endswith(
        f"; cannot tell what would be done about {IP2}: cannot read the cloud: slow down"
    )


def test_harm_22_an_address_that_is_being_read_again_is_not_taken_for_settled(
    simulation: Simulation,
) -> None:
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.allocate("a", IP1, dry_run=True)
    observed = replace(simulation.observe("a"), cloud_states={IP1: Awaited()})
    plan = carried_out(decide(observed), observed)
    assert plan.message == "dry run: the cloud is not read yet"


def test_a_spec_that_cannot_be_carried_out_still_says_so(simulation: Simulation) -> None:
    simulation.allocate("a", IP1, dry_run=True, problem="spec.cloud.provider is empty")
    simulation.settle()
    assert condition(simulation, "Ready") == (
        "False",
        "InvalidSpec",
        "spec.cloud.provider is empty",
    )
