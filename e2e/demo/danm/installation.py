"""The demo's control plane, nodes and moorage-danm, while a block runs."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from e2e.demo.danm import manifests
from e2e.demo.danm.observed import Observed, Pod
from e2e.demo.program import call_of, leading
from e2e.demo.rights import CONTROLLER_NAMESPACE
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.danm import Kubelets, danm_crds
from moorage_testing.danm.ipam import used
from moorage_testing.processes import Child, Command

LOG_LINES = 25
NODES = 3
# So that a node is missed, and its pods are replaced, within seconds.
GRACE_SECONDS, EVICTION_SECONDS = 8.0, 2

_PODS = f"/api/v1/namespaces/{manifests.NAMESPACE}/pods"
_EVENTS = f"/api/v1/namespaces/{manifests.NAMESPACE}/events"
_DANM = f"/apis/{manifests.GROUP}/v1/namespaces/{manifests.NAMESPACE}"
_NETWORK = f"{_DANM}/danmnets/{manifests.NETWORK}"
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{manifests.NAMESPACE}/deployments"
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Installation:
    """All actions and observations go through it."""

    def __init__(self, cluster: EmbeddedCluster, controller: Child) -> None:
        self.cluster = cluster
        self.controller = controller
        self._kubelets = Kubelets(cluster.kubeconfig, manifests.GROUP)
        self._ill = ""

    def controller_log(self) -> str:
        """The last lines of the controller's log."""
        return f"the controller's log:\n{self.controller.log_tail(LOG_LINES)}"

    def create(self) -> None:
        """Create the Deployment."""
        self.cluster.request("POST", _DEPLOYMENTS, manifests.deployment())

    def make_ill(self, node: str) -> None:
        """Its kubelet still talks, says that the node is not ready, and does nothing else."""
        self._kubelets.idle.add(node)
        self.cluster.stop_heartbeat(node)
        self._ill = node
        self._say_not_ready()

    def make_well(self, node: str) -> None:
        """Its kubelet works again."""
        self._ill = ""
        self._kubelets.idle.discard(node)
        self.cluster.resume_heartbeat(node)

    def cut_power(self, node: str) -> None:
        """It is silent from now on, and so are its pods."""
        self._kubelets.cut_power(node)
        self.cluster.stop_heartbeat(node)

    def fence(self, node: str) -> None:
        """Say that whatever ran there does not run any more."""
        path = f"/api/v1/nodes/{node}"
        taints = self.cluster.request("GET", path)["spec"].get("taints", [])
        body = {"spec": {"taints": [*taints, manifests.OUT_OF_SERVICE]}}
        self.cluster.request("PATCH", path, body)

    def step(self) -> list[dict[str, Any]]:
        """Let the kubelets go on; returns the pods as they were before."""
        pods = self._items(_PODS)
        self._kubelets.step(pods)
        if self._ill:
            self._say_not_ready()
        return pods

    def observe(self) -> Observed:
        """Observe everything now; raises ChildError if the controller has ended."""
        self.controller.check()
        pods = self.step()
        options = self.cluster.request("GET", _NETWORK)["spec"]["Options"]
        return Observed(
            pods=tuple(self._pod(one) for one in pods),
            holders=dict(filter(None, map(_holder, self._items(f"{_DANM}/danmeps")))),
            in_use=manifests.BIT in used(options, "alloc"),
            nodes={one["metadata"]["name"]: _ready(one) for one in self._items("/api/v1/nodes")},
            reason=self._last_event(),
        )

    def _pod(self, raw: dict[str, Any]) -> Pod:
        meta = raw["metadata"]
        runs = meta["uid"] in self._kubelets.running
        node = raw["spec"].get("nodeName", "")
        address = manifests.ADDRESS if runs else ""
        return Pod(meta["name"], node, "deletionTimestamp" in meta, address)

    def _last_event(self) -> str:
        found = [
            one for one in self._items(_EVENTS) if one["involvedObject"].get("kind") == "DanmEp"
        ]
        last = max(found, key=lambda one: int(one["metadata"]["resourceVersion"]), default=None)
        return f"{last['reason']}: {last['message']}" if last else ""

    def _say_not_ready(self) -> None:
        now = dt.datetime.now(dt.UTC)
        condition = {
            "type": "Ready",
            "status": "False",
            "reason": "KubeletNotReady",
            "message": "container runtime is down",
            "lastHeartbeatTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        status = {"conditions": [condition]}
        self.cluster.request("PATCH", f"/api/v1/nodes/{self._ill}/status", {"status": status})
        renewed = {"spec": {"renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}}
        self.cluster.request("PATCH", f"{_LEASES}/{self._ill}", renewed)

    def _items(self, path: str) -> list[dict[str, Any]]:
        return list(self.cluster.request("GET", path)["items"])


def _holder(endpoint: dict[str, Any]) -> tuple[str, str] | None:
    """An endpoint that has the address, and its pod."""
    spec = endpoint["spec"]
    address = (spec.get("Interface") or {}).get("Address") or ""
    if address.partition("/")[0] != manifests.ADDRESS:
        return None
    return endpoint["metadata"]["name"], spec["Pod"]


def _ready(node: dict[str, Any]) -> str:
    conditions = node["status"].get("conditions") or ()
    return "".join(one["status"] for one in conditions if one["type"] == "Ready")


@contextlib.contextmanager
def open_installation(report: Callable[[str], None]) -> Iterator[Installation]:
    """Everything, ended with the block. Raises one of ``e2e.demo.play.BROKEN``.

    ``report`` hears what is being waited for.
    """
    report(f"the control plane is starting, with {NODES} nodes")
    with EmbeddedCluster.start(
        nodes=NODES, node_monitor_grace_seconds=GRACE_SECONDS, eviction_seconds=EVICTION_SECONDS
    ) as cluster:
        cluster.apply(danm_crds(manifests.GROUP))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
        account = f"{CONTROLLER_NAMESPACE}/{manifests.CONTROLLER}"
        kubeconfig = cluster.kubeconfig_for(account)
        cluster.apply(manifests.objects())
        cluster.apply([manifests.network()])
        report("the controller is starting, with its own rights only")
        call = call_of(manifests.CONTROLLER, kubeconfig, "controller")
        with leading(cluster, Command(manifests.CONTROLLER, call)) as controller:
            yield Installation(cluster, controller)
