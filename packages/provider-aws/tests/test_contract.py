"""The AWS provider meets the provider contract, over HTTP against the emulated EC2."""

from collections.abc import Callable

import pytest

from moorage_provider.protocol import Provider
from moorage_provider_aws.provider import create
from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.clouds.aws.contract import AwsContractWorld
from moorage_testing.contract import ContractWorld, ProviderContract


class TestAwsProvider(ProviderContract):
    @pytest.fixture
    def world(self, emulator: Ec2Emulator) -> ContractWorld:
        return AwsContractWorld(emulator)

    @pytest.fixture
    def opening(self, world: ContractWorld) -> Callable[[float], Provider]:
        del world  # only that the environment leads to it
        return lambda seconds: create({"timeout_seconds": str(seconds)})

    @pytest.fixture
    def opening_elsewhere(self, world: ContractWorld) -> Callable[[float], Provider]:
        del world  # see above
        return lambda seconds: create({"region": "ap-south-1", "timeout_seconds": str(seconds)})
