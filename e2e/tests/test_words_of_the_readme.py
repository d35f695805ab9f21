"""The install section of the README, word for word, as a new user types it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.clusters.cluster import Cluster
from e2e.tests.installation import IP, NAMESPACE, Installation
from e2e.tests.leftovers import everything, wait_left
from moorage_testing.cluster.toolchain import tool_path

ROOT = Path(__file__).parents[2]
SECOND_IP = "203.0.113.11"
SECONDS = 240


def blocks() -> Iterator[str]:
    """What is to be typed, but for the image: each kind of cluster has its own way to get it."""
    section = (ROOT / "README.md").read_text("utf-8").partition("\n## Install\n")[2]
    for block in re.findall(r"```sh\n(.*?)```", section.partition("\n## ")[0], re.DOTALL):
        if "nox -s images" not in block:
            yield block


class User:
    """Types what the README says into a shell, with what is theirs put in its place."""

    def __init__(self, installation: Installation, folder: Path) -> None:
        tools = folder / "bin"
        tools.mkdir()
        for name, tool in (("helm", installation.helm.name), ("kubectl", "kubectl")):
            (tools / name).symlink_to(tool_path(tool))
        self._environment = os.environ | {
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(installation.kubectl.kubeconfig),
            "HOME": str(folder),
        }
        keys = installation.cloud.environment
        self._theirs = {
            "NODE-1 NODE-2 NODE-3": " ".join(installation.cluster.nodes),
            "AWS_ACCESS_KEY_ID=YOURS": f"AWS_ACCESS_KEY_ID={keys['AWS_ACCESS_KEY_ID']}",
            "AWS_SECRET_ACCESS_KEY=YOURS": f"AWS_SECRET_ACCESS_KEY={keys['AWS_SECRET_ACCESS_KEY']}",
            # The cloud is not AWS itself.
            "global.imageRegistry=registry.example.com": "global.imageRegistry=localhost"
            f" --set core.clouds.aws.endpoint={installation.cloud.url}",
        }

    def type(self, block: str) -> str:
        """Run one block; returns what it prints."""
        for theirs, mine in self._theirs.items():
            block = block.replace(theirs, mine)
        done = subprocess.run(  # noqa: S603 - our own README
            ["bash", "-euc", block],  # noqa: S607 - a user's shell
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def nothing_installed(installation: Installation, cluster: Cluster) -> Installation:
    """No release, no kind and no namespace of ours."""
    kubectl = installation.kubectl
    if installation.run_helm("list", "-q"):
        installation.run_helm("uninstall", "moorage", "--wait")
    for kind, name in (("namespace", NAMESPACE), ("deployment", "shop")):
        kubectl.run("delete", kind, name, "--ignore-not-found")
    assert not [one for one in everything(cluster) if "netipallocations" in one]
    installation.cloud.world.add_address(SECOND_IP)
    return installation


def test_it_ends_with_addresses_on_nodes_and_the_dashboard_and_leaves_nothing(
    nothing_installed: Installation, before: set[str], tmp_path: Path
) -> None:
    user = User(nothing_installed, tmp_path)
    secret, install, allocate, look, dashboard, uninstall = blocks()
    user.type(secret)
    assert "Succeeded" in user.type(install)
    user.type(allocate)
    nothing_installed.wait(lambda: "AllBound" in user.type(look), "both to be bound")
    holders = {nothing_installed.holder_of(ip) for ip in (IP, SECOND_IP)}
    assert holders == set(nothing_installed.cluster.nodes)
    assert "moorage-core" in user.type(dashboard)
    user.type(uninstall)
    assert {nothing_installed.holder_of(ip) for ip in (IP, SECOND_IP)} == {""}
    wait_left(nothing_installed.cluster, before, {f"Secret {NAMESPACE}/moorage-aws"})
