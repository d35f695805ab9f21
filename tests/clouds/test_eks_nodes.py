"""Nodes of EKS, over HTTP: EC2 lends nothing by itself to those with several interfaces."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest
from emulated_cloud import EmulatedCloud
from simulation import Simulation

from moorage_core.actions import Mutate
from moorage_core.model import Mutation, Phase
from moorage_provider.protocol import MachineHolder
from moorage_provider_aws.provider import create
from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.clouds.memory import MemoryCloud
from moorage_testing.faults import Fault

IP1, IP2 = "203.0.113.10", "203.0.113.11"
RIGHT = "ModifyNetworkInterfaceAttribute"


@pytest.fixture
def simulation(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulation]:
    with Ec2Emulator() as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        provider = create({"region": emulator.region})
        cloud = EmulatedCloud(emulator, provider.capabilities)
        yield Simulation(cast("MemoryCloud", cloud), provider)
        assert emulator.violations == []
        asyncio.run(provider.close())


def public_ip(simulation: Simulation, name: str) -> str:
    return simulation.ask_machine(machine(simulation, name)).public_ip


def machine(simulation: Simulation, name: str) -> str:
    return simulation.machine_of(simulation.nodes[name])


def bound_on_n1(simulation: Simulation, *, with_public_ip: bool = True) -> None:
    """An address on n1, whose CNI then adds an interface; n2 is free."""
    for name in ("n1", "n2"):
        simulation.add_node(name, with_public_ip=with_public_ip)
    simulation.allocate("a", IP1)
    simulation.settle()
    assert simulation.where(IP1) == "n1"
    simulation.cloud.add_interface(machine(simulation, "n1"))


def test_harm_07_a_node_that_loses_its_reserved_address_has_a_public_one_again(
    simulation: Simulation,
) -> None:
    bound_on_n1(simulation)
    simulation.change_node("n1", unschedulable=True)
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    assert public_ip(simulation, "n1") not in ("", IP1)
    assert simulation.record("a", IP1).phase is Phase.BOUND
    owed = simulation.record("a", IP1).restore_pending
    assert [node_ref.name for node_ref in owed] == ["n2"]


def test_harm_07_a_node_that_never_had_a_public_address_gets_none(simulation: Simulation) -> None:
    bound_on_n1(simulation, with_public_ip=False)
    simulation.change_node("n1", unschedulable=True)
    simulation.settle()
    assert simulation.where(IP1) == "n2"
    assert public_ip(simulation, "n1") == ""
    assert simulation.record("a", IP1).restore_pending == ()


def test_harm_07_what_a_node_had_is_written_down_before_it_is_replaced(
    simulation: Simulation,
) -> None:
    written: list[tuple[bool, bool]] = []

    def look(action: object) -> None:
        if isinstance(action, Mutate) and action.mutation in (Mutation.ATTACH, Mutation.MOVE):
            owed = simulation.record("a", IP1).restore_pending
            written.append((bool(owed), simulation.where(IP1) is not None))

    simulation.after = look
    simulation.add_node("n1")
    simulation.allocate("a", IP1)
    simulation.settle()
    # First it is only asked for what the node has; then it is written down, then given.
    assert written == [(False, False), (True, True)]


def test_harm_07_a_released_address_leaves_its_node_with_a_public_one(
    simulation: Simulation,
) -> None:
    bound_on_n1(simulation)
    simulation.delete("a")
    simulation.settle(seconds=60)
    assert simulation.stored == {}
    assert simulation.where(IP1) is None
    assert public_ip(simulation, "n1") != ""


def test_harm_07_without_the_right_a_warning_of_its_own_names_node_and_right(
    simulation: Simulation,
) -> None:
    bound_on_n1(simulation)
    denied = Fault(op=RIGHT, status=403, code="UnauthorizedOperation", message="no", times=None)
    simulation.cloud.faults.inject(denied)
    simulation.change_node("n1", unschedulable=True)
    simulation.work(10)
    record = simulation.record("a", IP1)
    assert (record.phase, record.reason) == (Phase.BOUND, "NodeNotRestored")
    assert record.message.startswith(
        "on node n2; node n1 has no public address of its own any more:"
        " the credentials lack ec2:ModifyNetworkInterfaceAttribute"
    )
    conditions = {c.type: c for c in simulation.stored["a"].conditions}
    assert (conditions["Degraded"].status, conditions["Ready"].status) == ("True", "True")
    # Such a node may hold an address meanwhile; what it is owed is not forgotten.
    simulation.change_node("n1", unschedulable=False)
    simulation.allocate("b", IP2)
    simulation.work(100)
    assert simulation.where(IP2) == "n1"
    simulation.cloud.faults.clear()
    simulation.delete("b")
    simulation.settle(seconds=200)
    assert public_ip(simulation, "n1") not in ("", IP2)
    assert simulation.record("a", IP1).reason == "Bound"


def test_harm_07_the_right_that_is_missing_holds_no_release_up_for_ever(
    simulation: Simulation,
) -> None:
    bound_on_n1(simulation)
    denied = Fault(op=RIGHT, status=403, code="UnauthorizedOperation", message="no", times=None)
    simulation.cloud.faults.inject(denied)
    seen: list[str] = []
    simulation.after = lambda _: seen.extend(
        record.reason for stored in simulation.stored.values() for record in stored.records
    )
    simulation.delete("a")
    simulation.settle(seconds=60)
    assert simulation.stored == {}
    assert "NodeNotRestored" in seen


def test_harm_07_what_ec2_lends_by_itself_needs_no_right(simulation: Simulation) -> None:
    for name in ("n1", "n2"):
        simulation.add_node(name)
    simulation.allocate("a", IP1)
    simulation.settle()
    simulation.change_node("n1", unschedulable=True)
    simulation.settle()
    assert public_ip(simulation, "n1") not in ("", IP1)
    assert RIGHT not in simulation.cloud.faults.ops()
    assert isinstance(simulation.cloud.holder(IP1), MachineHolder)


def test_nodes_of_auto_mode_are_passed_over_for_those_that_can_have_an_address(
    simulation: Simulation,
) -> None:
    """Both kinds may be in one cluster; those of Auto Mode refuse whatever the rights."""
    for name in ("n1", "n2"):
        simulation.add_node(name)
    emulator = cast("EmulatedCloud", simulation.cloud).emulator
    emulator.world.manage(machine(simulation, "n1"))
    simulation.allocate("a", IP1)
    simulation.settle(seconds=30)
    assert simulation.where(IP1) == "n2"
    assert emulator.faults.ops().count("AssociateAddress") == 1
    simulation.change_node("n2", unschedulable=True)
    simulation.settle(seconds=30)
    assert simulation.where(IP1) == "n2", "rather than with nobody"
    assert "managed by eks.amazonaws.com" in simulation.record("a", IP1).message
