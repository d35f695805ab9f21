"""A cluster that the chart is installed on, and what can happen to its pods and machines."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from moorage_testing.cluster.kubectl import Kubectl, KubectlError, Object

# A drain waits for pods to end.
KUBECTL_SECONDS = 180.0


class ClusterError(Exception):
    """This machine, or the cluster, cannot be used; the message says what to do."""


class Cluster(abc.ABC):
    """A running cluster.

    Attributes:
        kubectl: as its administrator.
        host: an address of this machine that the controller's pods reach.
        nodes: names of the nodes that workloads may run on, two or more.
        image: values of the chart that name the controller's image.
        loses_power: whether ``power_off`` and ``power_on`` work.
    """

    loses_power: bool = True

    def __init__(self, kubeconfig: Path, host: str, nodes: Sequence[str]) -> None:
        self.kubectl = Kubectl(kubeconfig, seconds=KUBECTL_SECONDS)
        self.host = host
        self.nodes = tuple(nodes)

    @property
    @abc.abstractmethod
    def image(self) -> Mapping[str, Any]: ...

    @property
    @abc.abstractmethod
    def app_image(self) -> str:
        """Name of an image that runs until it is stopped, with the argument ``serve``."""

    def adopt(self, node: str, provider_id: str) -> None:
        """Say which machine of the cloud a node is."""
        self.kubectl.patch("node", node, spec={"providerID": provider_id})

    def pods(self, namespace: str, component: str = "controller") -> Sequence[Object]:
        """The pods of a release, those that are going included."""
        label = f"app.kubernetes.io/component={component}"
        return self.kubectl.items("pods", "-n", namespace, "-l", label)

    def ready(self, pod: Object) -> bool:
        """Whether the controller in a pod can do its work."""
        conditions = pod["status"].get("conditions", ())
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def logs(self, pod: Object) -> str:
        """What its controller has written; ``""`` = it has not started yet."""
        meta = pod["metadata"]
        try:
            return self.kubectl.run("logs", "-n", meta["namespace"], meta["name"])
        except KubectlError as error:
            if "is waiting to start" in str(error):
                return ""
            raise

    @abc.abstractmethod
    def kill(self, pod: Object) -> None:
        """Kill the controller in a pod with SIGKILL; it is started again."""

    def power_off(self, node: str) -> None:
        """Everything of a node ends at once, unannounced."""
        raise NotImplementedError(node)

    def power_on(self, node: str) -> None:
        """It boots again."""
        raise NotImplementedError(node)

    @abc.abstractmethod
    def stop(self) -> None:
        """End what was started for it; nothing of that is left."""
