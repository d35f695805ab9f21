"""What people read, as a table: situation -> condition, Event, log line, as a person would word it.

Each row plays a situation with the whole of the decisions, in virtual time, on a cloud in memory;
times of day are written as ``HH:MM:SS``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from core_builders import IP1, IP2, IP3, tainted
from simulation import Simulation

from moorage_core.model import Workload
from moorage_domain.scheduling import PodPlacement
from moorage_provider.errors import Denied, MachineUnfit, Throttled
from moorage_provider.protocol import OtherHolder
from moorage_testing.faults import Fault

_TIME = re.compile(r"\b\d\d:\d\d:\d\d\b")


@dataclass(frozen=True)
class Situation:
    """One row.

    Attributes:
        name: what has happened.
        play: lets it happen to a cluster where ``a`` has IP1 on n1 and IP2 on n2, both at rest.
        condition: the one that tells it, as ``<type>=<status> <reason>: <message>``.
        events: all that are published from then on, as ``<type> <reason>: <message>``.
        log: the last line about the allocation.
        of: the allocation.
    """

    name: str
    play: Callable[[Simulation], None]
    condition: str
    events: tuple[str, ...]
    log: str
    of: str = "a"


def nothing(_: Simulation) -> None:
    """All is well."""


def cordoned_and_pods_left(simulation: Simulation) -> None:
    simulation.busy.add("n1")
    simulation.change_node("n1", unschedulable=True)


def cordoned_and_no_node_is_free(simulation: Simulation) -> None:
    simulation.change_node("n3", ready=False)
    simulation.change_node("n1", unschedulable=True)


def drained(simulation: Simulation) -> None:
    simulation.change_node("n1", unschedulable=True)


def about_to_vanish(simulation: Simulation) -> None:
    simulation.change_node("n1", taints=tainted("node.kubernetes.io/out-of-service"))


def not_ready(simulation: Simulation) -> None:
    simulation.change_node("n1", ready=False)


def gone(simulation: Simulation) -> None:
    simulation.remove_node("n1")


def moved_by_others(simulation: Simulation) -> None:
    simulation.cloud.assign(IP1, "vm-n3")
    simulation.work(30.0)


def taken_off(simulation: Simulation) -> None:
    simulation.cloud.assign(IP1, None)
    simulation.work(30.0)


def taken_by_a_load_balancer(simulation: Simulation) -> None:
    simulation.cloud.assign(IP1, OtherHolder("load balancer lb-1"))
    simulation.work(30.0)


def released_in_the_cloud(simulation: Simulation) -> None:
    simulation.cloud.assign(IP1, None)
    simulation.cloud.remove_address(IP1)
    simulation.work(30.0)


def unreadable(simulation: Simulation) -> None:
    simulation.cloud.faults.inject(Fault(op="snapshot", error=Throttled("slow down"), times=None))
    simulation.work(30.0)


def no_right(simulation: Simulation) -> None:
    denied = Denied("the right ec2:AssociateAddress is missing")
    simulation.cloud.faults.inject(Fault(op="move", error=denied, times=None))
    simulation.change_node("n1", unschedulable=True)


def one_target_is_unfit(simulation: Simulation) -> None:
    simulation.add_node("n4")
    simulation.cloud.faults.inject(Fault(op="move", error=MachineUnfit("vm-n3 is stopped")))
    simulation.change_node("n1", unschedulable=True)


def selector_is_misspelt(simulation: Simulation) -> None:
    simulation.allocate("b", IP3, selector=(("pool", "egde"),))


def listed_twice(simulation: Simulation) -> None:
    simulation.allocate("b", IP1)


def label_is_shared(simulation: Simulation) -> None:
    simulation.pods_go, simulation.shares_label = PodPlacement(), True
    simulation.add_node("m1", labels={"pool": "b"})
    web = Workload("Deployment", "default", "web")
    simulation.allocate("b", IP3, selector=(("pool", "b"),))
    simulation.allocate("a", IP1, IP2, workload=web)


SITUATIONS = (
    Situation(
        name="all is well",
        play=nothing,
        condition="Ready=True AllBound: 2 of 2 addresses are on their nodes",
        events=(),
        log="2 of 2 addresses are on their nodes",
    ),
    Situation(
        name="cordoned, and its pods still run there",
        play=cordoned_and_pods_left,
        condition="Ready=True AllBound: 2 of 2 addresses are on their nodes",
        events=((f"Normal WorkloadRunning: {IP1}: node n1 is cordoned; pods still run there"),),
        log="2 of 2 addresses are on their nodes",
    ),
    Situation(
        name="cordoned, and no node is free",
        play=cordoned_and_no_node_is_free,
        condition=(
            f"Degraded=True NoEligibleNode: {IP1}: node n1 is cordoned, and it stays"
            " there: 3 nodes match pool=a, 0 free: 1 holds an address, n1 cordoned, n3 NotReady"
        ),
        events=(
            (
                f"Warning NoEligibleNode: {IP1}: node n1 is cordoned, and it stays there:"
                " 3 nodes match pool=a, 0 free: 1 holds an address, n1 cordoned, n3 NotReady"
            ),
        ),
        log=(
            f"1 of 2 addresses are on their nodes: {IP1}: node n1 is cordoned, and it"
            " stays there: 3 nodes match pool=a, 0 free: 1 holds an address, n1 cordoned, n3"
            " NotReady"
        ),
    ),
    Situation(
        name="cordoned and drained",
        play=drained,
        condition="Ready=True AllBound: 2 of 2 addresses are on their nodes",
        events=(
            (f"Normal Drained: {IP1}: moving it from node n1 to node n3: node n1 is cordoned"),
            (
                f"Normal Bound: {IP1}: on node n3; still to get a public address of its"
                " own again: n1"
            ),
        ),
        log="2 of 2 addresses are on their nodes",
    ),
    Situation(
        name="its node is about to vanish",
        play=about_to_vanish,
        condition="Ready=True AllBound: 2 of 2 addresses are on their nodes",
        events=(
            (
                f"Normal NodeLeaving: {IP1}: moving it from node n1 to node n3: node n1"
                " has the taint node.kubernetes.io/out-of-service"
            ),
            (
                f"Normal Bound: {IP1}: on node n3; still to get a public address of its"
                " own again: n1"
            ),
        ),
        log="2 of 2 addresses are on their nodes",
    ),
    Situation(
        name="its node is NotReady for a moment",
        play=not_ready,
        condition=(
            f"Ready=False NodeNotReady: 1 of 2 addresses are on their nodes: {IP1}: node"
            " n1 is NotReady since HH:MM:SS, the address moves at HH:MM:SS UTC unless it"
            " recovers"
        ),
        events=(
            (
                f"Warning NodeNotReady: {IP1}: node n1 is NotReady since HH:MM:SS, the"
                " address moves at HH:MM:SS UTC unless it recovers"
            ),
        ),
        log=(
            f"1 of 2 addresses are on their nodes: {IP1}: node n1 is NotReady since"
            " HH:MM:SS, the address moves at HH:MM:SS UTC unless it recovers"
        ),
    ),
    Situation(
        name="its Node object is gone",
        play=gone,
        condition=(
            f"Ready=False NodeGone: 1 of 2 addresses are on their nodes: {IP1}: the Node"
            " object n1 is gone since HH:MM:SS; its machine had the address when the cloud was"
            " last read; it moves at HH:MM:SS UTC, or as soon as the machine has lost it"
        ),
        events=(
            (
                f"Warning NodeGone: {IP1}: the Node object n1 is gone since HH:MM:SS; its"
                " machine had the address when the cloud was last read; it moves at HH:MM:SS"
                " UTC, or as soon as the machine has lost it"
            ),
        ),
        log=(
            f"1 of 2 addresses are on their nodes: {IP1}: the Node object n1 is gone"
            " since HH:MM:SS; its machine had the address when the cloud was last read; it"
            " moves at HH:MM:SS UTC, or as soon as the machine has lost it"
        ),
    ),
    Situation(
        name="somebody moved it to another node of the pool",
        play=moved_by_others,
        condition="Ready=True AllBound: 2 of 2 addresses are on their nodes",
        events=(
            (
                f"Warning MovedByOthers: {IP1}: somebody else moved it from node n1 to"
                " node n3, where it stays"
            ),
        ),
        log="2 of 2 addresses are on their nodes",
    ),
    Situation(
        name="somebody took it off",
        play=taken_off,
        condition="Ready=True AllBound: 2 of 2 addresses are on their nodes",
        events=(
            (f"Warning Repairing: {IP1}: giving it to node n1: somebody took it off the node"),
            f"Normal Bound: {IP1}: on node n1",
        ),
        log="2 of 2 addresses are on their nodes",
    ),
    Situation(
        name="a load balancer has it",
        play=taken_by_a_load_balancer,
        condition=(
            f"Degraded=True InUseByForeign: {IP1}: load balancer lb-1 has it, and is no"
            " node of this cluster"
        ),
        events=(
            (
                f"Warning InUseByForeign: {IP1}: load balancer lb-1 has it, and is no"
                " node of this cluster"
            ),
        ),
        log=(
            f"1 of 2 addresses are on their nodes: {IP1}: load balancer lb-1 has it, and"
            " is no node of this cluster"
        ),
    ),
    Situation(
        name="it is reserved no more",
        play=released_in_the_cloud,
        condition=(
            f"Ready=False NotFound: 1 of 2 addresses are on their nodes: {IP1}: not"
            " reserved in this account"
        ),
        events=(f"Warning NotFound: {IP1}: not reserved in this account",),
        log=f"1 of 2 addresses are on their nodes: {IP1}: not reserved in this account",
    ),
    Situation(
        name="the cloud cannot be read",
        play=unreadable,
        condition=(
            "Ready=Unknown Throttled: 2 of 2 addresses were on their nodes when last read at"
            f" HH:MM:SS: {IP1}, {IP2}: cannot read the cloud: slow down"
        ),
        events=(f"Warning Throttled: {IP1}, {IP2}: cannot read the cloud: slow down",),
        log=(
            "2 of 2 addresses were on their nodes when last read at HH:MM:SS:"
            f" {IP1}, {IP2}: cannot read the cloud: slow down"
        ),
    ),
    Situation(
        name="a right is missing",
        play=no_right,
        condition=(
            f"Degraded=True PermissionDenied: {IP1}: the right ec2:AssociateAddress is missing"
        ),
        events=(
            (f"Normal Drained: {IP1}: moving it from node n1 to node n3: node n1 is cordoned"),
            (f"Warning PermissionDenied: {IP1}: the right ec2:AssociateAddress is missing"),
        ),
        log=(
            f"1 of 2 addresses are on their nodes: {IP1}: the right ec2:AssociateAddress is missing"
        ),
    ),
    Situation(
        name="the first target cannot have it",
        play=one_target_is_unfit,
        condition="Ready=True AllBound: 2 of 2 addresses are on their nodes",
        events=(
            (f"Normal Drained: {IP1}: moving it from node n1 to node n3: node n1 is cordoned"),
            (
                f"Normal Compensating: {IP1}: giving node n3 a public address of its own"
                " again; the last try failed: vm-n3 is stopped"
            ),
            (
                f"Normal Drained: {IP1}: moving it from node n1 to node n4: node n1 is"
                " cordoned; the last try failed: vm-n3 is stopped"
            ),
            (
                f"Normal Bound: {IP1}: on node n4; still to get a public address of its"
                " own again: n1"
            ),
        ),
        log="2 of 2 addresses are on their nodes",
    ),
    Situation(
        name="the selector is misspelt",
        play=selector_is_misspelt,
        condition=(
            f"Ready=False NoEligibleNode: 0 of 1 addresses are on their nodes: {IP3}: no"
            " node matches pool=egde"
        ),
        events=(f"Normal NoEligibleNode: {IP3}: no node matches pool=egde",),
        log=f"0 of 1 addresses are on their nodes: {IP3}: no node matches pool=egde",
        of="b",
    ),
    Situation(
        name="an older allocation lists it",
        play=listed_twice,
        condition=(
            f"Conflict=True Conflict: {IP1}: NetIPAllocation a is older and lists the same address"
        ),
        events=(
            (f"Warning Conflict: {IP1}: NetIPAllocation a is older and lists the same address"),
        ),
        log=(
            f"0 of 1 addresses are on their nodes: {IP1}: NetIPAllocation a is older and"
            " lists the same address"
        ),
        of="b",
    ),
    Situation(
        name="pods may run on nodes of others",
        play=label_is_shared,
        condition=(
            "LabelShared=True LabelShared: pods of Deployment default/web ask for ip.ready"
            " only, which nodes of other allocations have, too: they may run on node m1, which"
            " has an address of b. Have them select pool=a, too"
        ),
        events=(
            f"Normal Attaching: {IP3}: giving it to node m1",
            f"Normal Bound: {IP3}: on node m1",
        ),
        log="2 of 2 addresses are on their nodes",
    ),
)


@pytest.fixture
def simulation() -> Simulation:
    """Two addresses at rest on n1 and n2; n3 is free."""
    simulation = Simulation()
    for name in ("n1", "n2", "n3"):
        simulation.add_node(name)
    simulation.allocate("a", IP1, IP2)
    simulation.settle()
    simulation.events.clear()
    return simulation


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in SITUATIONS])
def test_harm_19_each_situation_is_told_as_a_person_would_word_it(
    simulation: Simulation, row: Situation
) -> None:
    row.play(simulation)
    simulation.work(5.0)
    kind = row.condition.partition("=")[0]
    found = next(one for one in simulation.stored[row.of].conditions if one.type == kind)
    assert without_times(f"{kind}={found.status} {found.reason}: {found.message}") == row.condition
    assert tuple(map(without_times, simulation.events)) == row.events
    assert without_times(simulation.logged[row.of]) == row.log


def without_times(text: str) -> str:
    """``text`` with its times of day as the table has them."""
    return _TIME.sub("HH:MM:SS", text)
