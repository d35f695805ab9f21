"""One emulated EC2 for each module, and an environment that leads only to it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from moorage_provider_aws.provider import AwsProvider, create
from moorage_testing.clouds.aws import Ec2Emulator


@pytest.fixture(scope="module")
def running() -> Iterator[Ec2Emulator]:
    with Ec2Emulator() as emulator:
        yield emulator
        assert emulator.violations == []


@pytest.fixture
def emulator(running: Ec2Emulator, monkeypatch: pytest.MonkeyPatch) -> Ec2Emulator:
    running.faults.clear()
    running.stale_reads = 0
    for name, value in running.environment.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
async def provider(emulator: Ec2Emulator) -> AsyncIterator[AwsProvider]:
    del emulator  # only that the environment leads to it
    provider = create({})
    yield provider
    await provider.close()
