"""Which nodes may keep an address, and which one gets the next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    UPTIME,
    allocation,
    node,
    node_ref,
    observed_with,
    record,
    tainted,
)
from hypothesis import given
from hypothesis import strategies as st
from simulation import Simulation

from moorage_core import reasons
from moorage_core.decide.targets import Leave, Targets, in_pool, patience, why_leave
from moorage_core.model import AddressRecord, NodeReference, Observed
from moorage_provider.protocol import MachineHolder

SPOT = "aws-node-termination-handler/spot-itn"
KARPENTER = "karpenter.sh/disrupted"


def picked(observed: Observed, one: AddressRecord | None = None) -> str | None:
    found = Targets(observed).pick(one or AddressRecord(IP1))
    return found.name if found else None


def test_a_recreated_node_is_not_held_back_by_the_pending_restore_of_its_namesake() -> None:
    n1, old = node("n1"), NodeReference("n1", "uid-old", "memory://vm-old")
    for provider_id, found in ((old.provider_id, "n1"), (n1.provider_id, None)):
        pending = record(IP2, restore_pending=(replace(old, provider_id=provider_id),))
        machine_of = {n1.provider_id: "vm-n1", old.provider_id: "vm-old"}
        assert picked(observed_with(n1, records=(pending,), machine_of=machine_of)) == found


@pytest.mark.parametrize(
    ("doubtful", "found"), [(("n1",), "n2"), (("n1", "n2"), "n1"), ((), "n1"), (("n2",), "n1")]
)
def test_harm_09_a_node_that_failed_again_and_again_comes_after_the_others(
    doubtful: tuple[str, ...], found: str
) -> None:
    until = {IP1: {f"uid-{name}": UPTIME + 1 for name in doubtful}}
    assert picked(observed_with(node("n1"), node("n2"), doubtful=until)) == found
    over = {IP1: {f"uid-{name}": UPTIME for name in doubtful}}
    assert picked(observed_with(node("n1"), node("n2"), doubtful=over)) == "n1"


@pytest.mark.parametrize(("doubtful", "found"), [(("n2",), "n1"), (("n1", "n2"), "n2")])
def test_harm_09_a_chosen_node_is_given_up_only_for_one_that_did_not_fail(
    doubtful: tuple[str, ...], found: str
) -> None:
    until = {IP1: {f"uid-{name}": UPTIME + 1 for name in doubtful}}
    one = record(IP1, node_ref=node_ref("n2"))
    assert picked(observed_with(node("n1"), node("n2"), doubtful=until), one) == found


def test_the_pool_is_a_selector_and_zones() -> None:
    zoned = allocation(IP1, zones=frozenset({"z1", "z2"}))
    assert in_pool(node("n1"), allocation(IP1))
    assert not in_pool(node("n1", labels={"pool": "b"}), allocation(IP1))
    assert not in_pool(node("n1"), zoned)  # its zone is unknown
    assert in_pool(node("n1", zone="z2"), zoned)
    assert not in_pool(node("n1", zone="z3"), zoned)
    assert in_pool(node("n1", labels={}), allocation(IP1, selector=()))


def test_a_fit_node_keeps_its_address() -> None:
    n1 = node("n1")
    assert why_leave(n1, observed_with(n1)) is None


@pytest.mark.parametrize(
    ("fields", "leave"),
    [
        (
            {"taints": tainted("example.com/x", SPOT), "ready": False, "unschedulable": True},
            Leave(reasons.NODE_LEAVING, f"node n1 has the taint {SPOT}", gentle=False),
        ),
        (
            {"ready": False, "unschedulable": True},
            Leave(reasons.NODE_NOT_READY, "node n1 is NotReady for 40 s or longer", gentle=False),
        ),
        (
            {"deleting": True, "taints": tainted(KARPENTER), "unschedulable": True},
            Leave(reasons.DRAINED, "node n1 is being deleted", gentle=True),
        ),
        (
            {"taints": tainted(KARPENTER), "unschedulable": True},
            Leave(reasons.DRAINED, f"node n1 is tainted {KARPENTER}", gentle=True),
        ),
        (
            {"unschedulable": True, "labels": {}},
            Leave(reasons.DRAINED, "node n1 is cordoned", gentle=True),
        ),
        ({"labels": {}}, Leave(reasons.DRAINED, "node n1 is not in the pool", gentle=True)),
    ],
)
def test_why_an_address_must_leave_the_hardest_reason_first(
    fields: dict[str, Any], leave: Leave
) -> None:
    n1 = node("n1", **fields)
    assert why_leave(n1, observed_with(n1, not_ready_since={"uid-n1": UPTIME - 40})) == leave


def test_a_node_is_lost_once_it_was_not_ready_for_as_long_as_the_allocation_says() -> None:
    n1 = node("n1", ready=False)
    one = allocation(IP1, not_ready_after=10.0)
    for age, left in ((0, 10.0), (4, 6.0), (10, 0.0), (99, 0.0)):
        observed = observed_with(n1, one=one, not_ready_since={"uid-n1": UPTIME - age})
        assert patience(n1, observed) == left
        assert (why_leave(n1, observed) is None) is (left > 0)
    assert patience(n1, observed_with(n1, one=one)) == 10.0  # nobody noted since when
    assert patience(node("n1"), observed_with(n1, not_ready_since={"uid-n1": 0.0})) == 0.0


def test_a_cordoned_node_waits_while_it_is_not_ready_for_a_moment_only() -> None:
    n1 = node("n1", ready=False, unschedulable=True)
    leave = why_leave(n1, observed_with(n1))
    assert leave is not None
    assert leave.gentle


@pytest.mark.parametrize(
    "fields",
    [
        {"ready": False},
        {"unschedulable": True},
        {"taints": tainted(SPOT)},
        {"taints": tainted(KARPENTER)},
        {"deleting": True},
        {"provider_id": ""},
        {"provider_id": "other://vm"},
        {"labels": {"pool": "b"}},
    ],
)
def test_an_address_comes_to_no_node_that_could_not_keep_it(fields: dict[str, Any]) -> None:
    n1 = node("n1", **fields)
    observed = observed_with(n1, machine_of={"memory://vm-n1": "vm-n1"})
    assert not Targets(observed).can_use(n1)
    assert picked(observed) is None


def test_the_first_free_node_by_name_is_taken_whatever_their_order() -> None:
    assert picked(observed_with(node("n2"), node("n10"), node("n1"))) == "n1"


def test_the_node_already_chosen_is_taken_again_while_it_can() -> None:
    observed = observed_with(node("n1"), node("n2"))
    assert picked(observed, record(IP1, "n2")) == "n2"
    assert picked(observed, record(IP1, node_ref=node_ref("n2", "another"))) == "n1"
    cordoned = observed_with(node("n1"), node("n2", unschedulable=True))
    assert picked(cordoned, record(IP1, "n2")) == "n1"


def test_a_node_with_or_assumed_by_another_allocation_is_not_free() -> None:
    observed = observed_with(node("n1"), node("n2"), taken={"n1": "b"})
    assert picked(observed) == "n2"
    assert picked(observed, record(IP1, "n1")) == "n2"


def test_a_node_belongs_to_the_allocation_that_assumed_it_first() -> None:
    targets = Targets(observed_with(node("n1"), node("n2")))
    targets.assume("n1", IP2)
    targets.assume("n1", IP1)
    first, second = targets.pick(record(IP1, "n1")), targets.pick(record(IP2, "n1"))
    assert first
    assert second
    assert (first.name, second.name) == ("n2", "n1")


def test_a_node_that_refused_is_avoided_for_its_time_and_by_that_address_only() -> None:
    observed = observed_with(node("n1"), node("n2"), avoided={IP1: {"uid-n1": UPTIME + 1}})
    assert picked(observed) == "n2"
    assert picked(observed, record(IP1, "n1")) == "n2"
    assert picked(observed, AddressRecord(IP2)) == "n1"
    over = observed_with(node("n1"), node("n2"), avoided={IP1: {"uid-n1": UPTIME}})
    assert picked(over) == "n1"
    again = observed_with(node("n1", uid="another"), avoided={IP1: {"uid-n1": UPTIME + 1}})
    assert picked(again) == "n1"


@given(
    ips=st.lists(st.sampled_from([f"203.0.113.{n}" for n in range(8)]), unique=True),
    free=st.sets(st.sampled_from([f"n{n}" for n in range(8)])),
)
def test_no_two_addresses_get_one_node_and_none_waits_while_one_is_free(
    ips: list[str], free: set[str]
) -> None:
    observed = observed_with(*(node(f"n{n}", unschedulable=f"n{n}" not in free) for n in range(8)))
    targets = Targets(observed)
    chosen = [found.name for ip in ips if (found := targets.pick(AddressRecord(ip)))]
    assert len(set(chosen)) == len(chosen) == min(len(ips), len(free))
    assert set(chosen) <= free


def test_a_new_node_under_the_name_of_the_old_one_can_take_its_address() -> None:
    """The old machine still runs and holds it; its Node object was replaced by another."""
    simulation = Simulation()
    simulation.add_node("n1")
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.remove_node("n1")
    simulation.add_node("n1", machine="vm-n1-again")
    simulation.settle(seconds=61)
    assert simulation.record("a", IP1).reason == "Bound"
    holder = simulation.cloud.holder(IP1)
    assert isinstance(holder, MachineHolder)
    assert holder.machine_id == "vm-n1-again"


# Most of the pool at once.


def test_most_of_the_pool_down_at_once_is_not_believed() -> None:
    down = [node(f"n{n}", ready=False) for n in range(2)]
    message = Targets(observed_with(*down, node("n2"))).mass_not_ready
    assert message == "2 of 3 nodes of the pool are NotReady or gone at once; nothing moves"


@pytest.mark.parametrize(("down", "up"), [(0, 3), (1, 2), (2, 2), (1, 1), (2, 0)])
def test_half_of_a_pool_or_a_pool_too_small_to_judge_is_believed(down: int, up: int) -> None:
    nodes = [node(f"n{n}", ready=n >= down) for n in range(down + up)]
    assert Targets(observed_with(*nodes)).mass_not_ready == ""


def test_vanished_nodes_that_held_an_address_count_as_down() -> None:
    records = (record(IP1, "gone"), record(IP2, "lost"))
    since = {"uid-gone": UPTIME, "uid-lost": UPTIME}
    observed = observed_with(node("n1"), records=records, gone_since=since)
    assert Targets(observed).mass_not_ready.startswith("2 of 3")
    moving = record(IP1, "n1", previous=node_ref("gone"))
    observed = observed_with(node("n1"), records=(moving, records[1]), gone_since=since)
    assert Targets(observed).mass_not_ready.startswith("2 of 3")
    assert Targets(observed_with(node("n1"), records=records)).mass_not_ready == ""


def test_nodes_outside_the_pool_do_not_count() -> None:
    others = [node(f"m{n}", ready=False, labels={}) for n in range(5)]
    assert Targets(observed_with(*others, node("n1"), node("n2"), node("n3"))).mass_not_ready == ""


def test_what_went_down_at_different_times_has_different_causes() -> None:
    down = [node("n1", ready=False), node("n2", ready=False)]
    near = {"uid-n1": UPTIME - 300, "uid-n2": UPTIME}
    far = {"uid-n1": UPTIME - 301, "uid-n2": UPTIME}
    assert Targets(observed_with(*down, node("n3"), not_ready_since=near)).mass_not_ready
    assert not Targets(observed_with(*down, node("n3"), not_ready_since=far)).mass_not_ready


def test_a_node_gone_for_longer_than_it_may_take_to_come_back_does_not_count() -> None:
    records = (record(IP1, "gone"), record(IP2, "lost"))
    for age, freezes in ((359, True), (360, False)):  # 60 s of grace, 300 s of coincidence
        since = dict.fromkeys(("uid-gone", "uid-lost"), UPTIME - age)
        observed = observed_with(node("n1"), records=records, gone_since=since)
        assert bool(Targets(observed).mass_not_ready) is freezes
