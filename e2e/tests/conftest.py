"""The cluster, the cloud and the release that the scenarios share."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

import pytest

from e2e.clusters.choose import KINDS, best, open_cluster
from e2e.clusters.cluster import Cluster, ClusterError
from e2e.clusters.image import images
from e2e.tests.installation import Installation
from e2e.tests.leftovers import everything
from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.cluster.go_tool import ToolchainError
from moorage_testing.cluster.toolchain import build_all, tool_paths
from moorage_testing.helm import Helm
from moorage_testing.nodes import NodesUnavailableError, build_tools

MEASURED = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of ``./nox -s e2e``."""
    group = parser.getgroup("e2e", "the cluster")
    group.addoption("--cluster", choices=KINDS, default="", help="default: the best there can be")
    group.addoption("--helm", choices=("helm3", "helm4"), default="helm4")
    group.addoption("--host", default="", help="existing: this machine's address as pods see it")
    group.addoption("--image", default="", help="existing: the core's image, with its tag")
    group.addoption("--app-image", default="", help="existing: an image that runs until stopped")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before any timeout counts; the fixture reports what cannot be built."""
    if not session.items or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    option = session.config.option
    with (
        shown,
        contextlib.suppress(ToolchainError, ClusterError, NodesUnavailableError),
    ):
        option.cluster = option.cluster or best()
        build_all()
        tool_paths((option.helm, "probe"))
        if option.cluster == "nodes":
            build_tools()
        if option.cluster in ("nodes", "kind"):
            images()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What scenarios have measured, for people: a busy machine is slow, and fails no test."""
    if lines := terminalreporter.config.stash.get(MEASURED, []):
        terminalreporter.section("measured")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def measured(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Notes a line for the summary."""
    return pytestconfig.stash.setdefault(MEASURED, []).append


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[Cluster]:
    """One for all scenarios."""
    option = pytestconfig.option
    try:
        opened = open_cluster(option.cluster, option.host, option.image, option.app_image)
    except (ClusterError, ToolchainError) as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    try:
        yield opened
    finally:
        opened.stop()


@pytest.fixture(scope="session")
def before(cluster: Cluster) -> set[str]:
    """What was in the cluster before anything of ours."""
    return everything(cluster)


@pytest.fixture(scope="session")
def installation(
    cluster: Cluster,
    before: set[str],
    pytestconfig: pytest.Config,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Installation]:
    """The cloud, and nothing installed yet."""
    del before
    cloud = Ec2Emulator()
    cloud.host = cluster.host
    with cloud:
        helm = Helm(
            pytestconfig.option.helm, tmp_path_factory.mktemp("helm"), cluster.kubectl.kubeconfig
        )
        installation = Installation(cluster, cloud, helm)
        installation.adopt_nodes()
        yield installation


@pytest.fixture
def bound(installation: Installation) -> Installation:
    """The release as it is installed by default, working, with the address on a node."""
    installation.add_credentials()
    installation.upgrade()
    installation.wait_working()
    for node in installation.cluster.nodes:
        installation.kubectl.run("uncordon", node)
    installation.spread()
    installation.run_app()
    installation.allocate()
    installation.wait_bound()
    return installation
