"""An address that no node can have: what people are told of it, counted as a scheduler would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from core_builders import (
    IP1,
    IP2,
    IP3,
    UPTIME,
    allocation,
    node,
    node_ref,
    observed_with,
    record,
    tainted,
)
from simulation import Simulation

from moorage_core.decide.allocation import decide
from moorage_core.decide.targets import Targets
from moorage_core.model import AddressRecord, Allocation, ForeignPolicy, Phase, Present, Workload
from moorage_core.status import AllocationStatus
from moorage_domain.scheduling import ANY_POD
from moorage_provider.errors import CloudError
from moorage_provider.protocol import CloudAddress
from moorage_testing.faults import Fault

EDGE = (("pool", "edge"),)


def edge(*names: str) -> Simulation:
    """A pool of these nodes."""
    simulation = Simulation()
    for name in names:
        simulation.add_node(name, labels={"pool": "edge"})
    return simulation


def message(simulation: Simulation, ip: str = IP1) -> str:
    found = simulation.record("a", ip)
    assert found.reason == "NoEligibleNode"
    return found.message


def condition(simulation: Simulation, kind: str) -> tuple[str, str]:
    found = next(one for one in simulation.stored["a"].conditions if one.type == kind)
    return found.status, found.reason


def test_harm_23_nodes_are_counted_by_what_keeps_each_from_being_used() -> None:
    simulation = edge("aws-1", "aws-2", "aws-3", "aws-5")
    simulation.change_node("aws-2", ready=False)
    simulation.change_node("aws-5", unschedulable=True)
    simulation.allocate("a", IP1, IP2, IP3, selector=EDGE)
    simulation.settle()
    counts = "4 nodes match pool=edge, 0 free: 2 hold an address, aws-2 NotReady, aws-5 cordoned"
    assert message(simulation, IP3) == counts
    assert condition(simulation, "Ready") == ("False", "NoEligibleNode")
    # A spare address that waits for a node is no trouble.
    assert condition(simulation, "Degraded") == ("False", "Healthy")
    assert f"Normal NoEligibleNode: {IP3}: {counts}" in simulation.events


def test_harm_23_a_misspelt_selector_is_seen_at_once() -> None:
    simulation = edge("aws-1")
    simulation.allocate("a", IP1, selector=(("pool", "egde"),))
    simulation.settle()
    assert message(simulation) == "no node matches pool=egde"
    simulation.allocate("a", IP1, selector=EDGE, zones=frozenset({"b", "a"}))
    simulation.settle()
    assert message(simulation) == "no node matches pool=edge in zones a, b"


def test_harm_23_without_a_selector_every_node_counts() -> None:
    simulation = Simulation()
    simulation.allocate("a", IP1, selector=())
    simulation.settle()
    assert message(simulation) == "the cluster has no node"
    simulation.add_node("n1", unschedulable=True)
    simulation.settle()
    assert message(simulation) == "1 node, 0 free: n1 cordoned"


def test_harm_23_a_drained_node_that_still_has_it_is_named_with_the_reason_and_is_trouble() -> None:
    simulation = edge("aws-1", "aws-2")
    simulation.allocate("a", IP1, IP2, selector=EDGE)
    simulation.settle()
    simulation.change_node("aws-1", unschedulable=True)
    simulation.settle()
    told = (
        "node aws-1 is cordoned, and it stays there: 2 nodes match pool=edge, 0 free:"
        " 1 holds an address, aws-1 cordoned"
    )
    assert message(simulation) == told
    found = simulation.record("a", IP1)
    assert (found.phase, found.node_ref and found.node_ref.name) == (Phase.HOLDING, "aws-1")
    assert condition(simulation, "Degraded") == ("True", "NoEligibleNode")
    assert simulation.events[-1] == f"Warning NoEligibleNode: {IP1}: {told}"


def test_harm_23_the_count_follows_the_nodes_and_is_no_new_event() -> None:
    simulation = edge("n1")
    simulation.allocate("a", IP1, IP2, selector=EDGE)
    simulation.settle()
    before = list(simulation.events)
    simulation.add_node("n2", labels={"pool": "edge"}, ready=False)
    simulation.settle()
    found = message(simulation, IP2)
    assert found == "2 nodes match pool=edge, 0 free: 1 holds an address, n2 NotReady"
    assert simulation.events == before


def test_harm_23_many_nodes_of_one_kind_are_a_number() -> None:
    simulation = edge("n1", "n2", "n3", "n4", "n5", "n6", "n7")
    for name in ("n1", "n2", "n3", "n4"):
        simulation.change_node(name, unschedulable=True)
    for name in ("n5", "n6"):
        simulation.change_node(name, taints=tainted("karpenter.sh/disrupted"))
    simulation.change_node("n7", provider_id="")
    simulation.allocate("a", IP1, selector=EDGE)
    simulation.settle()
    assert message(simulation) == (
        "7 nodes match pool=edge, 0 free: 4 cordoned, n5, n6 tainted karpenter.sh/disrupted,"
        " n7 without a machine in this cloud"
    )


def test_harm_23_of_two_objects_of_one_machine_each_names_the_other() -> None:
    simulation = edge("n1")
    simulation.allocate("a", IP1, selector=EDGE)
    simulation.settle()
    simulation.add_node("n0", labels={"pool": "edge"}, machine="vm-n1", ready=True)
    simulation.allocate("a", IP1, IP2, selector=EDGE)
    simulation.settle()
    free = message(simulation, IP2)
    assert free == (
        "2 nodes match pool=edge, 0 free: n1 the same machine as n0, n0 the same machine as n1"
    )


def test_harm_19_the_last_failure_is_told_once_and_nothing_else_is_left_over() -> None:
    simulation = edge("n1", "n2")
    for number in range(4):
        simulation.cloud.faults.inject(Fault(op="attach", late_error=CloudError(f"no {number}")))
    simulation.allocate("a", IP1, selector=EDGE)
    simulation.work(30)
    told = "2 nodes match pool=edge, 0 free: n1, n2 refused it lately; the last try failed: no 1"
    assert message(simulation) == told
    assert simulation.record("a", IP1).operation == ""
    simulation.work(60)  # both are tried again, and refuse again
    assert message(simulation).count("failed") == 1
    assert message(simulation).endswith("; the last try failed: no 3")
    attempts = [event for event in simulation.events if "giving" in event]
    assert all(event.count("failed") <= 1 for event in attempts)


def test_a_mutation_of_which_nobody_knows_the_end_is_remembered_as_long_as_it_may_count() -> None:
    simulation = edge("n1")
    simulation.allocate("a", IP1, selector=EDGE)
    simulation.settle()
    simulation.cloud.assign(IP1, None)
    begun = replace(
        simulation.record("a", IP1), phase=Phase.ATTACHING, operation="attach/r1",
        since=simulation.now,
    )  # fmt: skip
    simulation.stored["a"].records = (begun,)
    simulation.change_node("n1", unschedulable=True)
    simulation.work(1)
    assert simulation.record("a", IP1).operation == "attach/r1"
    simulation.work(60)
    assert simulation.record("a", IP1).operation == ""


def test_what_a_stranger_has_and_no_node_can_take_is_said_so() -> None:
    simulation = edge("n1")
    simulation.change_node("n1", unschedulable=True)
    simulation.cloud.add_machine("stranger")
    simulation.allocate("a", IP1, selector=EDGE, foreign=ForeignPolicy.ALWAYS)
    simulation.cloud.assign(IP1, "stranger")
    simulation.settle()
    assert message(simulation) == (
        "machine stranger has it, and keeps it: 1 node matches pool=edge, 0 free: n1 cordoned"
    )


class Counted(Mapping[str, str]):
    """Counts how often something is looked up."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_by_key, self.lookups = values, Counter[str]()

    def __getitem__(self, key: str) -> str:
        self.lookups[key] += 1
        return self.values_by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)


