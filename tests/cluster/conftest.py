"""Fixtures for controllers on a real control plane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from core_lab import CoreLab

from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Run


@pytest.fixture(scope="session")
def lab(cluster: EmbeddedCluster) -> Iterator[CoreLab]:
    """The CRD, the controller's rights and an EC2 region; no controller yet."""
    with Ec2Emulator() as emulator, Run.open() as run:
        yield CoreLab(cluster, emulator, run)


@pytest.fixture(scope="module")
def core(lab: CoreLab) -> Iterator[Child]:
    """One controller for the tests of a module."""
    child = lab.started()
    yield child
    assert child.stop() == 0, child.log_tail()
