"""What the clouds refuse to one address or one node, over HTTP: the others do not pay for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from emulated_cloud import EmulatedCloud
from simulation import Simulation

import moorage_provider_aws.provider as aws
import moorage_provider_azure.provider as azure
import moorage_provider_gcp.provider as gcp
from moorage_core.model import ForeignPolicy
from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.clouds.azure import ArmEmulator
from moorage_testing.clouds.gcp import GceEmulator
from moorage_testing.clouds.memory import MemoryCloud
from moorage_testing.clouds.serving import HttpEmulator

IP1 = "203.0.113.10"
Begin = Callable[[HttpEmulator[Any], Any], Simulation]


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Makes a simulation over an emulator, with the module of its provider."""
    providers = []

    def simulation(emulator: HttpEmulator[Any], module: Any) -> Simulation:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        provider = module.create({"region": emulator.region})
        providers.append(provider)
        cloud = EmulatedCloud(emulator, provider.capabilities)
        return Simulation(cast("MemoryCloud", cloud), provider)

    yield simulation
    for provider in providers:
        asyncio.run(provider.close())


def machine(simulation: Simulation, name: str) -> str:
    return simulation.machine_of(simulation.nodes[name])


def test_harm_09_an_instance_of_ipv6_only_does_not_keep_an_address_from_the_next_node(
    begin: Begin,
) -> None:
    with Ec2Emulator() as emulator:
        simulation = begin(emulator, aws)
        for name in ("n1", "n2"):
            simulation.add_node(name)
        simulation.cloud.take_ipv4(machine(simulation, "n1"))
        simulation.allocate("a", IP1)
        simulation.settle(seconds=30)
        assert simulation.where(IP1) == "n2"


@pytest.mark.parametrize(("late", "bare"), [(False, 0), (True, 1)], ids=["at once", "late"])
def test_harm_11_a_policy_costs_no_second_node_its_own_address(
    begin: Begin,
    *,
    late: bool,
    bare: int,
) -> None:
    with GceEmulator() as emulator:
        simulation = begin(emulator, gcp)
        for name in ("n1", "n2", "n3"):
            simulation.add_node(name)
        emulator.world.restrict_addresses(late=late)
        simulation.allocate("a", IP1)
        simulation.settle(seconds=200)
        assert simulation.record("a", IP1).reason == "PermissionDenied"
        assert "constraints/compute.vmExternalIpAccess" in simulation.record("a", IP1).message
        # The node that is tried becomes unfit, so that it is another one's turn.
        simulation.change_node("n1", ready=False)
        simulation.settle(seconds=200)
        left = [m.id for m in emulator.world.instances() if not emulator.world.public_ips(m.id)]
        assert len(left) == bare


@pytest.mark.parametrize("tag", ["aks-managed-poolName", "karpenter.azure.com_cluster"])
def test_harm_12_an_address_is_not_taken_from_a_machine_of_another_cluster(
    begin: Begin, tag: str
) -> None:
    with ArmEmulator() as emulator:
        simulation = begin(emulator, azure)
        simulation.add_node("n1")
        (foreign,) = emulator.world.add_instances(1, tags={tag: "other"})
        simulation.allocate("a", IP1, foreign=ForeignPolicy.IF_UNMANAGED)
        emulator.world.associate(IP1, foreign.id)
        simulation.settle(seconds=100)
        assert emulator.world.holder(IP1) == foreign.id
        assert simulation.record("a", IP1).reason == "InUseByForeign"
