"""Two Node objects with one providerID: nothing new for either, and what is there stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core_builders import (
    IP1,
    IP2,
    by_machine,
    node,
    node_ref,
    observed_with,
    raw_allocation,
    raw_node,
    record,
    shared_machines,
    tainted,
)
from simulation import Simulation
from virtual_core import Lab, play

from moorage_core.caches import Caches
from moorage_core.decide.one_machine import DUPLICATE, duplicate_condition
from moorage_core.decide.targets import Targets
from moorage_core.machines import Machines
from moorage_core.model import AddressRecord, Observed, Phase
from moorage_core.triggers import Triggers
from moorage_domain.conditions import Condition
from moorage_domain.nodes import Node
from moorage_kube.client.kinds import NODES

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


@pytest.fixture
def simulation() -> Simulation:
    """IP1 is on n1; n2 is free."""
    simulation = Simulation()
    for name in ("n1", "n2"):
        simulation.add_node(name)
    simulation.allocate("a", IP1)
    simulation.settle()
    assert simulation.where(IP1) == "n1"
    return simulation


def impersonate(simulation: Simulation, name: str = "a-impostor") -> None:
    """A kubelet registers with the machine of n1; its name comes before n1's."""
    simulation.add_node(name, machine="vm-n1")


def condition(simulation: Simulation, name: str = "a") -> Condition:
    conditions = simulation.stored[name].conditions
    return next(one for one in conditions if one.type == "DuplicateProviderID")


def test_sec_05_nothing_new_goes_to_either(simulation: Simulation) -> None:
    simulation.remove_node("n2")
    impersonate(simulation)
    before = len(simulation.cloud.mutations)
    simulation.allocate("a", IP1, IP2)
    simulation.allocate("b", "203.0.113.20")
    simulation.settle(seconds=100)
    assert simulation.cloud.mutations[before:] == []
    assert simulation.record("a", IP2).reason == "NoEligibleNode"
    assert "a-impostor the same machine as n1" in simulation.record("a", IP2).message
    assert simulation.record("b", "203.0.113.20").reason == "NoEligibleNode"


def test_sec_05_before_either_has_an_address_neither_gets_one() -> None:
    simulation = Simulation()
    simulation.add_node("n1")
    impersonate(simulation)
    simulation.allocate("a", IP1)
    simulation.settle(seconds=100)
    assert simulation.where(IP1) is None
    assert simulation.labelled() == {}
    simulation.remove_node("a-impostor")
    simulation.settle(seconds=100)
    assert simulation.labelled() == {"n1": "203-0-113-10"}


def test_sec_05_both_are_named_until_one_is_gone(simulation: Simulation) -> None:
    assert condition(simulation).status == "False"
    impersonate(simulation)
    simulation.settle(seconds=1)
    told = condition(simulation)
    assert (told.status, told.reason) == ("True", "DuplicateProviderID")
    assert told.message.startswith("nodes a-impostor and n1 have one providerID (vm-n1): ")
    simulation.remove_node("a-impostor")
    simulation.settle(seconds=1)
    assert condition(simulation).status == "False"


@pytest.mark.parametrize(
    "victim",
    [
        {},
        {"unschedulable": True},
        {"deleting": True},
        {"taints": tainted("karpenter.sh/disrupted")},
        {"labels": {"pool": "another"}},
    ],
)
def test_sec_05_a_victims_address_is_never_reported_on_the_impostor(
    simulation: Simulation, victim: dict[str, Any]
) -> None:
    simulation.remove_node("n2")
    simulation.busy = {"n1"}
    impersonate(simulation)
    simulation.change_node("n1", **victim)
    simulation.settle(seconds=600)
    here = simulation.record("a", IP1).node_ref
    assert here is not None
    assert here.name == "n1"
    assert simulation.where(IP1) == "n1"
    assert set(simulation.labelled()) == {"n1"}


