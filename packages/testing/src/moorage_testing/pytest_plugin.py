"""The pytest fixture `cluster`: one embedded cluster per test session.

Loaded by every pytest run through the entry point `pytest11`, so heavy modules are imported only
when a test requests the fixture.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from moorage_testing.cluster import EmbeddedCluster

FIXTURE = "cluster"


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build missing tools before the first test, whose timeout a build would not fit in."""
    if session.config.option.collectonly or not any(map(_wants_cluster, session.items)):
        return
    from moorage_testing.cluster import ToolchainError, toolchain  # noqa: PLC0415 - see above

    capture = session.config.pluginmanager.getplugin("capturemanager")
    shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
    # The fixture reports missing tools to the tests that need them.
    with shown, contextlib.suppress(ToolchainError):
        toolchain.build_all()


def _wants_cluster(item: pytest.Item) -> bool:
    """Whether a test will ask for this module's fixture, not for a parameter called the same."""
    if not isinstance(item, pytest.Function):
        return False
    fixtures = item._fixtureinfo.name2fixturedefs  # noqa: SLF001 - nothing else says so
    for fixture in reversed(fixtures.get(FIXTURE, ())):
        if fixture.func.__module__ == __name__:
            return True
        # One that overrides ours uses it only if it asks for it.
        if FIXTURE not in fixture.argnames:
            return False
    return False


@pytest.fixture(scope="session", name=FIXTURE)
def embedded_cluster() -> "Iterator[EmbeddedCluster]":
    """Return a running cluster without nodes, shared by the session's tests.

    Each test works in a namespace and with node names of its own. Without the tools the test is
    skipped with the reason; with CI set it fails, since there a skip would hide everything.
    """
    from moorage_testing.cluster import EmbeddedCluster, ToolchainError  # noqa: PLC0415 - see above

    try:
        running = EmbeddedCluster.start()
    except ToolchainError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    with running:
        yield running
