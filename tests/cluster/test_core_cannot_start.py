"""A controller that cannot do its work is not ready, and says why; once it can, it is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from core_lab import ACCOUNT
from lab_pages import answer
from lab_rights import grant

from moorage_api import DEFINITIONS
from moorage_api.crds import crd
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

CRD = "netipallocations.netinfra.darkbrains.com"
MISSING_LINES = 3
"""The cache of it, and the clouds that its objects name."""


@pytest.fixture
def bare() -> Iterator[EmbeddedCluster]:
    """A control plane of its own: others need the CRD that is missing here."""
    with EmbeddedCluster.start() as cluster:
        yield cluster


@pytest.fixture
def core(bare: EmbeddedCluster) -> Iterator[Child]:
    """A controller on it, with its own rights."""
    kubeconfig = bare.kubeconfig_for(ACCOUNT)
    grant(bare, ACCOUNT)
    argv = [
        sys.executable, "-m", "moorage_core", "--kubeconfig", str(kubeconfig),
        "--lease-namespace", "moorage-system",
        "--metrics-port", "0", "--metrics-host", "127.0.0.1",
    ]  # fmt: skip
    with Run.open() as run:
        yield run.start(Command("core", argv, grace_seconds=10.0))


def readiness(child: Child) -> tuple[int, str]:
    """Status and text of its probe; 0 while nobody answers."""
    child.check()
    return answer(child, "/readyz")


def test_without_its_crd_it_is_not_ready_and_names_it_and_with_it_needs_no_restart(
    bare: EmbeddedCluster, core: Child
) -> None:
    said = f"{CRD} is not installed: "

    def complaint() -> str:
        status, text = readiness(core)
        assert status in (0, 503)
        # Once it lacks nothing else: the caches of other kinds and the Lease take a moment.
        return text if text.count("\n") < MISSING_LINES and said in text else ""

    wait_for(complaint, PATIENCE, "the probe to name the CRD and nothing else")
    (line,) = [line for line in core.log.read_text().splitlines() if said in line]
    assert json.loads(line)["level"] == "warning"
    assert "kubectl apply -f crds/" in line
    bare.apply([crd(definition) for definition in DEFINITIONS])
    wait_for(lambda: readiness(core)[0] == 200, PATIENCE, "the controller to be ready")


def test_bad_settings_are_one_line_and_the_exit_code_2() -> None:
    argv = [sys.executable, "-m", "moorage_core", "--log-format", "json", "--workers", "many"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("moorage-core: --workers: 'many' will not do: ")