def test_sec_05_a_cordoned_victims_address_moves_to_a_third_machine(
    simulation: Simulation,
) -> None:
    impersonate(simulation)
    simulation.change_node("n1", unschedulable=True)
    simulation.settle(seconds=100)
    assert simulation.where(IP1) == "n2"
    assert set(simulation.labelled()) == {"n2"}


@pytest.mark.parametrize("lost", [{"ready": False}, {"deleting": True}])
def test_a_node_that_comes_back_under_another_name_keeps_the_address_once_its_old_object_is_gone(
    simulation: Simulation, lost: dict[str, Any]
) -> None:
    simulation.remove_node("n2")
    before = len(simulation.cloud.mutations)
    simulation.change_node("n1", **lost)
    simulation.add_node("renamed", machine="vm-n1")
    simulation.settle(seconds=600)
    assert simulation.record("a", IP1).reason == "NoEligibleNode"
    simulation.remove_node("n1")
    simulation.settle(seconds=100)
    assert simulation.record("a", IP1).reason == "Bound"
    assert set(simulation.labelled()) == {"renamed"}
    assert simulation.cloud.mutations[before:] == [], "it never left the machine"


def test_sec_05_a_duplicate_that_is_there_for_a_moment_changes_nothing(
    simulation: Simulation,
) -> None:
    before = len(simulation.cloud.mutations)
    impersonate(simulation)
    simulation.settle(seconds=5)
    assert simulation.record("a", IP1).reason == "Bound"
    simulation.remove_node("a-impostor")
    simulation.settle(seconds=100)
    assert simulation.record("a", IP1).reason == "Bound"
    assert simulation.cloud.mutations[before:] == []


# Which of them stands for the machine.


def stands(*nodes: Node, records: tuple[AddressRecord, ...] = ()) -> str:
    (found,) = by_machine(nodes, {one.provider_id: "vm" for one in nodes}, records).values()
    return found


@pytest.mark.parametrize(
    "newer",
    [{}, {"ready": False}, {"unschedulable": True}, {"deleting": True}, {"labels": {"pool": "b"}}],
)
def test_the_object_that_was_there_first_stands_for_its_machine(newer: dict[str, Any]) -> None:
    first, second = node("n2", created=OLD), node("n1", created=NEW, **newer)
    assert stands(first, second) == stands(second, first) == "n2"
    worse = node("n2", created=OLD, unschedulable=True, ready=False)
    assert stands(worse, second) == "n2"


def test_the_object_that_a_record_names_comes_before_an_older_one() -> None:
    old, new = node("n1", created=OLD), node("n2", created=NEW)
    assert stands(old, new, records=(record(IP1, "n2"),)) == "n2"
    assert stands(old, new, records=(record(IP1, "n1"),)) == "n1"


def test_sec_05_the_object_that_an_address_is_leaving_stands_for_its_machine() -> None:
    """A move has begun, so the record names its target; the false object came no later."""
    victim, false = node("n1", created=OLD), node("a-impostor", created=OLD)
    moving = record(IP1, "n2", phase=Phase.ATTACHING, previous=node_ref("n1"))
    assert stands(victim, false, records=(moving,)) == "n1"
    assert stands(victim, replace(false, created=""), records=(moving,)) == "n1"


def of_one_machine(*nodes: Node, **fields: Any) -> Observed:
    machine_of = {one.provider_id: "vm" for one in nodes}
    return observed_with(
        *nodes,
        machine_of=machine_of,
        by_machine=by_machine(nodes, machine_of, fields.get("records", ())),
        shared_machines=shared_machines(nodes, machine_of),
        **fields,
    )


def test_sec_05_no_object_of_a_shared_machine_is_a_target_chosen_before_or_not() -> None:
    observed = of_one_machine(node("n1"), node("n2"))
    targets = Targets(observed)
    assert targets.pick(AddressRecord(IP1)) is None
    assert targets.pick(record(IP1, "n1")) is None
    assert not any(map(targets.can_use, observed.nodes.values()))


