"""The GCP provider meets the provider contract, over HTTP against the emulated Compute Engine."""

from collections.abc import Callable

import pytest

from moorage_provider.protocol import Provider
from moorage_provider_gcp import places
from moorage_provider_gcp.provider import create
from moorage_testing.clouds.gcp import GceEmulator
from moorage_testing.clouds.gcp.contract import ELSEWHERE, GcpContractWorld
from moorage_testing.contract import ContractWorld, ProviderContract


class TestGcpProvider(ProviderContract):
    @pytest.fixture
    def world(self, emulator: GceEmulator, monkeypatch: pytest.MonkeyPatch) -> ContractWorld:
        # With a service account's key, as outside of Google: a secret that must not be shown.
        monkeypatch.delenv("MOORAGE_GCP_CREDENTIALS")
        for name, value in emulator.identity.items():
            monkeypatch.setenv(name, value)
        # The provider's clock is the real one.
        monkeypatch.setattr(places, "TRUSTED_SECONDS", 0.0)
        return GcpContractWorld(emulator)

    @pytest.fixture
    def opening(self, world: ContractWorld) -> Callable[[float], Provider]:
        del world  # only that the environment leads to it
        return lambda seconds: create({"timeout_seconds": str(seconds)})

    @pytest.fixture
    def opening_elsewhere(self, world: ContractWorld) -> Callable[[float], Provider]:
        del world  # see above
        return lambda seconds: create({"region": ELSEWHERE, "timeout_seconds": str(seconds)})