def test_sec_03_the_pool_is_looked_through_once_for_all_addresses_that_wait() -> None:
    nodes = [node(f"n{number}") for number in range(200)]
    ips = [f"203.0.113.{number}" for number in range(200)]
    observed = observed_with(*nodes, one=allocation(*ips))
    taken = Counted({one.name: "b" for one in nodes})
    cloud_states = {ip: Present(CloudAddress(ip, f"res-{ip}", None)) for ip in ips}
    decide(replace(observed, taken=taken, cloud_states=cloud_states))
    assert max(taken.lookups.values()) <= 4  # two hundred times, each for every address


def test_a_node_that_refused_one_address_is_counted_so_for_that_one_alone() -> None:
    nodes = [node(name) for name in ("n1", "n2", "n3")]
    observed = observed_with(
        *nodes,
        one=allocation(IP1, IP2, IP3),
        records=(record(IP3, "n3"),),
        cloud_states={ip: Present(CloudAddress(ip, f"res-{ip}", None)) for ip in (IP1, IP2, IP3)},
        taken={"n1": "b"},
        avoided={IP1: {"uid-n2": UPTIME + 60.0, "uid-n9": UPTIME + 60.0}},
    )
    targets = Targets(observed)
    targets.assume("n3", IP3)
    first = {why: list(names) for why, names in targets.why_none(AddressRecord(IP1)).items()}
    assert first == {"hold an address": ["n1", "n3"], "refused it lately": ["n2"]}
    assert dict(targets.why_none(AddressRecord(IP2))) == {
        "hold an address": ["n1", "n3"],
        "": ["n2"],
    }
    targets.pick(AddressRecord(IP2))
    assert dict(targets.why_none(AddressRecord("203.0.113.99"))) == {
        "hold an address": ["n1", "n2", "n3"]
    }