def test_duplicates_that_concern_an_allocation_are_those_of_its_pool_and_its_addresses() -> None:
    others = node("n1", labels={"pool": "b"}), node("n2", labels={"pool": "c"})
    assert duplicate_condition(of_one_machine(*others)).status == "False"
    here = of_one_machine(*others, records=(record(IP1, "n2"),))
    assert duplicate_condition(here).status == "True"
    assert duplicate_condition(of_one_machine(others[0], node("n2"))).status == "True"


def test_shared_machines_are_known_as_objects_come_and_go() -> None:
    caches = Caches()
    caches.nodes.apply(raw_node("n1"))
    twin = raw_node("n2")
    twin["spec"]["providerID"] = "memory://vm-n1"
    caches.nodes.apply(twin)

    def machine_id(text: str) -> str | None:
        return text.removeprefix("memory://") or None

    machines = Machines(caches.nodes, machine_id)
    assert machines.shared == {"vm-n1": ["n1", "n2"]}
    caches.nodes.apply(raw_node("n2"))
    assert machines.shared == {}
    caches.nodes.apply(twin)
    assert machines.shared == {"vm-n1": ["n1", "n2"]}
    caches.nodes.forget("n1")
    assert machines.shared == {}


def test_sec_05_a_duplicate_concerns_whose_address_or_pool_the_machine_is() -> None:
    caches = Caches()
    keys: set[str] = set()
    Triggers(caches, keys.add)
    for name, pool in (("n1", "a"), ("n2", "a"), ("m1", "b")):
        caches.nodes.apply(raw_node(name, labels={"pool": pool}))
    for name, pool, place in (("a", "a", "n2"), ("b", "b", "n1"), ("c", "c", "m1")):
        spec = {"nodeSelector": {"pool": pool}}
        bound = (record(f"203.0.113.{ord(name)}", place),)
        caches.allocations.apply(raw_allocation(name, bound[0].ip, records=bound, spec=spec))
    keys.clear()
    twin = raw_node("z", labels={"pool": "of nobody"}, uid="uid-z")
    twin["spec"]["providerID"] = "memory://other-zone/vm-n1"
    caches.nodes.apply(twin)
    assert keys == {"a", "b"}, "pool a has n1, and an address of b is on it"
    keys.clear()
    caches.nodes.apply(twin | {"status": {"conditions": []}})
    assert keys == set()
    caches.nodes.forget("z")
    assert keys == {"a", "b"}


@pytest.mark.parametrize("created", [{"creationTimestamp": NEW}, {}], ids=["later", "no later"])
def test_sec_05_in_the_whole_controller_a_warning_names_both_and_the_victim_keeps_its_address(
    created: dict[str, Any],
) -> None:
    async def story(lab: Lab) -> None:
        for name in ("n1", "n2"):
            lab.add_node(name)
        lab.allocate(IP1)
        await lab.until(lambda: lab.settled(IP1, "n1"), "the address to be there", 30)
        raw = raw_node("a-impostor", **created)
        spec = {"providerID": "memory://vm-n1"}
        lab.server.put(
            NODES, "a-impostor", metadata=raw["metadata"], spec=spec, status=raw["status"]
        )
        await lab.until(lambda: bool(lab.events(DUPLICATE)), "the Event", 5)
        (told,) = lab.events(DUPLICATE)
        assert "nodes a-impostor and n1 have one providerID" in told
        assert lab.condition(DUPLICATE)["status"] == "True"
        assert lab.settled(IP1, "n1")
        lab.cordon("n1")
        await lab.until(lambda: lab.settled(IP1, "n2"), "the move", 30)
        lab.server.delete(NODES, "a-impostor")
        await lab.until(lambda: lab.condition(DUPLICATE)["status"] == "False", "its end", 5)

    play(story)
