"""An address beside its node's own private address is put in its place, on every cloud."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest
from emulated_cloud import EmulatedCloud
from simulation import Simulation
from test_random_runs import KINDS, Kind, trust_nothing

from moorage_core.model import Phase
from moorage_provider.protocol import MachineHolder

if TYPE_CHECKING:
    from moorage_provider.protocol import CloudAddress, Provider
    from moorage_testing.clouds.memory import MemoryCloud

IP = "203.0.113.10"


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def simulation(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Simulation]:
    kind = cast("Kind", request.param)
    with kind.emulator() as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        if kind.name == "gcp":
            trust_nothing(monkeypatch)
        module = importlib.import_module(f"moorage_provider_{kind.name}.provider")
        provider: Provider = module.create({"region": emulator.region})
        cloud = EmulatedCloud(emulator, provider.capabilities)
        simulation = Simulation(cast("MemoryCloud", cloud), provider)
        for name in ("n1", "n2"):
            simulation.add_node(name)
        yield simulation
        assert emulator.violations == []
        asyncio.run(provider.close())


def read(simulation: Simulation) -> CloudAddress:
    observed = simulation.observe("a")
    return observed.cloud_states[IP].address  # type: ignore[union-attr]  # it was read


def on_its_own_address_of(simulation: Simulation, name: str) -> bool:
    machine_id = simulation.machine_of(simulation.nodes[name])
    holder = read(simulation).holder
    own = isinstance(holder, MachineHolder) and not holder.misplaced
    return own and simulation.ask_machine(machine_id).public_ip == IP


@pytest.mark.parametrize("name", ["n1", "n2"])
def test_harm_08_what_somebody_moves_beside_the_own_address_is_put_back(
    simulation: Simulation, name: str
) -> None:
    simulation.allocate("a", IP)
    simulation.settle()
    assert on_its_own_address_of(simulation, "n1")
    simulation.cloud.assign_beside(IP, simulation.machine_of(simulation.nodes[name]))
    reasons: list[str] = []
    simulation.after = lambda _: reasons.append(simulation.record("a", IP).reason)
    simulation.settle(seconds=60)
    assert on_its_own_address_of(simulation, name)
    record = simulation.record("a", IP)
    assert (record.phase, record.node_ref and record.node_ref.name) == (Phase.BOUND, name)
    assert "Misplaced" in reasons


def test_harm_08_an_address_that_was_beside_it_from_the_start_never_counts_as_bound(
    simulation: Simulation,
) -> None:
    simulation.cloud.add_address(IP)
    simulation.cloud.assign_beside(IP, simulation.machine_of(simulation.nodes["n2"]))
    simulation.allocate("a", IP)
    assert simulation.pass_over("a")
    record = simulation.record("a", IP)
    assert (record.phase is Phase.BOUND, record.reason) == (False, "Misplaced")
    assert "not on the node's own address" in record.message
    simulation.settle(seconds=60)
    assert on_its_own_address_of(simulation, "n2")


def test_harm_08_a_machine_of_ipv6_only_has_no_place_for_an_address(
    simulation: Simulation,
) -> None:
    if simulation.provider.name == "azure":
        pytest.skip("Azure has no machine of IPv6 only")
    simulation.cloud.add_address(IP)
    odd = simulation.machine_of(simulation.nodes["n1"])
    simulation.cloud.take_ipv4(odd)
    simulation.cloud.assign_beside(IP, odd)
    simulation.allocate("a", IP)
    simulation.settle(seconds=60)
    assert on_its_own_address_of(simulation, "n2")


def test_harm_08_beside_the_address_of_a_stranger_it_is_left_alone(simulation: Simulation) -> None:
    simulation.cloud.add_address(IP)
    stranger = simulation.cloud.add_machine("stranger", with_public_ip=True)
    machine_id = simulation.provider.machine_id(stranger)
    assert machine_id
    simulation.cloud.assign_beside(IP, machine_id)
    simulation.allocate("a", IP)
    simulation.settle(seconds=60)
    assert simulation.where(IP) == machine_id
    assert simulation.record("a", IP).reason == "InUseByForeign"
