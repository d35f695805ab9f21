"""The settings of a node's programs, all at their usual places below /var and /run."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from moorage_testing.cluster.identity import write_secret
from moorage_testing.cni import install

PAUSE_IMAGE = "localhost/pause:1"
RUNTIME_SOCKET = "/run/containerd/containerd.sock"
ETC = "/var/etc"

CONTAINERD = """
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Its profile would stay loaded in the kernel.
  disable_apparmor = true
  # Root in a container or a virtual machine may lack the right to lower the score.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_folder}"
    conf_dir = "{etc}/cni"
"""


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """What the files of one node say."""

    pod_subnet: IPv4Network
    cgroup_root: str
    lease_seconds: float
    """How long the control plane waits for a renewed Lease."""
    cni_folder: Path
    snapshotter: str
    secrets: Mapping[str, bytes]
    """Certificates and kubeconfigs by file name."""
    networks: bool = False
    """Whether pods get the networks that they name, beside that of the cluster."""

    def write(self, var: Path) -> None:
        """Write the files into the folder that is the node's /var."""
        for folder in ("lib", "log", "etc/cni"):
            (var / folder).mkdir(parents=True, exist_ok=True)
        etc = var / "etc"
        for name, content in self.secrets.items():
            write_secret(etc / name, content)
        (etc / "resolv.conf").touch()
        (etc / "cni" / "pods.conflist").write_text(json.dumps(self._cni()))
        if self.networks:
            install.write_plugins(var / "cni", self.cni_folder)
        (etc / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet()))
        (etc / "containerd.toml").write_text(
            CONTAINERD.format(
                socket=RUNTIME_SOCKET,
                pause=PAUSE_IMAGE,
                snapshotter=self.snapshotter,
                cni_folder=install.FOLDER if self.networks else self.cni_folder,
                etc=ETC,
            )
        )

    def _cni(self) -> dict[str, Any]:
        # Point to point and not a bridge: a Service then also reaches a pod beside its caller
        # where the kernel has no br_netfilter.
        pods = {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": str(self.pod_subnet)}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                # Lost with the pods' networks when the node loses its power.
                "dataDir": "/run/cni",
            },
        }
        plugin = install.config_of(pods) if self.networks else pods
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [plugin]}

    def _kubelet(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "containerRuntimeEndpoint": f"unix://{RUNTIME_SOCKET}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": f"{ETC}/ca.crt"},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": f"{ETC}/kubelet.pem",
            "tlsPrivateKeyFile": f"{ETC}/kubelet.pem",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": self.cgroup_root,
            "failCgroupV1": False,
            "failSwapOn": False,
            "enforceNodeAllocatable": [],
            # A full disk of this machine is no reason to evict pods or to remove images.
            "evictionHard": {},
            "imageGCHighThresholdPercent": 100,
            "localStorageCapacityIsolation": False,
            "makeIPTablesUtilChains": False,
            "resolvConf": f"{ETC}/resolv.conf",
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "healthzPort": 0,
            # Renewed four times in that span.
            "nodeLeaseDurationSeconds": max(2, math.ceil(self.lease_seconds)),
            "nodeStatusUpdateFrequency": "1s",
            "nodeStatusReportFrequency": "1m",
        }