def test_sec_03_a_message_stays_short_whatever_selector_zones_and_taints_are() -> None:
    labels = {f"{number:02}.example.com/{'k' * 60}": "v" * 63 for number in range(64)}
    nodes = [
        node(f"n{n}", f"{n:02}.example.com/{'t' * 60}", labels=labels, zone=f"z{n % 30:02}")
        for n in range(100)
    ]
    one = allocation(
        IP1,
        selector=tuple(sorted(labels.items())),
        zones=frozenset(f"z{number:02}" for number in range(30)),
        workload=Workload("Deployment", "shop", "web"),
    )
    found = {IP1: Present(CloudAddress(IP1, "res-1", None))}
    plan = decide(observed_with(*nodes, one=one, cloud_states=found, pods_go=ANY_POD))
    assert isinstance(plan.status, AllocationStatus)
    text = plan.status.records[0].message
    assert " and 61 more labels in zones z00, z01, z02 and 27 more, 0 free: " in text
    assert text.endswith(", 92 for other reasons")
    assert len(text) < 3000


def test_an_allocation_named_as_an_address_does_not_share_its_node() -> None:
    observed = observed_with(node("n1"), taken={"n1": IP1})
    assert Targets(observed).pick(AddressRecord(IP1)) is None
    assert Targets(observed).has_other(node_ref("n1"), IP1)


@pytest.mark.parametrize(
    ("one", "taken", "keeps"),
    [
        (allocation(IP1, IP2), {}, True),
        (allocation(IP1), {}, False),
        (allocation(IP1, IP2, deleting=True), {}, False),
        (allocation(IP1), {"n1": "b"}, True),
    ],
    ids=["wanted", "not listed any more", "all are released", "another allocation's"],
)
def test_harm_07_a_node_keeps_another_address_unless_that_is_released_too(
    one: Allocation, taken: dict[str, str], *, keeps: bool
) -> None:
    targets = Targets(observed_with(node("n1"), one=one, taken=taken))
    targets.assume("n1", IP2)
    assert targets.keeps_other(node_ref("n1"), IP1) == keeps
    assert not targets.keeps_other(node_ref("n2"), IP1), "nothing is there"
