"""The memory cloud meets the provider contract, with every way to move addresses."""

from collections.abc import Callable

import pytest

from moorage_provider.protocol import Capabilities, Provider
from moorage_testing.clouds.memory import ONE_CALL, TWO_STEPS, MemoryCloud, MemoryProvider
from moorage_testing.clouds.memory.contract import MemoryContractWorld
from moorage_testing.contract import ContractWorld, ProviderContract

TWO_WRITES = Capabilities(moves_in_one_call=False, clears_target_first=False)


class TestMemoryProvider(ProviderContract):
    @pytest.fixture(
        params=[(ONE_CALL, 0), (ONE_CALL, 2), (TWO_STEPS, 0), (TWO_STEPS, 2), (TWO_WRITES, 1)],
        ids=["aws", "aws-slow", "gcp", "gcp-slow", "azure"],
    )
    def cloud(self, request: pytest.FixtureRequest) -> MemoryCloud:
        capabilities, steps = request.param
        return MemoryCloud(capabilities, operation_steps=steps)

    @pytest.fixture
    def world(self, cloud: MemoryCloud) -> ContractWorld:
        # On Azure every public address is somebody's resource.
        return MemoryContractWorld(
            cloud, assigns_ephemeral_addresses=cloud.capabilities != TWO_WRITES
        )

    @pytest.fixture
    def opening(self, cloud: MemoryCloud) -> Callable[[float], Provider]:
        return lambda seconds: MemoryProvider(cloud, seconds)

    @pytest.fixture
    def opening_elsewhere(self, cloud: MemoryCloud) -> Callable[[float], Provider]:
        return lambda seconds: MemoryProvider(MemoryCloud(cloud.capabilities), seconds)
