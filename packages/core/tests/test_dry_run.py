"""A dry run tells all and changes nothing but the status that tells it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core_builders import IP1, IP2
from simulation import Simulation

from moorage_core.actions import WriteStatus
from moorage_core.decide.allocation import decide
from moorage_core.model import Awaited, Phase
from moorage_core.report import notes
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud


@pytest.fixture(params=[ONE_CALL, TWO_STEPS], ids=["one call", "two steps"])
def world(request: pytest.FixtureRequest) -> Simulation:
    world = Simulation(MemoryCloud(request.param))
    for name in ("n1", "n2", "n3"):
        world.add_node(name)
    return world


def condition(world: Simulation, kind: str) -> tuple[str, str, str]:
    found = next(c for c in world.stored["a"].conditions if c.type == kind)
    return found.status, found.reason, found.message


def test_a_new_allocation_is_only_told_of(world: Simulation) -> None:
    world.allocate("a", IP1, IP2, dry_run=True)
    world.settle()
    assert world.cloud.mutations == []
    assert {type(action) for action in world.writes} == {WriteStatus}
    assert not world.stored["a"].allocation.finalizer
    record = world.record("a", IP1)
    assert (record.phase, record.reason, record.place) == (Phase.PENDING, "DryRun", None)
    assert record.message.startswith("would ask the cloud to")
    status, reason, message = condition(world, "DryRun")
    assert (status, reason) == ("True", "WouldChange")
    assert IP1 in message
    assert IP2 in message
    assert condition(world, "Ready")[0] == "False"


def test_a_dry_run_comes_to_rest(world: Simulation) -> None:
    world.allocate("a", IP1, dry_run=True)
    world.settle()
    world.writes.clear()
    world.settle(seconds=60)
    assert world.writes == []


def test_what_is_bound_stays_and_its_move_is_told(world: Simulation) -> None:
    world.allocate("a", IP1)
    world.settle()
    before, writes = len(world.cloud.mutations), len(world.writes)
    world.allocate("a", IP1, dry_run=True)
    world.change_node("n1", unschedulable=True)
    world.settle()
    assert len(world.cloud.mutations) == before
    assert {type(action) for action in world.writes[writes:]} == {WriteStatus}
    record = world.record("a", IP1)
    assert (record.phase, record.reason) == (Phase.BOUND, "DryRun")
    assert record.place is not None
    assert record.place.node_name == "n1"
    assert "n2" in record.message
    assert set(world.labelled()) == {"n1"}


def test_the_end_of_a_dry_run_does_what_was_told(world: Simulation) -> None:
    world.allocate("a", IP1, dry_run=True)
    world.settle()
    world.allocate("a", IP1, dry_run=False)
    world.settle()
    assert world.where(IP1) == "n1"
    assert condition(world, "DryRun")[0] == "False"
    assert condition(world, "Ready")[0] == "True"


def test_with_nothing_to_do_it_says_so(world: Simulation) -> None:
    world.allocate("a", IP1)
    world.settle()
    world.allocate("a", IP1, dry_run=True)
    world.settle()
    assert condition(world, "DryRun") == ("True", "NothingToDo", "nothing would be changed")
    assert world.record("a", IP1).reason == "Bound"


def test_a_deleted_allocation_is_kept_until_the_dry_run_ends(world: Simulation) -> None:
    world.allocate("a", IP1)
    world.settle()
    world.allocate("a", IP1, dry_run=True)
    world.delete("a")
    world.settle()
    assert world.where(IP1) == "n1"
    stored = world.stored["a"]
    stored.allocation = replace(stored.allocation, dry_run=False)
    world.settle()
    assert "a" not in world.stored
    assert world.where(IP1) is None


def test_people_get_an_event_of_what_would_be_done(world: Simulation) -> None:
    world.allocate("a", IP1, dry_run=True)
    seen = world.look("a")
    (note,) = notes(seen, world.plan("a"))
    assert (note.reason, note.type) == ("DryRun", "Normal")
    assert note.message.startswith(f"{IP1}: would ask the cloud to")


def test_before_the_cloud_is_read_nothing_is_promised(world: Simulation) -> None:
    world.allocate("a", IP1, dry_run=True)
    plan = decide(replace(world.look("a"), readings={IP1: Awaited()}))
    assert plan.message == "dry run: the cloud is not read yet"


def test_a_spec_that_cannot_be_carried_out_still_says_so(world: Simulation) -> None:
    world.allocate("a", IP1, dry_run=True, problem="spec.cloud.provider is empty")
    world.settle()
    assert condition(world, "Ready") == ("False", "InvalidSpec", "spec.cloud.provider is empty")
