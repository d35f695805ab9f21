"""The pytest fixtures `cluster` and `real_nodes`: one of each per test session.

Loaded by every pytest run through the entry point `pytest11`, so heavy modules are imported only
when a test requests a fixture.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from moorage_testing.cluster import EmbeddedCluster
    from moorage_testing.lab import Lab
    from moorage_testing.nodes import RealNodes

CLUSTER = "cluster"
REAL_NODES = "real_nodes"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build missing tools before the first test, whose timeout a build would not fit in."""
    wanted = {name for name in (CLUSTER, REAL_NODES) if _wanted(session, name)}
    if session.config.option.collectonly or not wanted:
        return
    from moorage_testing.cluster import ToolchainError, toolchain  # noqa: PLC0415 - see above

    capture = session.config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    # The fixtures report missing tools to the tests that need them.
    with shown, contextlib.suppress(ToolchainError):
        toolchain.build_all()
        if REAL_NODES in wanted:
            _prepare_nodes()


def _prepare_nodes() -> None:
    """Build what nodes need; in CI also install it, where root may on Debian."""
    from moorage_testing import nodes  # noqa: PLC0415 - see above

    # The fixture reports that, too.
    with contextlib.suppress(nodes.NodesUnavailableError):
        if os.environ.get("CI"):
            nodes.install_missing()
        nodes.check_machine()
        nodes.build_tools()


def _wanted(session: pytest.Session, name: str) -> bool:
    return any(_wants(item, name) for item in session.items)


def _wants(item: pytest.Item, name: str) -> bool:
    """Whether a test will ask for this module's fixture, not for a parameter called the same."""
    if not isinstance(item, pytest.Function):
        return False
    fixtures = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - nothing else says so
    for fixture in reversed(fixtures.get(name, ())):
        if fixture.func.__module__ == __name__:
            return True
        # One that overrides ours uses it only if it asks for it.
        if name not in fixture.argnames:
            return False
    return False


@pytest.fixture(scope="session", name=CLUSTER)
def embedded_cluster() -> "Iterator[EmbeddedCluster]":
    """Return a running cluster without nodes, shared by the session's tests.

    Each test works in a namespace and with node names of its own. Without the tools the test is
    skipped with the reason; with CI set it fails, since there a skip would hide everything.
    """
    from moorage_testing.cluster import EmbeddedCluster, ToolchainError  # noqa: PLC0415 - see above

    try:
        running = EmbeddedCluster.start()
    except ToolchainError as error:
        _skip(error, could=True)
    with running:
        yield running


@pytest.fixture(scope="session", name=REAL_NODES)
def two_real_nodes() -> "Iterator[RealNodes]":
    """Return a running cluster of two real nodes, shared by the session's tests.

    Each test works in a namespace of its own and leaves the nodes Ready. Where real nodes cannot
    run, the test is skipped with the reason; with CI set it fails on a machine that could.
    """
    with start_nodes(2) as running:
        yield running


def start_nodes(count: int, *, networks: bool = False) -> "RealNodes":
    """Start a cluster of real nodes for a fixture, or skip the test, or in CI fail it.

    With `networks`, pods get the networks that they name.
    """
    from moorage_testing import nodes  # noqa: PLC0415 - see above
    from moorage_testing.cluster import ToolchainError  # noqa: PLC0415 - see above

    try:
        return nodes.RealNodes.start(count, networks=networks)
    except ToolchainError as error:
        _skip(error, could=True)
    except nodes.NodesUnavailableError as error:
        missing = isinstance(error, nodes.PackagesMissingError)
        _skip(error, could=missing and nodes.can_install())


@contextlib.contextmanager
def start_lab(nodes: int) -> Iterator["Lab"]:
    """Run a lab of network namespaces for a fixture, or skip the test, or as root in CI fail it."""
    from moorage_testing import lab  # noqa: PLC0415 - see above

    with contextlib.ExitStack() as opened:
        try:
            running = opened.enter_context(lab.start(nodes))
        except lab.LabUnavailableError as error:
            _skip(error, could=os.geteuid() == 0)
        yield running


def _skip(error: Exception, *, could: bool) -> NoReturn:
    """Skip the test; in CI fail it on a machine that could be made to run it."""
    if could and os.environ.get("CI"):
        pytest.fail(str(error), pytrace=False)
    pytest.skip(str(error))
