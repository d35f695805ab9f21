"""A cluster of yours: the one that the current kubeconfig names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e.clusters.cluster import Cluster, ClusterError
from moorage_testing.cluster.kubectl import Kubectl, Object

FEWEST_NODES = 2


class ExistingCluster(Cluster):
    """Nothing is made, and no machine of it is switched off."""

    loses_power = False

    def __init__(self, host: str, image: str, app_image: str) -> None:
        """See the options of the same names."""
        kubeconfig = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        if not host or not image.rpartition(":")[0].endswith("/core"):
            raise ClusterError(
                "--cluster existing needs --host, an address of this machine that pods reach,"
                " and --image, the core's image in your registry: .../core:TAG"
            )
        # A node keeps its providerID for ever: one that has one is somebody's.
        nodes = [
            node["metadata"]["name"]
            for node in Kubectl(kubeconfig).items("nodes")
            if not node["spec"].get("providerID") and not node["spec"].get("taints")
        ]
        if len(nodes) < FEWEST_NODES:
            raise ClusterError(
                f"--cluster existing needs two nodes without taints and spec.providerID, which get"
                f" ids of emulated machines; there are {len(nodes)}"
            )
        super().__init__(kubeconfig, host, nodes[:FEWEST_NODES])
        self._image = image
        self._app_image = app_image

    def image(self, part: str) -> Mapping[str, Any]:
        """From your registry, all beside each other, as they are built."""
        repository, _, tag = self._image.rpartition(":")
        return {"repository": f"{repository.removesuffix('core')}{part}", "tag": tag}

    @property
    def app_image(self) -> str:
        """From your registry."""
        return self._app_image

    def kill(self, pod: Object) -> None:
        """As near as an administrator gets: without grace."""
        meta = pod["metadata"]
        name, namespace = meta["name"], meta["namespace"]
        self.kubectl.run("delete", "pod", "-n", namespace, name, "--grace-period=0", "--force")

    def stop(self) -> None:
        """It stays."""
