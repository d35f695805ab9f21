"""One emulated Azure for each test, and an environment that leads only to it."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from moorage_provider_azure.provider import AzureProvider, create
from moorage_testing.clouds.azure import ArmEmulator


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArmEmulator]:
    for name in os.environ:
        if name.startswith(("AZURE_", "MOORAGE_AZURE_")):
            monkeypatch.delenv(name)
    with ArmEmulator() as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        yield emulator
        assert emulator.violations == []


@pytest.fixture
async def provider(emulator: ArmEmulator) -> AsyncIterator[AzureProvider]:
    del emulator  # only that the environment leads to it
    provider = create({})
    yield provider
    await provider.close()
