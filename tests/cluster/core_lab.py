"""The core controller as a process, on a real control plane and a cloud, for scenario tests."""

from __future__ import annotations

import itertools
import json
import re
import sys
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lab_clouds import AWS, LabCloud
from lab_rights import grant

from moorage_api import DEFINITIONS
from moorage_api.crds import crd
from moorage_testing.clouds.control import changes
from moorage_testing.clouds.serving import HttpEmulator
from moorage_testing.clouds.world import Instance, World
from moorage_testing.cluster import EmbeddedCluster, Node
from moorage_testing.cluster.api import ApiError
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, WaitTimeoutError, wait_for

# Of those whose leaders die: as short as a busy machine allows.
BRIEF_LEASE = ("--lease-duration", "6", "--lease-renew-deadline", "4.5", "--lease-retry", "0.8")
GROUP = "/apis/netinfra.darkbrains.com/v1alpha1/netipallocations"
T = TypeVar("T")
ACCOUNT = "moorage-system/moorage-core"
MUTATIONS = ("AssociateAddress", "DisassociateAddress")


@dataclass
class Pool:
    """Nodes of one test, which have a label of their own.

    Attributes:
        label: value of the node label ``pool``.
        machines: instance ids by node name.
    """

    label: str
    machines: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Node names, in order."""
        return list(self.machines)


class CoreLab:
    """One cluster with the CRD, one region of a cloud, and the controllers that are started."""

    # Of all labs: they may share a cluster.
    _numbers = itertools.count(1)
    _leases = itertools.count(1)
    _addresses = itertools.count(10)

    def __init__(
        self,
        cluster: EmbeddedCluster,
        emulator: HttpEmulator[Any],
        run: Run,
        cloud: LabCloud = AWS,
    ) -> None:
        self.cluster = cluster
        self.emulator = emulator
        self.cloud = cloud
        self._run = run
        self._nodes: list[str] = []
        cluster.apply([crd(definition) for definition in DEFINITIONS])
        plural = "netipallocations.netinfra.darkbrains.com"
        cluster.kubectl("wait", "--for=condition=Established", f"crd/{plural}")
        self.kubeconfig = cluster.kubeconfig_for(ACCOUNT)
        grant(cluster, ACCOUNT, any_lease=True)

    # The controller.

    def start(self, name: str = "", *flags: str, **env: str) -> Child:
        """Start a controller, or a ``program`` like it, under nothing but its own rights.

        ``word``: a command of it, such as ``check``.
        """
        name = name or f"core-{next(self._numbers)}"
        program = [env.pop("program")] if "program" in env else ["-m", "moorage_core"]
        program += [env.pop("word")] if "word" in env else []
        argv = [
            sys.executable, *program,
            "--kubeconfig", str(self.kubeconfig),
            "--lease-namespace", "moorage-system",
            "--status-key-secret", f"{ACCOUNT}-status-key",
            "--metrics-port", "0", "--metrics-host", "127.0.0.1",
            *flags,
        ]  # fmt: skip
        # Otherwise Google's SDK tries to reach a VM's metadata server, for many seconds.
        here = {"NO_GCE_CHECK": "true", "POD_NAME": name}
        environment = {**self.emulator.environment, **here, **env}
        return self._run.start(Command(name, argv, env=environment, grace_seconds=10.0))

    def own_lease(self) -> dict[str, str]:
        """No controller waits for the Lease of one that was killed and never comes back."""
        return {"LEASE_NAME": f"own-{next(self._leases)}"}

    def started(self, name: str = "", *flags: str, **env: str) -> Child:
        """Start a controller and wait until it works."""
        child = self.start(name, *flags, **env)
        try:
            wait_for(lambda: self.works(child), PATIENCE, f"{child.name} to work")
        except BaseException:
            child.stop()
            raise
        return child

    def works(self, child: Child) -> bool:
        """Whether it leads and has begun."""
        child.check()
        return '"working"' in child.log.read_text()

    def metrics(self, child: Child) -> str:
        """Its metrics, as Prometheus reads them."""
        found = re.search(r'"port": (\d+)', child.log.read_text())
        assert found, child.log_tail()
        url = f"http://127.0.0.1:{found[1]}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:  # loopback
            text: str = answer.read().decode()
            return text

    def writes(self, child: Child) -> list[str]:
        """Counters of its writes to the API server, but for the Lease's."""
        verbs = ("create", "patch", "update", "delete")
        return [
            line
            for line in self.metrics(child).splitlines()
            if line.startswith("moorage_core_kube_requests_total{")
            and 'resource="leases"' not in line
            and any(f'verb="{verb}"' in line for verb in verbs)
        ]

    def rests(self, child: Child) -> list[str]:
        """Wait until it writes nothing between two reads of EC2; return the counters."""

        def quiet() -> list[str]:
            before = self.writes(child)
            self.wait_for_reads(1)
            return before if self.writes(child) == before else []

        return wait_for(quiet, PATIENCE, f"{child.name} to write no more")

    # What a test changes.

    def pool(self, size: int, **node: Any) -> Pool:  # fields of Node
        """Add nodes on instances of their own."""
        pool = Pool(f"{self.cloud.name}-p{next(self._numbers)}")
        self.grow(pool, size, **node)
        return pool

    def grow(self, pool: Pool, size: int, **node: Any) -> list[str]:
        """Add more nodes to a pool; return their names."""
        world: World = self.emulator.world
        return self.adopt(pool, world.add_instances(size), **node)

    def adopt(self, pool: Pool, instances: Sequence[Instance], **node: Any) -> list[str]:
        """Make nodes of machines; return their names."""
        first = len(pool.machines)
        names = [f"{pool.label}-n{first + n + 1}" for n in range(len(instances))]
        self._nodes += names
        pool.machines.update(dict(zip(names, (i.id for i in instances), strict=True)))
        self.cluster.add_nodes(
            Node(
                name,
                labels={"pool": pool.label, **node.get("labels", {})},
                provider_id=instance.provider_id,
                internal_ip=instance.private_ip,
            )
            for name, instance in zip(names, instances, strict=True)
        )
        return names

    def addresses(self, count: int) -> list[str]:
        """Reserve addresses."""
        high, middle, low = self.cloud.network.split(".")
        numbers = [next(self._addresses) for _ in range(count)]
        ips = [f"{high}.{middle}.{int(low) - n // 250}.{n % 250}" for n in numbers]
        for ip in ips:
            self.emulator.world.add_address(ip)
        return ips

    def allocate(self, pool: Pool, ips: Sequence[str], name: str = "", **spec: Any) -> str:
        """Create a NetIPAllocation, or change it; return its name."""
        name = name or f"a-{pool.label}"
        body = {
            "apiVersion": "netinfra.darkbrains.com/v1alpha1",
            "kind": "NetIPAllocation",
            "metadata": {"name": name},
            "spec": {
                "reservedIPs": list(ips),
                "nodeSelector": {"pool": pool.label},
                "cloud": {"provider": self.cloud.name, "region": self.emulator.region},
                "reconcileInterval": 5,
                **spec,
            },
        }
        self.cluster.apply([body])
        return name

    def delete(self, name: str) -> None:
        """Ask for the end of an allocation."""
        self.cluster.request("DELETE", f"{GROUP}/{name}")

    def clear(self) -> None:
        """Delete every allocation and wait until its addresses are released."""
        self.cluster.kubectl("delete", "nia", "--all", "--wait=false")
        self._wait(lambda: not self.cluster.request("GET", GROUP)["items"], "all to be gone")

    def leave(self) -> None:
        """Delete its nodes: the next emulator of this cloud may call its machines the same."""
        if self._nodes:
            self.cluster.kubectl("delete", "nodes", "--ignore-not-found", *self._nodes)

    def workload(self, pool: Pool, kind: str = "Deployment", **options: Any) -> str:
        """A workload with one pod on every labelled node of the pool; return its name."""
        name = str(options.get("name", f"app-{pool.label}"))
        namespace = options.get("namespace", "default")
        selector = {"app": f"{name}-{pool.label}"}
        template = {
            "metadata": {"labels": selector},
            "spec": {
                "nodeSelector": options.get("node_selector", {"pool": pool.label}),
                "containers": [{"name": "main", "image": "fake"}],
                "terminationGracePeriodSeconds": 0,
            },
        }
        spec: dict[str, Any] = {"selector": {"matchLabels": selector}, "template": template}
        if kind != "DaemonSet":
            spec["replicas"] = options.get("replicas", 1)
        if kind == "StatefulSet":
            spec["serviceName"] = name
        meta = {"name": name, "namespace": namespace}
        self.cluster.apply(
            [{"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec}]
        )
        return name

    # What happens to nodes.

    def cordon(self, node: str, *, on: bool = True) -> None:
        """Cordon or uncordon."""
        path = f"/api/v1/nodes/{node}"
        self.cluster.request("PATCH", path, {"spec": {"unschedulable": on or None}})

    def set_ready(self, node: str, *, ready: bool) -> None:
        """Have the node's kubelet say that it is, or is not, Ready."""
        if ready:
            self.cluster.resume_heartbeat(node)
        else:
            self.cluster.stop_heartbeat(node)
        status = "True" if ready else "False"
        raw = self.cluster.request("GET", f"/api/v1/nodes/{node}")
        for condition in raw["status"]["conditions"]:
            if condition["type"] == "Ready":
                condition["status"] = status
        body = {"status": {"conditions": raw["status"]["conditions"]}}
        self.cluster.request("PATCH", f"/api/v1/nodes/{node}/status", body)

    def taint(self, node: str, key: str) -> None:
        """Put a NoSchedule taint on."""
        body = {"spec": {"taints": [{"key": key, "effect": "NoSchedule"}]}}
        self.cluster.request("PATCH", f"/api/v1/nodes/{node}", body)

    def remove_node(self, node: str) -> None:
        """Delete the Node object; its instance goes on."""
        self.cluster.request("DELETE", f"/api/v1/nodes/{node}")

    # What a test observes.

    def status(self, name: str) -> dict[str, Any]:
        """The allocation's status, ``{}`` = none yet, or no such object."""
        try:
            raw = self.cluster.request("GET", f"{GROUP}/{name}")
        except ApiError as error:
            if error.status == 404:  # not found
                return {}
            raise
        status: dict[str, Any] = raw.get("status", {})
        return status

    def record(self, name: str, ip: str) -> dict[str, Any]:
        """One entry of ``status.addresses``, ``{}`` = none."""
        entries = self.status(name).get("addresses", [])
        return next((entry for entry in entries if entry["ip"] == ip), {})

    def condition(self, name: str, kind: str) -> dict[str, Any]:
        """One condition, ``{}`` = none."""
        found = (c for c in self.status(name).get("conditions", []) if c["type"] == kind)
        return next(found, {})

    def gone(self, name: str) -> bool:
        """Whether the object is no more."""
        try:
            self.cluster.request("GET", f"{GROUP}/{name}")
        except ApiError as error:
            return error.status == 404  # not found
        return False

    def where(self, pool: Pool, ip: str) -> str:
        """The node that holds an address in the cloud, or the instance if it is no node."""
        instance: str = self.emulator.world.holder(ip)
        return next((name for name, one in pool.machines.items() if one == instance), instance)

    def labelled(self, pool: Pool) -> dict[str, str]:
        """Nodes of the pool that say they hold an address, with the address's label."""
        path = f"/api/v1/nodes?labelSelector=ip.ready=true,pool={pool.label}"
        items = self.cluster.request("GET", path)["items"]
        return {
            item["metadata"]["name"]: item["metadata"]["labels"].get("moorage.dev/ip", "")
            for item in items
        }

    def changes(self, since: int = 0) -> list[str]:
        """The calls that may have changed something, leaving out the first ``since`` calls."""
        return [op for op in self.emulator.faults.ops(since) if changes(op)]

    def associations(self, ips: Sequence[str]) -> int:
        """How often it was asked to associate one of these addresses."""
        ids = {self.emulator.world.addresses().get(ip) for ip in ips}
        calls = self.emulator.faults.calls
        return sum(
            call.op == "AssociateAddress" and call.params.get("AllocationId") in ids
            for call in calls
        )

    def events(self, name: str) -> list[tuple[str, str]]:
        """Reason and message of every Event about an allocation."""
        selector = f"involvedObject.kind=NetIPAllocation,involvedObject.name={name}"
        raw = self.cluster.kubectl(
            "get", "events", "-n", "default", "--field-selector", selector, "-o", "json"
        )
        return [(item["reason"], item["message"]) for item in json.loads(raw)["items"]]

    # Waiting.

    def wait_for_reads(self, times: int) -> None:
        """Wait until EC2 was asked for its addresses so many times."""
        begun = len(self.emulator.faults.ops())

        def asked() -> bool:
            return self.emulator.faults.ops(begun).count("DescribeAddresses") >= times

        wait_for(asked, PATIENCE, f"{times} reads of the cloud")

    def wait_bound(self, name: str, ip: str, node: str = "") -> str:
        """Wait until an address is Bound (on that node) and its label is there; return the node."""

        def bound() -> str:
            record = self.record(name, ip)
            there = str(record["nodeName"]) if record.get("phase") == "Bound" else ""
            right = there and node in ("", there)
            return there if right and self._label(there) == ip.replace(".", "-") else ""

        return self._wait(bound, f"{ip} of {name} to be Bound on {node or 'a node'}")

    def _label(self, node: str) -> str:
        raw = self.cluster.request("GET", f"/api/v1/nodes/{node}")
        return str(raw["metadata"]["labels"].get("moorage.dev/ip", ""))

    def wait_reason(self, name: str, ip: str, reason: str) -> None:
        """Wait until an address gives a reason."""
        self._wait(
            lambda: self.record(name, ip).get("reason") == reason, f"{ip} of {name} to say {reason}"
        )

    def _wait(self, predicate: Callable[[], T], what: str) -> T:
        """Wait; where it takes too long, report what the objects and the controllers say."""
        try:
            return wait_for(predicate, PATIENCE, what)
        except WaitTimeoutError as error:
            for item in self.cluster.request("GET", GROUP)["items"]:
                error.add_note(
                    json.dumps({"name": item["metadata"]["name"], **item.get("status", {})})
                )
            for child in self._run.children:
                if child.alive:
                    error.add_note(f"{child.name}: {child.log_tail()}")
            raise


def log_lines(child: Child) -> list[dict[str, Any]]:
    """The JSON lines of a controller's log."""
    lines = child.log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]
