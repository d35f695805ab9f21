"""The demo's world: a control plane, a cloud and the controller, for the length of a block."""

from __future__ import annotations

import contextlib
import http
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from botocore.exceptions import BotoCoreError

from e2e.demo import manifests
from e2e.demo.cloud import Cloud
from e2e.demo.options import Options
from e2e.demo.seen import Address, Node, Seen
from moorage_testing.cluster import ApiError, EmbeddedCluster, KubectlError
from moorage_testing.cluster import Node as NewNode
from moorage_testing.cluster.api import Json
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.processes import Child, ChildError, Command, Run
from moorage_testing.waiting import wait_for

CONTROLLER_SECONDS = 60.0
DRAIN_SECONDS = 60
LOG_LINES = 25
# What doing and looking may raise when a part of the world fails; OSError: it does not answer.
BROKEN = (ChildError, KubectlError, ApiError, BotoCoreError, OSError, subprocess.SubprocessError)

_ALLOCATIONS = "/apis/netinfra.darkbrains.com/v1alpha1/netipallocations"


class World:
    """What happens in the demo is done through this, and seen through it."""

    def __init__(self, cluster: EmbeddedCluster, cloud: Cloud, options: Options) -> None:
        """Take over a cluster without nodes; see ``open_world``."""
        self.cluster = cluster
        self.cloud = cloud
        self.controller: Child | None = None
        self._options = options
        self._draining: Child | None = None
        self._node_of: dict[str, str] = {}

    @property
    def allocation_file(self) -> Path:
        """The NetIPAllocation as a manifest."""
        return self.cluster.run.folder / "allocation.json"

    def populate(self) -> None:
        """Put in nodes, one for each instance, the workload, and what the controller needs."""
        for crd in sorted(manifests.CRDS.glob("*.yaml")):
            self.cluster.apply(crd.read_text(encoding="utf-8"))
        nodes = []
        # Of one length, so that people and the alphabet put them in the same order.
        width = len(str(len(self.cloud.instances)))
        for number, instance in enumerate(self.cloud.instances, start=1):
            name = f"node-{number:0{width}}"
            self._node_of[instance["id"]] = name
            nodes.append(
                NewNode(
                    name,
                    labels=manifests.POOL,
                    provider_id=instance["provider_id"],
                    internal_ip=instance["private_ip"],
                )
            )
        self.cluster.add_nodes(nodes)
        self.cluster.apply(manifests.workload())
        manifest = manifests.allocation(self.cloud.region, self._options)
        self.allocation_file.write_text(json.dumps(manifest, indent=2), encoding="utf-8")

    def start_controller(self) -> None:
        """Start it under its own ServiceAccount and rights; return when it leads."""
        namespace, name = manifests.CONTROLLER_NAMESPACE, manifests.CONTROLLER
        kubeconfig = self.cluster.kubeconfig_for(f"{namespace}/{name}")
        self.cluster.apply(manifests.controller_rights())
        argv = [sys.executable, "-m", "moorage_core", "--kubeconfig", str(kubeconfig)]
        argv += ["--lease-namespace", namespace, "--log-format", "text"]
        argv += ["--metrics-host", "127.0.0.1", "--metrics-port", "0"]
        controller = self.cluster.run.start(Command(name, argv, env=self.cloud.environment))
        self.controller = controller

        def leads() -> bool:
            controller.check()
            return "working" in controller.log.read_text(encoding="utf-8", errors="replace")

        wait_for(leads, CONTROLLER_SECONDS, "the controller to lead")

    def controller_log(self) -> str:
        """The last lines of the controller's log."""
        return self.controller.log_tail(LOG_LINES) if self.controller else "(it was not started)"

    def allocate(self) -> None:
        """Create the NetIPAllocation."""
        self.cluster.kubectl("create", "-f", str(self.allocation_file))

    def cordon(self, node: str) -> None:
        """Let no more pods come to a node."""
        self.cluster.kubectl("cordon", node)

    def drain(self, node: str) -> None:
        """Begin to evict a node's pods; ``drained`` tells when it is done.

        As a child of the run, so that it ends with the demo however that ends.
        """
        argv = [str(tool_path("kubectl")), f"--kubeconfig={self.cluster.kubeconfig}"]
        argv += ["drain", node, "--ignore-daemonsets", f"--timeout={DRAIN_SECONDS}s"]
        self._draining = self.cluster.run.start(Command("kubectl-drain", argv, grace_seconds=0))

    @property
    def drained(self) -> bool:
        """Whether ``kubectl drain`` has succeeded; raises ChildError if it failed."""
        if self._draining is None:
            return False
        if self._draining.returncode not in (None, 0):
            self._draining.check()
        return self._draining.returncode == 0

    def silence(self, node: str) -> None:
        """Let a node's kubelet fall silent."""
        self.cluster.stop_heartbeat(node)

    def release(self) -> None:
        """Delete the NetIPAllocation, not waiting for the end of it."""
        self.cluster.kubectl("delete", "netipallocation", manifests.ALLOCATION, "--wait=false")

    def changes(self) -> Counter[str]:
        """How often each operation was called that changes the cloud."""
        return self.cloud.changes()

    def look(self) -> Seen:
        """See everything now; raises ChildError if the controller or the cloud has ended."""
        self.cloud.check()
        if self.controller:
            self.controller.check()
        told = self._status()
        holders = self.cloud.holders()
        addresses = tuple(self._address(ip, holders[ip], told or {}) for ip in manifests.ADDRESSES)
        changes = sum(self.changes().values())
        return Seen(told is not None, addresses, self._nodes(), changes)

    def _address(self, ip: str, instance: str, told: dict[str, dict[str, str]]) -> Address:
        entry = told.get(ip, {})
        return Address(
            ip=ip,
            holder=self._node_of.get(instance, instance),
            phase=entry.get("phase", ""),
            node=entry.get("nodeName", ""),
            message=entry.get("message", ""),
        )

    def _status(self) -> dict[str, dict[str, str]] | None:
        """The status by address; ``None`` = there is no NetIPAllocation."""
        try:
            raw = self.cluster.request("GET", f"{_ALLOCATIONS}/{manifests.ALLOCATION}")
        except ApiError as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return None
            raise
        return {entry["ip"]: entry for entry in raw.get("status", {}).get("addresses", ())}

    def _nodes(self) -> tuple[Node, ...]:
        path = f"/api/v1/namespaces/{manifests.NAMESPACE}/pods"
        pods = Counter(
            pod["spec"].get("nodeName", "")
            for pod in self.cluster.request("GET", path)["items"]
            if pod["status"]["phase"] == "Running" and "deletionTimestamp" not in pod["metadata"]
        )
        rows = self.cluster.request("GET", "/api/v1/nodes")["items"]
        return tuple(_node(row, pods[row["metadata"]["name"]]) for row in rows)


