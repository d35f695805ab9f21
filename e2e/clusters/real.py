"""Real nodes on this machine: kubelets and containers, without docker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from e2e.clusters.image import OwnImages, archives
from moorage_testing.cluster.kubectl import Object
from moorage_testing.nodes import RealNodes


class RealCluster(OwnImages):
    """Nodes in namespaces of this machine; pods run from our images."""

    def __init__(self, real: RealNodes) -> None:
        super().__init__(Path(real.cluster.kubeconfig), real.host, tuple(real.nodes))
        self._real = real
        for archive in archives(real.run.folder):
            real.load_image(archive)

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
