"""The demo's installation in one cloud: its nodes and a controller, while a block runs."""

from __future__ import annotations

import contextlib
import http
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from e2e.demo.core import manifests
from e2e.demo.core.cloud import ADDRESSES, Cloud, EmulatedCloud
from e2e.demo.core.observed import Address, Node, Observed
from e2e.demo.core.options import Options
from e2e.demo.core.stage import Stage
from e2e.demo.program import call_of, wait_until_it_leads
from moorage_testing.cluster import ApiError
from moorage_testing.cluster import Node as NewNode
from moorage_testing.cluster.api import Json
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.processes import Child, Command

DRAIN_SECONDS = 60
LOG_LINES = 25

_ALLOCATIONS = "/apis/netinfra.darkbrains.com/v1alpha1/netipallocations"


class Installation:
    """One cloud, its nodes and its controller; all actions and observations go through it."""

    def __init__(self, stage: Stage, emulator: EmulatedCloud, options: Options) -> None:
        """Prepare; nothing exists yet. See ``open_installation``."""
        self.cluster = stage.cluster
        self.emulator = emulator
        self.cloud = emulator.cloud
        self.controller: Child | None = None
        self._kubeconfig = stage.kubeconfig
        self._options = options
        self._draining: Child | None = None
        self._node_of: dict[str, str] = {}

    @property
    def allocation_file(self) -> Path:
        """The NetIPAllocation as a manifest."""
        return self.cluster.run.folder / f"allocation-{self.cloud.name}.json"

    def populate(self) -> None:
        """Create a node for each instance, and the workload."""
        nodes = []
        # Names of equal length, so that they sort by number.
        width = len(str(len(self.emulator.instances)))
        for number, instance in enumerate(self.emulator.instances, start=1):
            name = f"{self.cloud.name}-{number:0{width}}"
            self._node_of[instance["id"]] = name
            nodes.append(
                NewNode(
                    name,
                    labels=manifests.pool(self.cloud),
                    provider_id=instance["provider_id"],
                    internal_ip=instance["private_ip"],
                )
            )
        self.cluster.add_nodes(nodes)
        self.cluster.apply(manifests.workload(self.cloud))
        manifest = manifests.allocation(self.cloud, self.emulator.region, self._options)
        self.allocation_file.write_text(json.dumps(manifest, indent=2), encoding="utf-8")

    def start_controller(self) -> None:
        """Start it under its own ServiceAccount and rights; return when it leads."""
        name = f"{manifests.CONTROLLER}-{self.cloud.name}"
        call = call_of(manifests.CONTROLLER, self._kubeconfig)
        command = Command(name, call, env=self.emulator.environment)
        self.controller = self.cluster.run.start(command)
        wait_until_it_leads(self.controller)

    def close(self) -> None:
        """End the controller, which gives its Lease up, and the cloud."""
        if self.controller:
            self.controller.stop()
        self.emulator.stop()

    def controller_log(self) -> str:
        """The last lines of the controller's log."""
        tail = self.controller.log_tail(LOG_LINES) if self.controller else "(it was not started)"
        return f"the controller's log:\n{tail}"

    def allocate(self) -> None:
        """Create the NetIPAllocation."""
        self.cluster.kubectl("create", "-f", str(self.allocation_file))

    def cordon(self, node: str) -> None:
        """Cordon a node."""
        self.cluster.kubectl("cordon", node)

    def drain(self, node: str) -> None:
        """Start to evict a node's pods; ``drained`` is true when it is done.

        A child of the run, so that it always ends with the demo.
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
        """Stop a node's kubelet."""
        self.cluster.stop_heartbeat(node)

    def release(self) -> None:
        """Delete the NetIPAllocation; does not wait for its end."""
        self.cluster.kubectl("delete", "netipallocation", self.cloud.name, "--wait=false")

    def changes(self) -> Counter[str]:
        """How often each mutating operation of the cloud was called."""
        return self.emulator.changes()

    def observe(self) -> Observed:
        """Observe everything now; raises ChildError if the controller or the cloud has ended."""
        self.emulator.check()
        if self.controller:
            self.controller.check()
        status = self._status()
        holders = self.emulator.holders()
        addresses = tuple(self._address(ip, holders[ip], status or {}) for ip in ADDRESSES)
        changes = sum(self.changes().values())
        return Observed(status is not None, addresses, self._nodes(), changes)

    def _address(self, ip: str, instance: str, status: Mapping[str, Json]) -> Address:
        entry = status.get(ip, {})
        return Address(
            ip=ip,
            holder=self._node_of.get(instance, instance),
            phase=entry.get("phase", ""),
            node=entry.get("nodeName", ""),
            message=entry.get("message", ""),
            restore_pending=frozenset(each["nodeName"] for each in entry.get("owed", ())),
        )

    def _status(self) -> dict[str, Json] | None:
        """The status by address; ``None`` = there is no NetIPAllocation."""
        try:
            raw = self.cluster.request("GET", f"{_ALLOCATIONS}/{self.cloud.name}")
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
        path = f"/api/v1/nodes?labelSelector=pool={self.cloud.name}"
        items = self.cluster.request("GET", path)["items"]
        return tuple(_node(item, pods[item["metadata"]["name"]]) for item in items)


def _node(item: Json, pods: int) -> Node:
    meta, conditions = item["metadata"], item["status"]["conditions"]
    return Node(
        name=meta["name"],
        ready=next(one["status"] for one in conditions if one["type"] == "Ready"),
        cordoned=bool(item["spec"].get("unschedulable")),
        labelled=meta["labels"].get(manifests.READY_LABEL) == "true",
        pods=pods,
    )


@contextlib.contextmanager
def open_installation(
    stage: Stage, cloud: Cloud, options: Options, report: Callable[[str], None]
) -> Iterator[Installation]:
    """One cloud with nodes and controller; ended with the block, the Node objects stay.

    ``report`` hears what is being waited for. Raises one of ``e2e.demo.play.BROKEN``.
    """
    report(f"the emulator of {cloud.api} is starting")
    installation = Installation(stage, EmulatedCloud.wait(cloud, stage.emulators[cloud]), options)
    try:
        report(f"{options.nodes} nodes are joining")
        installation.populate()
        report("the controller is starting, with its own rights only")
        installation.start_controller()
        yield installation
    finally:
        installation.close()
