"""Fixtures for controllers on a real control plane."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest
from core_lab import CoreLab
from lab_clouds import AWS, CLOUDS, LabCloud

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Run


@pytest.fixture(scope="session")
def aws_lab(cluster: EmbeddedCluster) -> Iterator[CoreLab]:
    """The one emulated EC2 of this process: moto keeps its state in modules."""
    with AWS.start() as emulator, Run.open() as run:
        yield CoreLab(cluster, emulator, run, AWS)


@pytest.fixture(scope="session")
def lab(aws_lab: CoreLab) -> CoreLab:
    """The CRD, the controller's rights and an EC2 region; no controller yet."""
    return aws_lab


@pytest.fixture(scope="module", params=CLOUDS, ids=lambda cloud: cloud.name)
def cloud_lab(request: pytest.FixtureRequest, cluster: EmbeddedCluster) -> Iterator[CoreLab]:
    """The same in each of the clouds, one after the other."""
    cloud = cast("LabCloud", request.param)
    if cloud is AWS:
        yield request.getfixturevalue("aws_lab")
        return
    with cloud.start() as emulator, Run.open() as run:
        lab = CoreLab(cluster, emulator, run, cloud)
        yield lab
        lab.leave()
        assert emulator.violations == []


@pytest.fixture(scope="module")
def core(lab: CoreLab) -> Iterator[Child]:
    """One controller for the tests of a module."""
    child = lab.started()
    yield child
    assert child.stop() == 0, child.log_tail()


@pytest.fixture
def alone(lab: CoreLab) -> Iterator[None]:
    """Nothing that one test left behind is retried during the next one."""
    yield
    lab.emulator.faults.clear()
    lab.clear()
