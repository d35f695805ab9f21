"""What people are told of what others do on each emulated cloud, by its real SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from emulated_cloud import EmulatedCloud, emptied
from simulation import Simulation
from test_random_runs import cloud, kind  # noqa: F401  # fixtures

if TYPE_CHECKING:
    from moorage_provider.protocol import Provider
    from moorage_testing.clouds.memory import MemoryCloud

IP = "203.0.113.10"


def test_harm_27_an_address_that_somebody_moved_is_told_from_where_to_where(
    cloud: tuple[EmulatedCloud, Provider],  # noqa: F811  # the fixture
) -> None:
    emulated, provider = cloud
    with emptied(emulated):
        simulation = Simulation(cast("MemoryCloud", emulated), provider)
        for name in ("n1", "n2"):
            simulation.add_node(name)
        simulation.allocate("a", IP)
        simulation.settle()
        simulation.events.clear()
        emulated.assign(IP, simulation.machine_of(simulation.nodes["n2"]))
        simulation.settle(60.0)
        told = "somebody else moved it from node n1 to node n2, where it stays"
        assert simulation.events[0] == f"Warning MovedByOthers: {IP}: {told}"
        assert simulation.where(IP) == "n2"
        assert set(simulation.labelled()) == {"n2"}
