"""Random runs on each emulated cloud: no address is lost or on two nodes, no node left without
one."""

from __future__ import annotations

import asyncio
import importlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest
from emulated_cloud import EmulatedCloud, Wrong, emptied, some_fault
from random_life import Run
from simulation import Simulation

from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.clouds.azure import ArmEmulator
from moorage_testing.clouds.gcp import GceEmulator

if TYPE_CHECKING:
    from moorage_provider.protocol import Provider
    from moorage_testing.clouds.memory import MemoryCloud
    from moorage_testing.clouds.serving import HttpEmulator
    from moorage_testing.faults import Fault

RUNS = int(os.environ.get("MOORAGE_CLOUD_RUNS", "2000"))


@dataclass(frozen=True, slots=True)
class Kind:
    """One cloud: its emulator and its faults."""

    name: str
    emulator: Callable[[], HttpEmulator[Any]]
    wrong: Wrong


KINDS = (
    Kind(
        "aws",
        Ec2Emulator,
        Wrong(
            ("DescribeAddresses", "DescribeInstances", "AssociateAddress", "DisassociateAddress"),
            (
                (503, "RequestLimitExceeded"),
                (500, "InternalError"),
                (400, "IncorrectState"),
                (403, "UnauthorizedOperation"),
            ),
        ),
    ),
    Kind(
        "gcp",
        GceEmulator,
        Wrong(
            (
                "addresses[.]list",
                "instances[.]get",
                "instances[.]addAccessConfig",
                "instances[.]deleteAccessConfig",
                "zoneOperations[.]wait",
            ),
            (
                (403, "rateLimitExceeded"),
                (429, "rateLimitExceeded"),
                (503, "backendError"),
                (412, "conditionNotMet"),
            ),
            ("INTERNAL_ERROR", "RESOURCE_NOT_READY", "CONDITION_NOT_MET"),
            "Constraint constraints/compute.vmExternalIpAccess violated for project 1.",
        ),
    ),
    Kind(
        "azure",
        ArmEmulator,
        Wrong(
            (
                "publicIPAddresses[.]listAll",
                "virtualMachines[.]get",
                "networkInterfaces[.]get",
                "networkInterfaces[.]createOrUpdate",
                "operations[.]get",
            ),
            (
                (429, "TooManyRequests"),
                (429, "RetryableErrorDueToAnotherOperation"),
                (409, "AnotherOperationInProgress"),
                (500, "InternalServerError"),
                (403, "RequestDisallowedByPolicy"),
            ),
            ("InternalServerError", "RequestDisallowedByPolicy"),
        ),
    ),
)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    return cast("Kind", request.param)


def trust_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the provider of GCP remember nothing for a time: its clock is the real one."""
    monkeypatch.setattr("moorage_provider_gcp.refused.REMEMBERED_SECONDS", 0.0)
    monkeypatch.setattr("moorage_provider_gcp.places.TRUSTED_SECONDS", 0.0)


@pytest.fixture
def cloud(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[EmulatedCloud, Provider]]:
    with kind.emulator() as emulator:
        for name, value in emulator.environment.items():
            monkeypatch.setenv(name, value)
        module = importlib.import_module(f"moorage_provider_{kind.name}.provider")
        provider: Provider = module.create({"region": emulator.region})
        if kind.name == "gcp":
            trust_nothing(monkeypatch)
        yield EmulatedCloud(emulator, provider.capabilities), provider
        assert emulator.violations == []


class CloudRun(Run):
    """A random run on an emulated cloud."""

    def __init__(self, seed: int, cloud: EmulatedCloud, provider: Provider, wrong: Wrong) -> None:
        def make(_: random.Random) -> Simulation:
            return Simulation(cast("MemoryCloud", cloud), provider)

        self._wrong = wrong
        self.gives_ephemeral = provider.name != "azure"
        self.oddities = () if provider.name == "azure" else ("take_ipv4",)
        super().__init__(seed, make)

    def cloud_fault(self) -> Fault:
        return some_fault(self.rng, self._wrong)


@pytest.mark.timeout(0)
def test_random_runs_lose_nothing(kind: Kind, cloud: tuple[EmulatedCloud, Provider]) -> None:
    """T9 through HTTP; a failure names its seed."""
    emulated, provider = cloud
    for seed in range(RUNS):
        with emptied(emulated):
            run = CloudRun(seed, emulated, provider, kind.wrong)
            try:
                run.live()
            except Exception as error:
                raise AssertionError(f"{kind.name}, seed {seed}: {error!r}") from error
    asyncio.run(provider.close())
