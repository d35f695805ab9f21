"""Fixtures for controllers on a real control plane."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import cast

import example_controller
import pytest
from addresses import address_of_loopback, routed_address
from core_lab import GROUP, CoreLab
from lab_clouds import AWS, CLOUDS, LabCloud

from moorage_api.crds import crd
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster.go_tool import ToolchainError
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.processes import Child, Run

# What takes minutes is begun first, so that no process works on alone at the end.
LONGEST = (
    "test_core_cloud_crashes", "test_bench_runs", "test_soak", "test_core_crashes", "test_demo",
    "test_core_clouds", "test_core_scale", "test_core_observability", "test_core_scenarios",
    "test_node_agent", "test_external_ip_failover", "test_external_ip_seed",
)  # fmt: skip
# Their tests share nothing but the control plane of the process.
APART = (
    "test_core_crashes", "test_core_scale", "test_demo", "test_end", "test_leadership",
    "test_node_agent", "test_soak",
)  # fmt: skip
# Fixtures that are dear and made once for several tests.
SHARED = ("all_clouds", "core")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Iterator[None]:
    """Put the longest first, and say which tests one process must run."""
    items.sort(key=_place)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    yield
    # It looks for "_nodeid", which newer versions of pytest have no more, and says nothing.
    if getattr(config.option, "loadgroup", False) and "@" not in items[-1].nodeid:
        raise pytest.UsageError("pytest-xdist does not see the groups: pin an older pytest")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build Helm, which renders the controller's rights, before any timeout counts."""
    if session.items and not session.config.option.collectonly:
        with contextlib.suppress(ToolchainError):  # the lab reports it
            tool_path("helm3")


def _place(item: pytest.Item) -> int:
    name = item.path.stem
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def _group(item: pytest.Item) -> str:
    """The module; its part in one of the clouds; or the test alone where it shares nothing."""
    name = item.path.stem
    assert isinstance(item, pytest.Function)
    if "cloud_lab" in item.fixturenames:
        cloud = cast("LabCloud", item.callspec.params["cloud_lab"])
        return f"{name}-{cloud.name}"
    if name in APART and not set(SHARED) & set(item.fixturenames):
        return f"{name}-{item.name}"
    return name


# Of this process: where allocations may be left.
_clusters: list[EmbeddedCluster] = []


@pytest.fixture(scope="module", autouse=True)
def _nothing_left() -> Iterator[None]:
    """No module finds allocations of another one, whose cloud its own controller cannot read."""
    yield
    for cluster in _clusters:
        for raw in cluster.request("GET", GROUP)["items"]:
            cluster.remove(f"{GROUP}/{raw['metadata']['name']}")


@pytest.fixture(scope="module")
def example_crd(cluster: EmbeddedCluster) -> None:
    """The kind that the example controller waits for before it leads."""
    cluster.apply([crd(example_controller.DEFINITION)])
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")


@pytest.fixture(scope="session")
def aws_lab(cluster: EmbeddedCluster) -> Iterator[CoreLab]:
    """The one emulated EC2 of this process: moto keeps its state in modules."""
    with AWS.start() as emulator, Run.open() as run:
        lab = CoreLab(cluster, emulator, run, AWS)
        _clusters[:] = [cluster]
        yield lab


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
        _clusters[:] = [cluster]
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


@pytest.fixture(scope="session", name="host")
def _host() -> Iterator[str]:
    """An address that an EndpointSlice takes; CI has one or fails, and so does root."""
    if address := routed_address():
        yield address
        return
    if os.geteuid() != 0 and not os.environ.get("CI"):
        pytest.skip("this machine has nothing but loopback, and only root can change that")
    with address_of_loopback() as address:
        yield address
