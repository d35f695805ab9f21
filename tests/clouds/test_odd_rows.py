"""An address that its cloud describes in a way that nobody understands is nowhere, but not gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from emulated_cloud import EmulatedCloud, emptied
from simulation import Simulation
from test_random_runs import cloud, kind  # noqa: F401  # fixtures

if TYPE_CHECKING:
    from moorage_provider.protocol import Provider
    from moorage_testing.clouds.memory import MemoryCloud

IP = "203.0.113.10"


def test_harm_10_an_allocation_waits_for_its_last_address_that_is_not_understood(
    cloud: tuple[EmulatedCloud, Provider],  # noqa: F811  # the fixture
) -> None:
    emulated, provider = cloud
    with emptied(emulated):
        simulation = Simulation(cast("MemoryCloud", emulated), provider)
        simulation.add_node("n1")
        simulation.allocate("a", IP)
        simulation.settle()
        emulated.spoil(IP, spoiled=True)
        simulation.delete("a")
        simulation.settle(120.0)
        assert simulation.where(IP) == "n1"
        record = simulation.record("a", IP)
        assert record.reason == "Unreadable"
        assert "not understood" in record.message
        emulated.spoil(IP, spoiled=False)
        simulation.settle(120.0)
        assert emulated.holder(IP) is None
        assert simulation.stored == {}
