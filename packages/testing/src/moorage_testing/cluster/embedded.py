"""A real Kubernetes control plane with fake nodes, for the length of a `with` block."""

import datetime as dt
import http
import ipaddress
import itertools
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from moorage_testing.cluster import control_plane
from moorage_testing.cluster.api import ApiError, Creation, Json
from moorage_testing.cluster.control_plane import (
    KUBELET_LABEL,
    KUBELET_RUNS,
    Layout,
    Settings,
)
from moorage_testing.cluster.identity import Authority, Credential, kubeconfig_text, write_secret
from moorage_testing.cluster.kubectl import Kubectl
from moorage_testing.cluster.objects import Node, Pod, node_object, pod_object
from moorage_testing.processes import ChildError, Run
from moorage_testing.waiting import wait_for

PORT_TRIES = 3
PORT_CLASH = "address already in use"
TOKEN_SECONDS = 24 * 3600
NODES_READY_SECONDS = 120.0
FIRST_NODE_ADDRESS = ipaddress.IPv4Address("172.20.0.1")
NOT_READY_TAINT = "node.kubernetes.io/not-ready"


class EmbeddedCluster:
    """A running control plane: etcd, API server, controller manager, scheduler, fake kubelets."""

    def __init__(self, run: Run, layout: Layout, settings: Settings) -> None:
        """Take over a control plane that was just started; see `EmbeddedCluster.start`."""
        self.settings = settings
        self._run = run
        self._layout = layout
        self._api = layout.api()
        self._numbers = itertools.count()

    @classmethod
    def start(
        cls,
        *,
        nodes: int = 0,
        node_monitor_grace_seconds: float = 40.0,
        eviction_seconds: int = 300,
        kwok: bool = True,
        extra_args: Mapping[str, Sequence[str]] | None = None,
    ) -> Self:
        """Start a cluster with nodes named node-0, node-1, ... and return when it serves.

        `extra_args` are more flags by binary name; see `Settings` for the rest. Short grace
        periods are for few nodes: each node renews its Lease four times in that span.
        Raises ToolchainError without binaries, ChildError when the control plane does not come up.
        """
        settings = Settings(node_monitor_grace_seconds, eviction_seconds, kwok, extra_args or {})
        cluster = cls.serve(settings)
        try:
            if nodes:
                cluster.add_nodes(f"node-{number}" for number in range(nodes))
        except BaseException:
            cluster.stop()
            raise
        return cluster

    @classmethod
    def serve(cls, settings: Settings) -> Self:
        """Start a cluster without nodes as `start` does, with all that can be set."""
        for tries_left in reversed(range(PORT_TRIES)):
            run = Run.open()
            try:
                layout = Layout.write(run.folder, secrets.token_hex(16), settings.address)
                control_plane.start(run, layout, settings)
            except BaseException as error:
                run.close()
                # Between choosing a port and its use somebody else may have taken it.
                clash = isinstance(error, ChildError) and PORT_CLASH in str(error)
                if not clash or not tries_left:
                    raise
            else:
                return cls(run, layout, settings)
        raise AssertionError("the last try either returns or raises")

    def stop(self) -> None:
        """End all processes and remove all files. May be repeated."""
        self._run.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """The API server's address, for instance https://127.0.0.1:6443."""
        return f"https://{self._layout.address}:{self._layout.api_port}"

    @property
    def ca_file(self) -> Path:
        """The certificate the API server is checked with."""
        return self._layout.ca_file

    @property
    def authority(self) -> Authority:
        """Makes certificates that the cluster trusts."""
        return self._layout.authority

    @property
    def token(self) -> str:
        """A bearer token that may do everything."""
        return self._layout.token

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig that may do everything."""
        return self._layout.kubeconfig

    @property
    def run(self) -> Run:
        """The run of the control plane; more commands can be started in it and end with it."""
        return self._run

    @property
    def pids(self) -> dict[str, int]:
        """The process number of every command in the run, by name."""
        return {child.name: child.pid for child in self._run.children}

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Json:
        """Call the API as admin and return the answer; raises ApiError. A PATCH is a merge."""
        return self._api.request(method, path, body)

    def remove(self, path: str) -> None:
        """Take an object's finalizers off and delete it; it may be gone before, or between."""
        try:
            self.request("PATCH", path, {"metadata": {"finalizers": None}})
            self.request("DELETE", path)
        except ApiError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as admin and return what it prints; raises KubectlError."""
        cache = f"--cache-dir={self._run.folder / 'kubectl'}"
        return Kubectl(self.kubeconfig, (cache,)).run(*arguments, stdin=stdin)

    def apply(self, manifest: str | Sequence[Mapping[str, Any]]) -> str:
        """Apply YAML text or objects on the server's side; return what kubectl prints."""
        if not isinstance(manifest, str):
            items = {"apiVersion": "v1", "kind": "List", "items": list(manifest)}
            manifest = json.dumps(items)
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-f-", stdin=manifest)

    def kubeconfig_for(
        self,
        service_account: str | None = None,
        *,
        user: str | None = None,
        groups: Sequence[str] = (),
        server: str | None = None,
    ) -> Path:
        """Return a new kubeconfig for somebody else, with that identity's rights only.

        Either a ServiceAccount as `namespace/name`, made if it is missing, or a user with groups.
        `server` is another address of the API server, for instance that of a forwarder.
        """
        if (service_account is None) == (user is None):
            raise ValueError("give either a ServiceAccount or a user")
        if service_account is not None:
            credential = Credential(token=self.service_account_token(service_account))
        else:
            credential = Credential(pem=self._layout.authority.client_pem(str(user), groups))
        text = kubeconfig_text(server or self.server, self.ca_file, credential)
        name = re.sub(r"[^\w.-]+", "-", service_account or str(user))
        path = self._run.folder / f"{name}-{secrets.token_hex(4)}.kubeconfig"
        return write_secret(path, text.encode())

    def service_account_token(self, service_account: str) -> str:
        """Return a token of the ServiceAccount `namespace/name`, which is made if missing."""
        namespace, name = service_account.split("/")
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        self._create_if_missing("/api/v1/namespaces", "Namespace", namespace)
        self._create_if_missing(path, "ServiceAccount", name)
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": TOKEN_SECONDS},
        }
        answer = self.request("POST", f"{path}/{name}/token", body)
        return str(answer["status"]["token"])

    def add_nodes(self, nodes: Iterable[Node | str], *, wait: bool = True) -> None:
        """Create nodes, given whole or by name; return when pods can be scheduled on them."""
        stated = [Node(node) if isinstance(node, str) else node for node in nodes]
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._api.create_all(
            Creation("/api/v1/nodes", node_object(node, self._address(node), now))
            for node in stated
        )
        if wait:
            names = {node.name for node in stated}
            leased = {node.name for node in stated if node.heartbeat and self.settings.kwok}
            what = f"{len(stated)} nodes to be ready"
            wait_for(
                lambda: leased <= self._lease_names() and names <= self._schedulable_names(),
                NODES_READY_SECONDS,
                what,
                # Listing a thousand nodes costs what the node controller needs to finish them.
                interval_seconds=min(1.0, 0.05 + len(stated) / 1000),
            )

    def create_pods(self, pods: Iterable[Pod]) -> int:
        """Create pods, many at a time; return how many. Fake kubelets run them afterwards."""
        return self._api.create_all(
            Creation(f"/api/v1/namespaces/{pod.namespace}/pods", pod_object(pod)) for pod in pods
        )

    def stop_heartbeat(self, node: str) -> None:
        """Stop a node's kubelet: Ready becomes Unknown after the grace period.

        Its pods stay as they are, as on a machine that lost its network. The node controller puts
        NoExecute taints on it only while another node of the cluster is Ready.
        """
        self._label_node(node, None)

    def resume_heartbeat(self, node: str) -> None:
        """Resume a node's kubelet: Ready becomes True, and its pods are managed again."""
        self._label_node(node, KUBELET_RUNS)

    def node_ready(self, node: str) -> str:
        """Return the status of a node's Ready condition: True, False or Unknown."""
        conditions = self.request("GET", f"/api/v1/nodes/{node}")["status"]["conditions"]
        return next(str(each["status"]) for each in conditions if each["type"] == "Ready")

    def _label_node(self, node: str, value: str | None) -> None:
        body = {"metadata": {"labels": {KUBELET_LABEL: value}}}
        self.request("PATCH", f"/api/v1/nodes/{node}", body)

    def _address(self, node: Node) -> str:
        return node.internal_ip or str(FIRST_NODE_ADDRESS + next(self._numbers))

    def _lease_names(self) -> set[str]:
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        return {item["metadata"]["name"] for item in self.request("GET", path)["items"]}

    def _schedulable_names(self) -> set[str]:
        """Return the nodes that are ready for the node controller: it removes a taint then."""
        return {
            item["metadata"]["name"]
            for item in self.request("GET", "/api/v1/nodes")["items"]
            if all(taint["key"] != NOT_READY_TAINT for taint in item["spec"].get("taints", ()))
        }

    def _create_if_missing(self, path: str, kind: str, name: str) -> None:
        body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
        try:
            self.request("POST", path, body)
        except ApiError as error:
            if error.status != http.HTTPStatus.CONFLICT:
                raise
