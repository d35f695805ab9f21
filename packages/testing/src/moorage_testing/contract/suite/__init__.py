"""Tests to inherit for every provider: they check what ``Provider``'s docstrings require."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from moorage_provider.protocol import Provider
from moorage_testing.contract.steps import Opening, opened
from moorage_testing.contract.suite.attaching import AttachingContract
from moorage_testing.contract.suite.counting import CountingContract
from moorage_testing.contract.suite.failing import FailingContract
from moorage_testing.contract.suite.fencing import FencingContract
from moorage_testing.contract.suite.moving import MovingContract
from moorage_testing.contract.suite.operations import OperationsContract
from moorage_testing.contract.suite.reading import ReadingContract
from moorage_testing.contract.suite.refusing import RefusingContract
from moorage_testing.contract.suite.selecting import SelectingContract
from moorage_testing.contract.suite.sharing import SharingContract
from moorage_testing.contract.suite.timing import TimingContract
from moorage_testing.contract.world import ContractWorld


class ProviderContract(
    ReadingContract,
    SelectingContract,
    AttachingContract,
    MovingContract,
    RefusingContract,
    FailingContract,
    OperationsContract,
    TimingContract,
    SharingContract,
    FencingContract,
    CountingContract,
):
    """Inherit this and give it the fixtures ``world`` and ``opening``."""

    @pytest.fixture
    def world(self) -> ContractWorld:
        """The cloud; may contain objects of other tests, but no failures."""
        raise NotImplementedError

    @pytest.fixture
    def opening(self, world: ContractWorld) -> Opening:
        """Makes a provider with this deadline in seconds."""
        raise NotImplementedError

    @pytest.fixture
    def opening_elsewhere(self) -> Opening:
        """The same for another scope of the cloud, such as another region."""
        pytest.skip("there is one scope")

    @pytest.fixture
    async def provider(self, opening: Opening) -> AsyncIterator[Provider]:
        """A provider with a long deadline."""
        async with opened(opening) as provider:
            yield provider
