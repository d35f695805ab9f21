"""DANM on a real API server: networks, nodes without kubelets, pods, its CNI and the controller."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from lab_logs import refused_rights
from lab_rights import held
from test_example_controller import bind

from moorage_danm.kinds import GROUPS
from moorage_danm.rbac import RULES
from moorage_kube.client.client import Client
from moorage_kube.client.connection import load_connection
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.danm import Cni, InUse, danm_crds, leaked
from moorage_testing.danm.ipam import fresh, used
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

CRASHING = Path(__file__).with_name("crashing_danm.py")
GROUP = "danm.k8s.io"
Raw = dict[str, Any]
T = TypeVar("T")


def text_of(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class DanmLab:
    """A namespace of its own; nodes have its name, too."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    replicas: list[Child] = field(default_factory=list)

    # The controller.

    def start(self, environment: Mapping[str, str] | None = None, *flags: str) -> Child:
        """One more replica, which leads: each has a Lease of its own."""
        program = [str(CRASHING)] if environment else ["-m", "moorage_danm"]
        name = f"danm-{len(self.replicas)}"
        argv = [sys.executable, *program, "controller", "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1", "--lease-name", name]
        argv += ["--lease-namespace", self.namespace, *flags]
        child = self.run.start(Command(name, argv, env=dict(environment or {})))
        self.replicas.append(child)
        return child

    def started(self, *flags: str) -> Child:
        """The same, at work."""
        child = self.start(None, *flags)
        wait_for(lambda: '"working"' in child.log.read_text(), PATIENCE, "it to lead")
        return child

    def stop(self) -> None:
        for child in self.replicas:
            child.stop()
            log = child.log.read_text()
            assert refused_rights(log) == []
            assert "Traceback" not in log

    # Nodes that nobody runs.

    def node(self, name: str) -> str:
        """A node that is ready for now; returns its name."""
        name = f"{self.namespace}-{name}"
        status = {"conditions": [_ready("True", time.time() - 60)]}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}
        self.cluster.request("POST", "/api/v1/nodes", body)
        return name

    def fence(self, node: str) -> None:
        """It is not heard of, and somebody says that it is out of service."""
        path = f"/api/v1/nodes/{node}"
        silent = {"status": {"conditions": [_ready("Unknown", time.time() - 30)]}}
        self.cluster.request("PATCH", f"{path}/status", silent)
        taint = {
            "key": "node.kubernetes.io/out-of-service",
            "effect": "NoExecute",
            "timeAdded": text_of(time.time()),
        }
        self.cluster.request("PATCH", path, {"spec": {"taints": [taint]}})

    # DANM.

    def net(self, name: str, cidr: str) -> None:
        options = {"cidr": cidr, "alloc": fresh(cidr)}
        spec = {"NetworkID": name, "NetworkType": "ipvlan", "Options": options}
        body = {"apiVersion": f"{GROUP}/v1", "kind": "DanmNet", "metadata": {"name": name}}
        self.cluster.request("POST", self.path("danmnets"), body | {"spec": spec})

    def path(self, plural: str, name: str = "") -> str:
        base = f"/apis/{GROUP}/v1/namespaces/{self.namespace}/{plural}"
        return f"{base}/{name}" if name else base

    def pod(self, name: str, node: str, **interface: str) -> Raw:
        """A pod that is bound to a node; nothing starts it but :meth:`add`."""
        meta = {"name": name, "annotations": {f"{GROUP}/interfaces": json.dumps([interface])}}
        spec = {"nodeName": node, "containers": [{"name": "main", "image": "app"}]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        return self.cluster.request("POST", path, body)

    def with_cni(self, node: str, work: Callable[[Cni], Awaitable[T]]) -> T:
        """Let the CNI of a node work."""

        async def whole() -> T:
            async with Client(load_connection(str(self.cluster.kubeconfig))) as client:
                return await work(Cni(client, node, GROUP))

        return asyncio.run(whole())

    def add(self, pod: Raw, patience_seconds: float = PATIENCE) -> None:
        """As a kubelet: again and again, until the pod has its interfaces."""
        node, cid = pod["spec"]["nodeName"], pod["metadata"]["uid"]

        async def once(cni: Cni) -> bool:
            try:
                await cni.add(pod, cid)
            except InUse:
                await cni.delete(cid)
                return False
            return True

        name = pod["metadata"]["name"]
        wait_for(lambda: self.with_cni(node, once), patience_seconds, f"{name} to have its address")

    # What can be seen.

    def items(self, plural: str) -> list[Raw]:
        found: list[Raw] = self.cluster.request("GET", self.path(plural))["items"]
        return found

    def endpoints(self, pod: str) -> list[Raw]:
        return [one for one in self.items("danmeps") if one["spec"]["Pod"] == pod]

    def bits(self, name: str) -> set[int]:
        options = self.cluster.request("GET", self.path("danmnets", name))["spec"]["Options"]
        found = used(options, "alloc")
        return found - {0, max(found)}

    def leaks(self) -> list[str]:
        nets = [one | {"kind": "DanmNet"} for one in self.items("danmnets")]
        return leaked(self.items("danmeps"), nets)

    def remove(self) -> None:
        """Leave nothing to those that come after."""
        unhold = {"metadata": {"finalizers": None}}
        for one in self.items("danmeps"):
            path = self.path("danmeps", one["metadata"]["name"])
            self.cluster.request("PATCH", path, unhold)
        for node in self.cluster.request("GET", "/api/v1/nodes")["items"]:
            if node["metadata"]["name"].startswith(f"{self.namespace}-"):
                self.cluster.remove(f"/api/v1/nodes/{node['metadata']['name']}")
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")


@contextlib.contextmanager
def danm_lab(cluster: EmbeddedCluster) -> Iterator[DanmLab]:
    """With both groups of DANM, and the rights of the controller; nothing of it is left."""
    namespace = f"danm-{secrets.token_hex(3)}"
    cluster.apply([one for group in GROUPS for one in danm_crds(group)])
    wait_for(lambda: _served(cluster), PATIENCE, "the kinds to be served")
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/example")
    bind(cluster, namespace, RULES)
    with held(cluster, namespace, "danm"), Run.open() as run:
        lab = DanmLab(cluster, run, namespace, kubeconfig)
        yield lab
        lab.stop()
    lab.remove()


def _served(cluster: EmbeddedCluster) -> bool:
    try:
        for group in GROUPS:
            for plural in ("danmeps", "danmnets", "tenantnetworks", "clusternetworks"):
                cluster.request("GET", f"/apis/{group}/v1/{plural}")
    except ApiError:
        return False
    return True


def _ready(status: str, since: float) -> Raw:
    return {"type": "Ready", "status": status, "lastTransitionTime": text_of(since)}
