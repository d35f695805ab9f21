"""Fixtures: Helm 3 and Helm 4, which are built before the first test."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from helm import Helm

from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster.go_tool import ToolchainError
from moorage_testing.cluster.toolchain import tool_paths

TOOLS = ("helm3", "helm4", "kube-score", "kubectl")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is missing before any timeout counts; the fixture reports what cannot be built."""
    if session.items and not session.config.option.collectonly:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        shown = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
        with shown, contextlib.suppress(ToolchainError):
            tool_paths(TOOLS)


@pytest.fixture(scope="session", name="tools")
def _tools() -> None:
    """All tools; where they are missing, CI fails."""
    try:
        tool_paths(TOOLS)
    except ToolchainError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session", params=["helm3", "helm4"])
def helm(
    request: pytest.FixtureRequest, tools: None, tmp_path_factory: pytest.TempPathFactory
) -> Helm:
    """Helm for rendering, in each version."""
    del tools
    return Helm(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def newest(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm 4, for what does not depend on its version."""
    del tools
    return Helm("helm4", tmp_path_factory.mktemp("newest"))


@pytest.fixture
def installer(helm: Helm, cluster: EmbeddedCluster) -> Helm:
    """Helm for releases on the cluster, in each version."""
    return Helm(helm.name, helm.home, Path(cluster.kubeconfig))