def _node(row: Json, pods: int) -> Node:
    meta, conditions = row["metadata"], row["status"]["conditions"]
    return Node(
        name=meta["name"],
        ready=next(one["status"] for one in conditions if one["type"] == "Ready"),
        cordoned=bool(row["spec"].get("unschedulable")),
        labelled=meta["labels"].get(manifests.READY_LABEL) == "true",
        pods=pods,
    )


@contextlib.contextmanager
def open_world(options: Options, tell: Callable[[str], None]) -> Iterator[World]:
    """Everything, running; ended when the block is left. ``tell`` hears what is being waited for.

    Raises ToolchainError or one of BROKEN, of which a WaitTimeoutError is one, too.
    """
    with Run.open() as run:
        # Both take seconds to come up, so they do it at the same time.
        emulator = Cloud.start(run, options.nodes, manifests.ADDRESSES)
        tell("the control plane is starting: etcd, API server, scheduler, controller manager")
        with EmbeddedCluster.start(
            node_monitor_grace_seconds=options.monitor_grace_seconds,
            eviction_seconds=options.eviction_seconds,
        ) as cluster:
            tell("the EC2 emulator is starting")
            world = World(cluster, Cloud.wait(emulator), options)
            tell(f"{options.nodes} nodes are joining")
            world.populate()
            tell("the controller is starting, with its own rights only")
            world.start_controller()
            yield world
