"""The fleet that the controller is measured with: a control plane, nodes, pods and one cloud."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from moorage_core.rbac import RULES
from moorage_domain.rbac import cluster_role, role
from moorage_testing.cluster import ApiError, EmbeddedCluster, Node, Owner, Pod
from moorage_testing.cluster.control_plane import free_ports
from moorage_testing.cluster.objects import granted
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import wait_for

from .audit import Audit
from .clouds import Cloud
from .emulated import ROOT, EmulatedCloud
from .options import Options
from .planner import ip_text
from .report import step

CRD = ROOT / "crds" / "netipallocations.netinfra.darkbrains.com.yaml"
ALLOCATION = "/apis/netinfra.darkbrains.com/v1alpha1/netipallocations/edge"
NAMESPACE = "moorage-system"
ACCOUNT = f"{NAMESPACE}/moorage-core"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/moorage-core"
# The shortest there is.
INTERVAL_SECONDS = 5
# Long, so that the fake kubelets' heartbeats use little of the two cores.
GRACE_SECONDS = 120.0
# Their objects are only read here: no controller must start or stop pods because of them.
IDLE_CONTROLLERS = "--controllers=*,-deployment-controller,-replicaset-controller"
START_SECONDS = 120.0
BIND_SECONDS = 300.0
QUIET_SECONDS = 4.0


class Fleet:
    """Everything set up once and shared by all rows."""

    def __init__(
        self, run: Run, cluster: EmbeddedCluster, audit: Audit, cloud: EmulatedCloud
    ) -> None:
        self.run = run
        self.cluster = cluster
        self.audit = audit
        self.cloud = cloud
        self.controller: Child | None = None
        self.ready_seconds = 0.0
        self.bound_seconds = 0.0
        self._numbers = itertools.count(1)

    @property
    def process(self) -> psutil.Process:
        """The controller's."""
        if self.controller is None:
            raise RuntimeError("the controller is not started")
        self.controller.check()
        return psutil.Process(self.controller.pid)

    def command(self, name: str, port: int, *arguments: str) -> Command:
        """The real controller under its own rights, its probes and metrics on this port."""
        argv = [sys.executable, "-m", "moorage_core"]
        argv += ["--kubeconfig", str(self.cluster.kubeconfig_for(ACCOUNT))]
        argv += ["--metrics-port", str(port), "--metrics-host", "127.0.0.1"]
        argv += ["--lease-namespace", NAMESPACE, *arguments]
        return Command(name, argv, env={**self.cloud.environment, "POD_NAME": name})

    def start_controller(self) -> None:
        """Start a controller and wait until it is ready."""
        begun = time.monotonic()
        self.controller = self.start_standby()
        self.ready_seconds = time.monotonic() - begun

    def start_standby(self) -> Child:
        """Start another controller and wait until it is ready to become the leader."""
        port = free_ports(1)[0]
        child = self.run.start(self.command(f"core-{next(self._numbers)}", port))

        def ready() -> bool:
            child.check()
            return _answers(port, "/readyz")

        wait_for(ready, START_SECONDS, "the controller to be ready", interval_seconds=0.02)
        return child

    def lease_holder(self) -> str:
        """The controller that holds the Lease, ``""``: none."""
        try:
            holder = self.cluster.request("GET", LEASE)["spec"].get("holderIdentity") or ""
        except ApiError:
            return ""
        return str(holder).rpartition("_")[0]

    def wait_bound(self, addresses: int) -> None:
        """Wait until this many are bound, the labels are written and no request follows."""
        begun = time.monotonic()

        def bound() -> bool:
            self.process  # noqa: B018 - raises with its log once it is dead
            status = self.cluster.request("GET", ALLOCATION).get("status", {})
            return bool(status.get("bound") == addresses)

        wait_for(bound, BIND_SECONDS, f"{addresses} addresses to be bound", interval_seconds=0.5)
        self.bound_seconds = time.monotonic() - begun
        quiet = "the controller's last requests"
        wait_for(
            lambda: self.audit.age() > QUIET_SECONDS, BIND_SECONDS, quiet, interval_seconds=0.5
        )

    def memory_mib(self) -> tuple[float, float]:
        """The controller's resident memory: now, and its peak."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return self.process.memory_info().rss / 2**20, int(peak.split()[1]) / 1024

    def cpu_seconds(self) -> float:
        """Processor time the controller has used."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def fleet(cloud: Cloud, options: Options) -> Iterator[Fleet]:
    """Set up the fleet and the NetIPAllocation, without a controller."""
    with contextlib.ExitStack() as opened:
        run = opened.enter_context(Run.open())
        audit = Audit(run.folder, ACCOUNT)
        with step("starting the control plane"):
            cluster = opened.enter_context(
                EmbeddedCluster.start(
                    node_monitor_grace_seconds=GRACE_SECONDS,
                    extra_args={
                        "kube-apiserver": audit.flags,
                        "kube-controller-manager": (IDLE_CONTROLLERS,),
                    },
                )
            )
        with step(f"starting {cloud.title} with {options.nodes:,} instances"):
            emulated = EmulatedCloud.start(run, cloud, options)
        _add_nodes(cluster, emulated)
        _add_pods(cluster, options)
        _add_allocation(cluster, options, emulated)
        yield Fleet(run, cluster, audit, emulated)


