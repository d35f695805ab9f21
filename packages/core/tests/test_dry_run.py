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
def observed(request: pytest.FixtureRequest) -> Simulation:
    observed = Simulation(MemoryCloud(request.param))
    for name in ("n1", "n2", "n3"):
        observed.add_node(name)
    return observed


def condition(observed: Simulation, kind: str) -> tuple[str, str, str]:
    found = next(c for c in observed.stored["a"].conditions if c.type == kind)
    return found.status, found.reason, found.message


def test_a_new_allocation_is_only_told_of(observed: Simulation) -> None:
    observed.allocate("a", IP1, IP2, dry_run=True)
    observed.settle()
    assert observed.cloud.mutations == []
    assert {type(action) for action in observed.writes} == {WriteStatus}
    assert not observed.stored["a"].allocation.finalizer
    record = observed.record("a", IP1)
    assert (record.phase, record.reason, record.node_ref) == (Phase.PENDING, "DryRun", None)
    assert record.message.startswith("would ask the cloud to")
    status, reason, message = condition(observed, "DryRun")
    assert (status, reason) == ("True", "WouldChange")
    assert IP1 in message
    assert IP2 in message
    assert condition(observed, "Ready")[0] == "False"


def test_a_dry_run_comes_to_rest(observed: Simulation) -> None:
    observed.allocate("a", IP1, dry_run=True)
    observed.settle()
    observed.writes.clear()
    observed.settle(seconds=60)
    assert observed.writes == []


def test_what_is_bound_stays_and_its_move_is_told(observed: Simulation) -> None:
    observed.allocate("a", IP1)
    observed.settle()
    before, writes = len(observed.cloud.mutations), len(observed.writes)
    observed.allocate("a", IP1, dry_run=True)
    observed.change_node("n1", unschedulable=True)
    observed.settle()
    assert len(observed.cloud.mutations) == before
    assert {type(action) for action in observed.writes[writes:]} == {WriteStatus}
    record = observed.record("a", IP1)
    assert (record.phase, record.reason) == (Phase.BOUND, "DryRun")
    assert record.node_ref is not None
    assert record.node_ref.name == "n1"
    assert "n2" in record.message
    assert set(observed.labelled()) == {"n1"}


def test_the_end_of_a_dry_run_does_what_was_told(observed: Simulation) -> None:
    observed.allocate("a", IP1, dry_run=True)
    observed.settle()
    observed.allocate("a", IP1, dry_run=False)
    observed.settle()
    assert observed.where(IP1) == "n1"
    assert condition(observed, "DryRun")[0] == "False"
    assert condition(observed, "Ready")[0] == "True"


def test_with_nothing_to_do_it_says_so(observed: Simulation) -> None:
    observed.allocate("a", IP1)
    observed.settle()
    observed.allocate("a", IP1, dry_run=True)
    observed.settle()
    assert condition(observed, "DryRun") == ("True", "NothingToDo", "nothing would be changed")
    assert observed.record("a", IP1).reason == "Bound"


def test_a_deleted_allocation_is_kept_until_the_dry_run_ends(observed: Simulation) -> None:
    observed.allocate("a", IP1)
    observed.settle()
    observed.allocate("a", IP1, dry_run=True)
    observed.delete("a")
    observed.settle()
    assert observed.where(IP1) == "n1"
    stored = observed.stored["a"]
    stored.allocation = replace(stored.allocation, dry_run=False)
    observed.settle()
    assert "a" not in observed.stored
    assert observed.where(IP1) is None


def test_people_get_an_event_of_what_would_be_done(observed: Simulation) -> None:
    observed.allocate("a", IP1, dry_run=True)
    seen = observed.look("a")
    (note,) = notes(seen, observed.plan("a"))
    assert (note.reason, note.type) == ("DryRun", "Normal")
    assert note.message.startswith(f"{IP1}: would ask the cloud to")


def test_before_the_cloud_is_read_nothing_is_promised(observed: Simulation) -> None:
    observed.allocate("a", IP1, dry_run=True)
    plan = decide(replace(observed.look("a"), cloud_states={IP1: Awaited()}))
    assert plan.message == "dry run: the cloud is not read yet"


def test_a_spec_that_cannot_be_carried_out_still_says_so(observed: Simulation) -> None:
    observed.allocate("a", IP1, dry_run=True, problem="spec.cloud.provider is empty")
    observed.settle()
    assert condition(observed, "Ready") == ("False", "InvalidSpec", "spec.cloud.provider is empty")
