"""The demo's control plane, pods and moorage-endpoints, while a block runs."""

from __future__ import annotations

import contextlib
import http
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from e2e.demo.endpoints import manifests
from e2e.demo.endpoints.observed import Event, Network, Observed, Pod, Service
from e2e.demo.endpoints.reader import SLICES, Reader, view_of
from e2e.demo.program import call_of, leading
from e2e.demo.rights import CONTROLLER_NAMESPACE
from moorage_endpoints import names
from moorage_endpoints.nads.names import FINALIZER, MARKER
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.processes import Child, Command
from moorage_testing.waiting import wait_for

READY_SECONDS = 60.0
LOG_LINES = 25
NODES = 3

_CORE = f"/api/v1/namespaces/{manifests.NAMESPACE}"
_PODS, _SERVICES, _EVENTS = f"{_CORE}/pods", f"{_CORE}/services", f"{_CORE}/events"
_NETWORKS = (
    f"/apis/k8s.cni.cncf.io/v1/namespaces/{manifests.NAMESPACE}/network-attachment-definitions"
)
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{manifests.NAMESPACE}/deployments"

Object = dict[str, Any]


class Installation:
    """All actions and observations go through it."""

    def __init__(self, cluster: EmbeddedCluster, controller: Child) -> None:
        self.cluster = cluster
        self.controller = controller
        self._reader = Reader(cluster)
        self._numbers = itertools.count(1)

    def controller_log(self) -> str:
        """The last lines of the controller's log."""
        return f"the controller's log:\n{self.controller.log_tail(LOG_LINES)}"

    def serve(self) -> None:
        """Create a Deployment, and a Service with a selector."""
        self.cluster.request("POST", _DEPLOYMENTS, manifests.deployment())
        self.cluster.request("POST", _SERVICES, manifests.service())

    def hand_over(self) -> None:
        """Annotate the Service with the network and the mode."""
        self._reader.begin()
        self.cluster.request("PATCH", f"{_SERVICES}/{manifests.NAME}", manifests.HANDOVER)

    def make_ready(self, pod: str, *, ready: bool) -> None:
        """Say whether a pod is ready, as its kubelet does."""
        self._reader.begin()
        conditions = self.cluster.request("GET", f"{_PODS}/{pod}")["status"]["conditions"]
        changed = [
            one | ({"status": str(ready)} if one["type"] == "Ready" else {}) for one in conditions
        ]
        body = {"status": {"conditions": changed}}
        self.cluster.request("PATCH", f"{_PODS}/{pod}/status", body)

    def delete_pod(self, pod: str) -> None:
        """Delete a pod; its Deployment makes another one."""
        self._reader.begin()
        self.cluster.request("DELETE", f"{_PODS}/{pod}")

    def delete_network(self) -> None:
        """Delete the net-attach-def."""
        self._reader.begin()
        self.cluster.request("DELETE", f"{_NETWORKS}/{manifests.NETWORK}")

    def scale(self, replicas: int) -> None:
        """Have so many pods."""
        self._reader.begin()
        path = f"{_DEPLOYMENTS}/{manifests.NAME}"
        self.cluster.request("PATCH", path, {"spec": {"replicas": replicas}})

    def restore(self) -> None:
        """The net-attach-def and the pods once more."""
        self.cluster.apply([manifests.network()])
        self.scale(manifests.PODS)

    def step(self) -> list[Object]:
        """Attach new pods, as Multus does; returns the pods as they were before."""
        pods = self._items(_PODS)
        for raw in pods:
            meta = raw["metadata"]
            if STATUS_ANNOTATION not in meta["annotations"] and "deletionTimestamp" not in meta:
                body = manifests.attached(next(self._numbers))
                self.cluster.request("PATCH", f"{_PODS}/{meta['name']}", body)
        return pods

    def observe(self) -> Observed:
        """Observe everything now; raises ChildError if the controller has ended."""
        self.controller.check()
        pods = sorted(map(_pod, self.step()), key=lambda pod: pod.name)
        return Observed(
            pods=tuple(pods),
            service=_service(self._find(f"{_SERVICES}/{manifests.NAME}")),
            slices=view_of(self._items(SLICES)),
            network=_network(self._find(f"{_NETWORKS}/{manifests.NETWORK}")),
            views=self._reader.views(),
            events=self._events(),
        )

    def _events(self) -> tuple[Event, ...]:
        # Kubernetes tells of Services as well.
        ours = [
            one for one in self._items(_EVENTS) if one["reportingComponent"] == manifests.CONTROLLER
        ]
        ours.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
        return tuple(
            Event(one["involvedObject"]["kind"], one["type"], one["reason"], one["message"])
            for one in ours
        )

    def _find(self, path: str) -> Object | None:
        try:
            return dict(self.cluster.request("GET", path))
        except ApiError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise
            return None

    def _items(self, path: str) -> list[Object]:
        return list(self.cluster.request("GET", path)["items"])


def _pod(raw: Object) -> Pod:
    meta, status = raw["metadata"], raw["status"]
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    attached = json.loads(meta["annotations"].get(STATUS_ANNOTATION, "[]"))
    return Pod(
        name=meta["name"],
        ready=conditions.get("Ready") == "True",
        ending="deletionTimestamp" in meta,
        default=status.get("podIP", ""),
        secondary=attached[0]["ips"][0] if attached else "",
    )


def _service(raw: Object | None) -> Service:
    if raw is None:
        return Service()
    kept = names.REMEMBERED in raw["metadata"].get("annotations", {})
    return Service(bool(raw["spec"].get("selector")), kept)


def _network(raw: Object | None) -> Network:
    if raw is None:
        return Network()
    meta = raw["metadata"]
    held = FINALIZER in meta.get("finalizers", ()) and MARKER in meta.get("annotations", {})
    return Network(there=True, held=held, leaving="deletionTimestamp" in meta)


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether the kind can be listed: a new one is not, for a moment after it is established."""
    try:
        cluster.request("GET", _NETWORKS)
    except ApiError:
        return False
    return True


@contextlib.contextmanager
def open_installation(report: Callable[[str], None]) -> Iterator[Installation]:
    """Everything, ended with the block. Raises one of ``e2e.demo.play.BROKEN``.

    ``report`` hears what is being waited for.
    """
    report(f"the control plane is starting, with {NODES} nodes")
    with EmbeddedCluster.start(nodes=NODES) as cluster:
        cluster.apply(manifests.kinds())
        wait_for(lambda: _served(cluster), READY_SECONDS, "the kind to be served")
        # Makes the namespace of the controller.
        kubeconfig = cluster.kubeconfig_for(f"{CONTROLLER_NAMESPACE}/{manifests.CONTROLLER}")
        cluster.apply(manifests.objects())
        cluster.apply([manifests.network()])
        report("the controller is starting, with its own rights only")
        call = call_of(manifests.CONTROLLER, kubeconfig)
        with leading(cluster, Command(manifests.CONTROLLER, call)) as controller:
            yield Installation(cluster, controller)
