"""A release of the chart on a cluster whose nodes are machines of an emulated EC2."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from e2e.clusters.cluster import Cluster
from moorage_testing.clouds.aws import Ec2Emulator
from moorage_testing.clouds.control import changes
from moorage_testing.cluster.kubectl import Object
from moorage_testing.helm import Helm
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

CHART = Path(__file__).parents[2] / "charts" / "moorage"
NAMESPACE = "moorage-system"
RELEASE = "moorage"
SECRET = "aws-credentials"  # noqa: S105 - its name
ALLOCATION = "edge"
IP = "203.0.113.10"
APP = "shop"
SECONDS = "180s"
T = TypeVar("T")


class Installation:
    """The release, the cloud, one allocation of one address, and a workload that needs it."""

    def __init__(self, cluster: Cluster, cloud: Ec2Emulator, helm: Helm) -> None:
        self.cluster = cluster
        self.cloud = cloud
        self.helm = helm
        self.kubectl = cluster.kubectl
        self._machines: dict[str, str] = {}

    # The cloud.

    def adopt_nodes(self) -> None:
        """Each node is a machine of the cloud, and the address is reserved there."""
        world = self.cloud.world
        instances = world.add_instances(len(self.cluster.nodes))
        for node, instance in zip(self.cluster.nodes, instances, strict=True):
            self.cluster.adopt(node, instance.provider_id)
            self._machines[instance.id] = node
        world.add_address(IP)

    @property
    def holder(self) -> str:
        """The node whose machine has the address in the cloud, ``""`` = none."""
        return self.holder_of(IP)

    def holder_of(self, ip: str) -> str:
        """The same of another address."""
        machine = self.cloud.world.holder(ip)
        return self._machines.get(machine, machine)

    @property
    def cloud_writes(self) -> int:
        """How often the cloud was asked to change something."""
        return sum(changes(op) for op in self.cloud.faults.ops())

    # The release.

    def values(self, **core: Any) -> dict[str, Any]:  # values of the chart
        """Those that this cluster and this cloud need; ``core``: more of the controller's."""
        variables = {"AWS_EC2_METADATA_DISABLED": "true"}
        clouds = {
            "existingSecret": SECRET,
            "endpoint": self.cloud.url,
            "region": self.cloud.region,
        }
        needed = {
            "image": dict(self.cluster.image("core")),
            "clouds": {"aws": clouds},
            "extraEnv": [{"name": name, "value": value} for name, value in variables.items()],
        }
        return {"core": needed | core}

    def add_credentials(self) -> None:
        """The Secret that ``existingSecret`` names."""
        keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        meta = {"name": SECRET, "namespace": NAMESPACE}
        data = {key: self.cloud.environment[key] for key in keys}
        self.kubectl.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data},
        )

    def upgrade(
        self, values: Mapping[str, Any] | None = None, *flags: str, chart: Path = CHART
    ) -> str:
        """Install the release, or upgrade it; returns what Helm prints."""
        return self.helm.run(
            "upgrade", "--install", RELEASE, str(chart), "-n", NAMESPACE, "--create-namespace",
            *flags, values=self.values() if values is None else values,
        )  # fmt: skip

    def run_helm(self, *arguments: str) -> str:
        """Another command on the release."""
        return self.helm.run(*arguments, "-n", NAMESPACE)

    @property
    def pods(self) -> Sequence[Object]:
        """Of the core controller."""
        return self.cluster.pods(NAMESPACE, "core")

    def wait_working(self, replicas: int = 2, part: str = "core") -> list[Object]:
        """Wait until all replicas of the newest revision, and no other, are ready."""

        def working() -> list[Object]:
            pods = self.cluster.pods(NAMESPACE, part)
            hashes = {one["metadata"]["labels"]["pod-template-hash"] for one in pods}
            ready = [one for one in pods if self.cluster.ready(one)]
            newest = self.kubectl.get("deployment", "-n", NAMESPACE, f"moorage-{part}")
            done = newest["status"].get("updatedReplicas") == replicas
            right = done and len(hashes) == 1 and len(ready) == len(pods) == replicas
            return ready if right else []

        return self.wait(working, f"{replicas} replicas of {part} to be ready")

    def spread(self) -> None:
        """Have a replica on each node again: after a drain all are on what was left."""
        if len({one["spec"]["nodeName"] for one in self.pods}) < len(self.pods):
            self.kubectl.run("rollout", "restart", "-n", NAMESPACE, "deployment/moorage-core")
            self.wait_working()

    @property
    def leader(self) -> str:
        """The pod that leads, ``""`` = none."""
        lease = self.kubectl.get("lease", "-n", "kube-system", "moorage-core")
        holder = str(lease.get("spec", {}).get("holderIdentity") or "")
        return next((n for one in self.pods if (n := one["metadata"]["name"]) in holder), "")

    def leading_pod(self) -> Object:
        """Wait until one leads."""
        self.wait(lambda: self.leader, "a leader")
        return next(one for one in self.pods if one["metadata"]["name"] == self.leader)

    # The allocation and its workload.

    def allocate(self) -> None:
        """One address for the nodes, which the workload needs."""
        self.kubectl.apply(
            {
                "apiVersion": "netinfra.darkbrains.com/v1alpha1",
                "kind": "NetIPAllocation",
                "metadata": {"name": ALLOCATION},
                "spec": {
                    "reservedIPs": [IP],
                    "workloadRef": {"kind": "Deployment", "name": APP, "namespace": "default"},
                    "cloud": {"provider": "aws", "region": self.cloud.region},
                    "reconcileInterval": 5,
                    "failover": {"notReadySeconds": 5},
                },
            }
        )

    def run_app(self) -> None:
        """A pod that runs only where the address is."""
        labels = {"app": APP}
        container = {"name": APP, "image": self.cluster.app_image, "args": ["serve"]}
        pod = {
            "nodeSelector": {"ip.ready": "true"},
            "containers": [container | {"imagePullPolicy": "IfNotPresent"}],
            "terminationGracePeriodSeconds": 0,
            # Where its node has lost power it goes at once.
            "tolerations": [
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
                for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
            ],
        }
        template = {"metadata": {"labels": labels}, "spec": pod}
        self.kubectl.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": APP, "namespace": "default"},
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            }
        )

    @property
    def allocation(self) -> Object:
        """As it is; ``{}`` = there is none."""
        return self.kubectl.get("netipallocation", ALLOCATION)

    def reason(self) -> str:
        """Why the allocation is, or is not, ready."""
        conditions = self.allocation.get("status", {}).get("conditions", ())
        return next((str(one["reason"]) for one in conditions if one["type"] == "Ready"), "")

    def bound_to(self) -> str:
        """The node that has the address by the status, the labels and the cloud, ``""`` = none."""
        entries = self.allocation.get("status", {}).get("addresses", ())
        bound = {one["nodeName"] for one in entries if one["phase"] == "Bound"}
        nodes = self.kubectl.items("nodes", "-l", "ip.ready=true")
        labelled = {one["metadata"]["name"] for one in nodes}
        return self.holder if bound == labelled == {self.holder} else ""

    def wait_bound(self, *nodes: str) -> str:
        """Wait until the address is on one of these nodes, and the workload too; return it."""

        def bound() -> str:
            there = self.bound_to()
            pods = self.kubectl.items("pods", "-n", "default", "-l", f"app={APP}")
            runs = {
                one["spec"].get("nodeName") for one in pods if one["status"]["phase"] == "Running"
            }
            return there if there in (nodes or self.cluster.nodes) and there in runs else ""

        return self.wait(bound, f"{IP} to be bound to one of {nodes or self.cluster.nodes}")

    def drain(self, node: str) -> None:
        """``kubectl drain``, to its end."""
        self.kubectl.run(
            "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={SECONDS}"
        )

    def wait(self, predicate: Callable[[], T], what: str) -> T:
        """Wait; where it takes too long, the error shows what the objects say."""
        try:
            return wait_for(predicate, PATIENCE, what)
        except WaitTimeoutError as error:
            error.add_note(self.kubectl.run("get", "pods", "-A", "-o", "wide"))
            error.add_note(f"{self.allocation.get('status')}, in the cloud on {self.holder!r}")
            for pod in self.pods:
                error.add_note(f"{pod['metadata']['name']}: {self._last_words(pod)}")
            raise

    def _last_words(self, pod: Object) -> str:
        try:
            return "\n".join(self.cluster.logs(pod).splitlines()[-5:])
        except (RuntimeError, subprocess.SubprocessError) as error:
            return str(error)
