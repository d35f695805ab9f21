"""A cluster that the chart is installed on, and what can happen to its pods and machines."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from e2e.clusters.outside import NoOutsideError, Outside
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
        loses_power: whether ``power_off`` and ``power_on`` work.
        networks: whether pods get the networks that they name.
        calls_pods: whether the API server reaches webhooks in pods.
    """

    loses_power: bool = True
    networks: bool = False
    calls_pods: bool = True

    def __init__(self, kubeconfig: Path, host: str, nodes: Sequence[str]) -> None:
        self.kubectl = Kubectl(kubeconfig, seconds=KUBECTL_SECONDS)
        self.host = host
        self.nodes = tuple(nodes)

    @abc.abstractmethod
    def image(self, part: str) -> Mapping[str, Any]:
        """Values of the chart that name the image of a controller, such as ``core``."""

    @property
    @abc.abstractmethod
    def app_image(self) -> str:
        """Name of an image that runs until it is stopped, with the argument ``serve``."""

    def adopt(self, node: str, provider_id: str) -> None:
        """Say which machine of the cloud a node is."""
        self.kubectl.patch("node", node, spec={"providerID": provider_id})

    def pods(self, namespace: str, part: str) -> Sequence[Object]:
        """The pods of one controller of a release, those that are going included."""
        labels = {"component": "controller", "name": f"moorage-{part}"}
        selector = ",".join(f"app.kubernetes.io/{name}={value}" for name, value in labels.items())
        return self.kubectl.items("pods", "-n", namespace, "-l", selector)

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

    def outside(self) -> Outside:
        """A client on the nodes' link, the same one each time.

        Raises NoOutsideError where there is never one, ClusterError where this machine lacks the
        rights for it.
        """
        raise NoOutsideError("no client of ours is on the link of this cluster's nodes")

    def lose(self, node: str) -> None:
        """Nobody reaches a node any more, unannounced: neither the API server nor a client."""
        self.power_off(node)

    def kill_for_good(self, pod: Object) -> None:
        """Kill the controller in a pod with SIGKILL; before ``find`` nobody starts it again."""
        self.power_off(pod["spec"]["nodeName"])

    def find(self, node: str) -> None:
        """A node that was lost is reached again, and all its pods run."""
        self.power_on(node)

    def effective_capabilities(self, pod: Object) -> int:
        """Those of the controller in a pod, as the kernel has them, one bit each."""
        raise ClusterError(f"the kernel of {pod['spec']['nodeName']} is not asked here")

    @abc.abstractmethod
    def stop(self) -> None:
        """End what was started for it; nothing of that is left."""