def node_name(number: int) -> str:
    """Names in the order of the instances."""
    return f"node-{number:04}"


def _add_nodes(cluster: EmbeddedCluster, cloud: EmulatedCloud) -> None:
    with step(f"adding {len(cloud.instances):,} nodes"):
        cluster.add_nodes(
            Node(
                node_name(number),
                labels={
                    "pool": "edge",
                    "topology.kubernetes.io/region": cloud.region,
                    "topology.kubernetes.io/zone": instance.zone,
                },
                provider_id=instance.provider_id,
            )
            for number, instance in enumerate(cloud.instances)
        )


def _add_pods(cluster: EmbeddedCluster, options: Options) -> None:
    """One pod of the workload on every node, the rest belongs to another workload."""
    edge, other = _workload(cluster, "edge"), _workload(cluster, "other")

    def pods(numbers: Sequence[int]) -> Iterator[Pod]:
        for number in numbers:
            node = node_name(number % options.nodes)
            if number < options.nodes:
                yield Pod(f"edge-{node}", node=node, owner=edge, labels={"app": "edge"})
            else:
                yield Pod(f"other-{number}", node=node, owner=other, labels={"app": "other"})

    chunk = 5000
    for start in range(0, options.pods, chunk):
        numbers = range(start, min(start + chunk, options.pods))
        with step(f"adding pods {numbers[0] + 1:,} to {numbers[-1] + 1:,} of {options.pods:,}"):
            cluster.create_pods(pods(numbers))
    path = "/api/v1/pods?fieldSelector=status.phase%3DPending&limit=1"
    with step("waiting until all pods run"):
        wait_for(
            lambda: not cluster.request("GET", path)["items"],
            BIND_SECONDS,
            "all pods to run",
            interval_seconds=0.5,
        )


def _workload(cluster: EmbeddedCluster, name: str) -> Owner:
    """A Deployment and its ReplicaSet; the latter is what pods belong to."""
    labels = {"app": name}
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": "fake"}]},
        },
    }
    base = "/apis/apps/v1/namespaces/default"
    meta: dict[str, Any] = {"name": name, "labels": labels}
    made = cluster.request("POST", f"{base}/deployments", {"metadata": meta, "spec": spec})
    owner = {
        "apiVersion": "apps/v1", "kind": "Deployment", "name": name,
        "uid": made["metadata"]["uid"], "controller": True,
    }  # fmt: skip
    meta = {"name": f"{name}-1", "labels": labels, "ownerReferences": [owner]}
    made = cluster.request("POST", f"{base}/replicasets", {"metadata": meta, "spec": spec})
    return Owner("ReplicaSet", f"{name}-1", made["metadata"]["uid"])


def _add_allocation(cluster: EmbeddedCluster, options: Options, cloud: EmulatedCloud) -> None:
    """The CRD, the controller's account with its own rights and no others, and the object."""
    cluster.apply(CRD.read_text(encoding="utf-8"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRD))
    cluster.service_account_token(ACCOUNT)
    cluster.apply([*granted(cluster_role("moorage-core", RULES), ACCOUNT)])
    cluster.apply([*granted(role("moorage-core", RULES), ACCOUNT)])
    spec = {
        "reservedIPs": [*map(ip_text, range(options.addresses))],
        "workloadRef": {"kind": "Deployment", "name": "edge", "namespace": "default"},
        "nodeSelector": {"pool": "edge"},
        "cloud": {"provider": cloud.cloud.name, "region": cloud.region},
        "reconcileInterval": INTERVAL_SECONDS,
    }
    kind = {"apiVersion": "netinfra.darkbrains.com/v1alpha1", "kind": "NetIPAllocation"}
    cluster.apply([kind | {"metadata": {"name": "edge"}, "spec": spec}])


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
