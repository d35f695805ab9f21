"""One emulated Compute Engine for each module, and an environment that leads only to it."""

import importlib
import os
from collections.abc import AsyncIterator, Iterator

import pytest

from moorage_provider_gcp.provider import GcpProvider, create
from moorage_testing.clouds.gcp import GceEmulator


@pytest.fixture(scope="module")
def running() -> Iterator[GceEmulator]:
    # Loading the SDK may take longer than a call, where nobody has compiled it yet.
    importlib.import_module("moorage_provider_gcp.compute")
    with GceEmulator() as emulator:
        yield emulator
        assert emulator.violations == []


@pytest.fixture
def emulator(running: GceEmulator, monkeypatch: pytest.MonkeyPatch) -> GceEmulator:
    running.faults.clear()
    running.operation_seconds = 0.0
    running.unreachable = ()
    running.partial = {}
    running.world.set_ipv6_access("EXTERNAL")
    running.world.end_restrictions()
    for name in os.environ:
        if name.startswith(("GOOGLE_", "MOORAGE_GCP_")):
            monkeypatch.delenv(name)
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
async def provider(emulator: GceEmulator) -> AsyncIterator[GcpProvider]:
    provider = create({"region": emulator.region})
    yield provider
    await provider.close()
