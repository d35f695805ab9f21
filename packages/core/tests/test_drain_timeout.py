"""A hold in a drain has an end where any pod holds, and says by whom it is held and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest
from core_builders import IP1, NOW, allocation, node, observed_with, raw_allocation, raw_pod, record
from simulation import Simulation
from virtual_core import Lab, play

from moorage_core.believed import BelievedRecords
from moorage_core.decide.moments import clock
from moorage_core.model import DrainMode, Observed, Workload
from moorage_core.projections import project_allocation
from moorage_core.settings import CoreSettings
from moorage_kube.client.kinds import PODS
from moorage_testing.virtual_time import set_wall_clock

TIMEOUT = 300.0
WEB = Workload("Deployment", "default", "web")


@pytest.fixture
def held() -> Simulation:
    """An address at rest on n1, where a pod runs; n2 is free, and no workload is named."""
    simulation = Simulation()
    simulation.add_node("n1")
    simulation.add_node("n2")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.drain_timeout = TIMEOUT
    simulation.busy = {"n1"}
    simulation.events.clear()
    return simulation


def test_sec_07_a_pod_holds_a_drained_address_no_longer_than_the_administrator_says(
    held: Simulation,
) -> None:
    held.change_node("n1", unschedulable=True)
    held.settle(TIMEOUT - 5)
    assert held.where(IP1) == "n1"
    held.settle(10)
    assert held.where(IP1) == "n2"
    assert held.events[-2] == (
        f"Warning DrainTimedOut: {IP1}: moving it from node n1 to node n2: node n1 is cordoned;"
        " pods still run there; it was held for 300 s, the most that --drain-timeout allows"
    )


def test_sec_07_people_read_until_when_it_is_held(held: Simulation) -> None:
    held.change_node("n1", unschedulable=True)
    held.settle(5)
    began = held.record("a", IP1).held_since
    message = held.record("a", IP1).message
    assert message == (
        "node n1 is cordoned; pods still run there; it moves at"
        f" {clock(began + TIMEOUT)} UTC at the latest"
    )
    assert held.events == [f"Normal WorkloadRunning: {IP1}: {message}"]
    # It is written once, not at every pass.
    held.writes.clear()
    held.settle(100)
    assert held.writes == []


def test_sec_07_a_crash_starts_no_hold_anew(held: Simulation) -> None:
    held.change_node("n1", unschedulable=True)
    for _ in range(6):
        held.settle(TIMEOUT / 6 + 1)
        held.crash()
    held.settle(1)
    assert held.where(IP1) == "n2"


@pytest.mark.parametrize("mode", [DrainMode.WORKLOAD_GONE, DrainMode.ALL_PODS_GONE])
def test_sec_07_where_a_workload_is_named_nothing_ends_by_default(
    held: Simulation, mode: DrainMode
) -> None:
    held.allocate("a", IP1, workload=WEB, drain=mode)
    held.crowded = {"n1"}
    held.change_node("n1", unschedulable=True)
    held.settle(100 * TIMEOUT)
    assert held.where(IP1) == "n1"
    assert "at the latest" not in held.record("a", IP1).message


def test_sec_07_where_a_workload_is_named_its_own_bound_counts(held: Simulation) -> None:
    held.allocate("a", IP1, workload=WEB, drain_timeout=60.0)
    held.change_node("n1", unschedulable=True)
    held.settle(65)
    assert held.where(IP1) == "n2"
    assert "the most that spec.failover.drainTimeoutSeconds allows" in held.events[-2]


def test_sec_07_zero_holds_as_long_as_the_pods_run(held: Simulation) -> None:
    held.allocate("a", IP1, drain_timeout=0.0)
    held.change_node("n1", unschedulable=True)
    held.settle(100 * TIMEOUT)
    assert held.where(IP1) == "n1"


def test_sec_07_pods_that_come_and_go_do_not_prolong_it(held: Simulation) -> None:
    held.change_node("n1", unschedulable=True)
    for on in (False, True) * 5:
        # The watch never knows them all: the tenant starts one pod after the other.
        held.busy = {"n1"} if on else {"n1", "n2"}
        held.settle(TIMEOUT / 9)
    assert held.where(IP1) == "n2"


def test_sec_07_an_uncordoned_node_starts_the_time_anew(held: Simulation) -> None:
    for _ in range(3):
        held.change_node("n1", unschedulable=True)
        held.settle(TIMEOUT - 20)
        held.change_node("n1", unschedulable=False)
        held.settle(1)
        assert held.record("a", IP1).held_since == 0.0
    assert held.where(IP1) == "n1"


def test_sec_07_a_target_that_is_cordoned_meanwhile_holds_for_a_time_of_its_own(
    held: Simulation,
) -> None:
    held.change_node("n1", unschedulable=True)
    held.settle(TIMEOUT - 1)
    held.mutation_seconds = 5.0
    held.busy = {"n1", "n2"}
    held.work(2)
    held.change_node("n2", unschedulable=True)
    held.add_node("n3")
    held.settle(20)
    assert held.where(IP1) == "n2"
    assert held.now - held.record("a", IP1).held_since < 30


def test_sec_07_the_address_stays_where_no_other_node_is_free(held: Simulation) -> None:
    held.remove_node("n2")
    held.change_node("n1", unschedulable=True)
    held.settle(TIMEOUT + 5)
    assert (held.where(IP1), held.record("a", IP1).reason) == ("n1", "NoEligibleNode")
    held.add_node("n4")
    held.settle(1)
    assert held.where(IP1) == "n4"


def believed(seen: Observed, began: float, *, now: float, uptime: float) -> float:
    """Since when a hold has lasted as a process believes it that first saw it at uptime 0."""
    records = BelievedRecords()
    one = record(IP1, "n1", held_since=began)
    records.of(seen.allocation.name, (one,), NOW, 0.0)
    return records.of(seen.allocation.name, (one,), now, uptime)[0].held_since


def test_sec_07_a_clock_that_is_set_ends_no_hold() -> None:
    seen = observed_with(node("n1"), one=allocation(IP1))
    hour = 3600.0
    # Ten seconds go by, and somebody sets the clock forward, or back, by an hour.
    for jump in (hour, -hour):
        began = believed(seen, NOW - 100, now=NOW + 10 + jump, uptime=10.0)
        assert began == NOW - 100 + jump
    assert believed(seen, NOW - 100, now=NOW + 10, uptime=10.0) == NOW - 100


def test_sec_07_a_hold_that_begins_in_the_future_begins_now() -> None:
    one = record(IP1, "n1", held_since=NOW + 86_400)
    assert BelievedRecords().of("a", (one,), NOW, 0.0) == (replace(one, held_since=NOW),)


def test_sec_07_the_spec_says_nothing_zero_or_seconds() -> None:
    def timeout(**failover: int) -> float | None:
        raw = raw_allocation("a", IP1, spec={"failover": failover})
        return project_allocation(raw).allocation.drain_timeout

    assert (timeout(), timeout(drainTimeoutSeconds=0), timeout(drainTimeoutSeconds=90)) == (
        None, 0.0, 90.0,
    )  # fmt: skip
    assert CoreSettings.model_validate({}).drain_timeout == 3600.0


def test_sec_07_the_pod_of_a_tenant_is_named_and_its_hold_outlives_a_leader() -> None:
    async def story(lab: Lab) -> None:
        lab.add_node("n1")
        lab.add_node("n2")
        lab.allocate(IP1, failover={"drainTimeoutSeconds": 60})
        await lab.until(lambda: bool(lab.where(IP1)) and len(lab.labelled()) == 1, "it there", 30)
        first = lab.where(IP1)
        other = {"n1": "n2", "n2": "n1"}[first]
        # It tolerates every taint, so no drain removes it for good.
        pod = raw_pod("parasite", first, tolerations=[{"operator": "Exists"}])
        lab.server.put(
            PODS, "parasite", namespace="default", metadata=pod["metadata"], spec=pod["spec"],
            status=pod["status"],
        )  # fmt: skip
        await lab.world.pass_time(1)
        lab.cordon(first)
        await lab.until(lambda: "heldSince" in lab.record(IP1), "the hold", 30)
        since = datetime.fromisoformat(lab.record(IP1)["heldSince"]).timestamp()
        assert lab.record(IP1)["message"] == (
            f"node {first} is cordoned; pods still run there: default/parasite; it moves at"
            f" {clock(since + 60)} UTC at the latest"
        )
        await lab.world.pass_time(30)
        await lab.world.kill()
        lab.world.begin()
        took = await lab.until(lambda: lab.settled(IP1, other), "the move", 60)
        assert took < 35
        (moved,) = lab.events("DrainTimedOut")
        assert "pods still run there: default/parasite; it was held for 60 s" in moved

    play(story)


def test_sec_07_a_new_leader_whose_clock_is_behind_holds_no_longer_than_the_bound() -> None:
    async def story(lab: Lab) -> None:
        set_wall_clock(86_400.0)
        lab.add_node("n1")
        lab.add_node("n2")
        lab.allocate(IP1, failover={"drainTimeoutSeconds": 60})
        await lab.until(lambda: len(lab.labelled()) == 1, "it there", 30)
        first = lab.where(IP1)
        pod = raw_pod("parasite", first)
        lab.server.put(
            PODS, "parasite", namespace="default", metadata=pod["metadata"], spec=pod["spec"],
            status=pod["status"],
        )  # fmt: skip
        await lab.world.pass_time(1)
        lab.cordon(first)
        await lab.until(lambda: "heldSince" in lab.record(IP1), "the hold", 30)
        await lab.world.kill()
        set_wall_clock(0.0)
        lab.world.begin()
        await lab.until(lambda: lab.where(IP1) != first, "the move", 70)

    play(story)
