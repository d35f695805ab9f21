"""A kind cluster: nodes in docker."""

from __future__ import annotations

import tempfile
from pathlib import Path

from e2e.clusters.command import call
from e2e.clusters.image import OwnImages, archives
from moorage_testing.cluster.kubectl import Object
from moorage_testing.waiting import PATIENCE, wait_for

NAME = "moorage-e2e"
CONFIG = """
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes: [{role: control-plane}, {role: worker}, {role: worker}]
"""
FLAGS = "/var/lib/kubelet/kubeadm-flags.env"


class KindCluster(OwnImages):
    """Made for the run and deleted after it."""

    def __init__(self, folder: Path) -> None:
        nodes = (f"{NAME}-worker", f"{NAME}-worker2")
        # Where docker's own network ends on this machine.
        gateway = call(
            "docker", "network", "inspect", "kind", "-f", "{{(index .IPAM.Config 0).Gateway}}"
        )
        super().__init__(folder / "kubeconfig", gateway.strip(), nodes)
        for archive in archives(folder):
            call("kind", "load", "image-archive", str(archive), "--name", NAME)

    @classmethod
    def start(cls) -> KindCluster:
        """Create the cluster."""
        folder = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
        (folder / "kind.yaml").write_text(CONFIG)
        kubeconfig = str(folder / "kubeconfig")
        config = str(folder / "kind.yaml")
        call("kind", "create", "cluster", "--name", NAME, "--config", config, "--wait", "120s",
             "--kubeconfig", kubeconfig)  # fmt: skip
        try:
            return cls(folder)
        except BaseException:
            call("kind", "delete", "cluster", "--name", NAME)
            raise

    def adopt(self, node: str, provider_id: str) -> None:
        """The kubelet registers anew: kind had told it an id of its own, which never changes."""
        call("docker", "exec", node, "sed", "-i",
             f"s|--provider-id=[^ \"]*|--provider-id={provider_id}|", FLAGS)  # fmt: skip
        self.kubectl.run("delete", "node", node)
        call("docker", "exec", node, "systemctl", "restart", "kubelet")
        wait_for(lambda: self.kubectl.get("node", node), PATIENCE, f"{node} to register")

    def kill(self, pod: Object) -> None:
        """Found by what the kubelet tells the process: the name of its pod."""
        name = pod["metadata"]["name"]
        script = f"kill -9 $(grep -lz '^POD_NAME={name}$' /proc/[0-9]*/environ | cut -d/ -f3)"
        call("docker", "exec", pod["spec"]["nodeName"], "sh", "-c", script)

    def power_off(self, node: str) -> None:
        """The node's container ends at once."""
        call("docker", "kill", node)

    def power_on(self, node: str) -> None:
        """It boots again."""
        call("docker", "start", node)

    def stop(self) -> None:
        """Delete the cluster."""
        call("kind", "delete", "cluster", "--name", NAME)
