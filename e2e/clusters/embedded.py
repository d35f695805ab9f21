"""The embedded control plane: fake nodes, and the pods of a release as processes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from e2e.clusters.cluster import Cluster, ClusterError
from e2e.clusters.local_pods import LocalPods
from e2e.clusters.outside import Outside
from moorage_testing.cluster import EmbeddedCluster, Node
from moorage_testing.cluster.kubectl import Object
from moorage_testing.lab import LabUnavailableError, start

NODES = ("node-1", "node-2")
GRACE_SECONDS = 8.0
POOL = "10.99.8.0/28"
"""Of the lab's network."""


class LocalCluster(Cluster):
    """No containers: what a kubelet does for our pods is done here, and for others pretended."""

    calls_pods = False

    def __init__(self, cluster: EmbeddedCluster) -> None:
        super().__init__(Path(cluster.kubeconfig), "127.0.0.1", NODES)
        self._cluster = cluster
        hostname = "kubernetes.io/hostname"
        cluster.add_nodes(Node(name, labels={hostname: name}) for name in NODES)
        self._pods = LocalPods(self.kubectl, cluster.run, cluster.kubeconfig_for)
        self._outside: Outside | None = None
        self._lab = ExitStack()

    @classmethod
    def start(cls) -> LocalCluster:
        """Start a control plane that misses nodes soon."""
        return cls(EmbeddedCluster.start(node_monitor_grace_seconds=GRACE_SECONDS))

    def image(self, part: str) -> Mapping[str, Any]:
        """Nothing is pulled."""
        return {"repository": f"localhost/moorage/{part}"}

    @property
    def app_image(self) -> str:
        """Nothing is run."""
        return "fake"

    def ready(self, pod: Object) -> bool:
        """The fake kubelet says Ready of every pod."""
        return self._pods.ready(pod)

    def logs(self, pod: Object) -> str:
        """Of its process, since its last start."""
        logs = self._pods.find(pod).logs
        return logs[-1].read_text() if logs else ""

    def kill(self, pod: Object) -> None:
        """It is started again as a kubelet would."""
        if child := self._pods.find(pod).child:
            child.stop(0)

    def outside(self) -> Outside:
        """From now on each node has a network namespace, for pods that ask for its network.

        These have no service proxy, and no pods run there that a client could reach.
        """
        if self._outside is None:
            try:
                lab = self._lab.enter_context(start(len(NODES)))
            except LabUnavailableError as error:
                raise ClusterError(str(error)) from error
            stations = zip(NODES, lab.nodes, strict=True)
            self._pods.networks |= {node: one.namespace.path for node, one in stations}
            self._outside = Outside(lab.client, POOL, serves=False, agent={"proxyPort": 0})
        return self._outside

    def power_off(self, node: str) -> None:
        """Its processes end, and its kubelet is heard no more."""
        self._cluster.stop_heartbeat(node)
        self._pods.power_off(node)

    def power_on(self, node: str) -> None:
        """Its kubelet is heard again."""
        self._cluster.resume_heartbeat(node)
        self._pods.power_on(node)

    def stop(self) -> None:
        """Processes first, so that they give up their Leases."""
        self._pods.stop()
        self._lab.close()
        self._cluster.stop()
