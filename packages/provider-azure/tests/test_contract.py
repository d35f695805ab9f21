"""The Azure provider meets the provider contract, over HTTPS against the emulated Azure."""

from collections.abc import Callable

import pytest

from moorage_provider.protocol import Provider
from moorage_provider_azure.provider import create
from moorage_testing.clouds.azure import ArmEmulator
from moorage_testing.clouds.azure.contract import AzureContractWorld
from moorage_testing.contract import ContractWorld, ProviderContract


class TestAzureProvider(ProviderContract):
    @pytest.fixture
    def world(self, emulator: ArmEmulator, monkeypatch: pytest.MonkeyPatch) -> ContractWorld:
        # With a workload's identity: it contains a secret, which must not be shown.
        monkeypatch.delenv("MOORAGE_AZURE_CREDENTIALS")
        for name, value in emulator.identity.items():
            monkeypatch.setenv(name, value)
        return AzureContractWorld(emulator)

    @pytest.fixture
    def opening(self, world: ContractWorld) -> Callable[[float], Provider]:
        del world  # only that the environment leads to it
        return lambda seconds: create({"timeout_seconds": str(seconds)})

    @pytest.fixture
    def opening_elsewhere(self, world: ContractWorld) -> Callable[[float], Provider]:
        del world  # only that the environment leads to it
        return lambda seconds: create({"region": "brazilsouth", "timeout_seconds": str(seconds)})
