"""Real nodes on this machine: kubelets and containers, without docker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from e2e.clusters.image import OwnImages, archives
from e2e.clusters.outside import Outside
from moorage_testing.cluster.kubectl import Object
from moorage_testing.nodes import RealNodes


class RealCluster(OwnImages):
    """Nodes in namespaces of this machine; pods run from our images."""

    networks = True

    def __init__(self, real: RealNodes) -> None:
        super().__init__(Path(real.cluster.kubeconfig), real.host, tuple(real.nodes))
        self._real = real
        for archive in archives(real.run.folder):
            real.load_image(archive)

    def adopt(self, node: str, provider_id: str) -> None:
        """As in any cluster, only once."""
        self._real.nodes[node].set_provider_id(provider_id)

    def kill(self, pod: Object) -> None:
        """At once, and the kubelet is not asked."""
        for pid in self._processes(pod):
            os.kill(pid, signal.SIGKILL)

    def outside(self) -> Outside:
        """It has a cable to the same switch, and no route to anything behind the nodes."""
        return Outside(self._real.outside(), str(self._real.network.plan.spare), serves=True)

    def lose(self, node: str) -> None:
        """Its cable is pulled, and everything runs on."""
        self._real.nodes[node].cut_link()

    def kill_for_good(self, pod: Object) -> None:
        """The node is reached as before, but its kubelet does not run."""
        self._real.nodes[pod["spec"]["nodeName"]].stop_kubelet()
        self.kill(pod)

    def find(self, node: str) -> None:
        """Its cable is put back, and its kubelet runs."""
        self._real.nodes[node].restore_link()
        self._real.nodes[node].start_kubelet()

    def effective_capabilities(self, pod: Object) -> int:
        """Of the one process that it has."""
        (pid,) = self._processes(pod)
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        (found,) = (line.split()[1] for line in lines if line.startswith("CapEff:"))
        return int(found, 16)

    def _processes(self, pod: Object) -> list[int]:
        """Found by what the kubelet tells them: the name of their pod."""
        name = f"POD_NAME={pod['metadata']['name']}".encode()
        pids = self._real.nodes[pod["spec"]["nodeName"]].pids
        return [pid for pid in pids if name in _environment(pid)]

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
