"""Real nodes on this machine: kubelets and containers, without docker."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.clusters.cluster import Cluster
from e2e.clusters.image import core_image
from e2e.clusters.kubectl import Object
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.nodes import RealNodes, write_image

APP_IMAGE = "localhost/probe:1"


class RealCluster(Cluster):
    """Nodes in namespaces of this machine; pods run from our images."""

    def __init__(self, real: RealNodes) -> None:
        super().__init__(Path(real.cluster.kubeconfig), real.host, tuple(real.nodes))
        self._real = real
        built = core_image()
        real.load_image(built.archive)
        self._repository, _, self._tag = built.tag.rpartition(":")
        real.load_image(write_image(real.run.folder / "probe.tar", APP_IMAGE, tool_path("probe")))

    @property
    def image(self) -> Mapping[str, Any]:
        """As it was built here."""
        return {"repository": self._repository, "tag": self._tag, "pullPolicy": "Never"}

    @property
    def app_image(self) -> str:
        """A small server."""
        return APP_IMAGE

    def adopt(self, node: str, provider_id: str) -> None:
        """As in any cluster, only once."""
        self._real.nodes[node].set_provider_id(provider_id)

    def kill(self, pod: Object) -> None:
        """Found by what the kubelet tells the process: the name of its pod."""
        name = f"POD_NAME={pod['metadata']['name']}".encode()
        node = self._real.nodes[pod["spec"]["nodeName"]]
        for pid in node.pids:
            if name in _environment(pid):
                os.kill(pid, signal.SIGKILL)

    def power_off(self, node: str) -> None:
        """All its processes are killed at once."""
        self._real.nodes[node].power_off()

    def power_on(self, node: str) -> None:
        """It boots with its disk as it was."""
        self._real.nodes[node].power_on()

    def stop(self) -> None:
        """Nothing is left behind."""
        self._real.stop()


def _environment(pid: int) -> list[bytes]:
    """Of a process that may have ended."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
