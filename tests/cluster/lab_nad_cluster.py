"""moorage-endpoints on a real API server with net-attach-defs, under the rights of the chart."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_logs import refused_rights
from lab_rights import rights, without_policies

from moorage_endpoints.nads.names import FINALIZER, MARKER, NETWORKS
from moorage_testing.cluster import ApiError, EmbeddedCluster, Pod
from moorage_testing.cni import nad_crd
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

ACCOUNT = "moorage"
CONFIG = '{"cniVersion": "0.3.1", "type": "bridge"}'
Raw = dict[str, Any]


@dataclass
class Lab:
    """A namespace of the controller, one of its users, and the replicas started for it."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    users: str
    replicas: list[Child] = field(default_factory=list)

    def start(self, *flags: str) -> Child:
        argv = [sys.executable, "-m", "moorage_endpoints", "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1"]
        argv += ["--lease-namespace", self.namespace, *flags]
        child = self.run.start(Command(f"endpoints-{len(self.replicas)}", argv))
        self.replicas.append(child)
        return child

    def path(self, name: str = "", namespace: str = "") -> str:
        base = f"/apis/k8s.cni.cncf.io/v1/namespaces/{namespace or self.users}"
        return f"{base}/network-attachment-definitions" + (f"/{name}" if name else "")

    def nad(self, name: str, namespace: str = "", spec: Raw | None = None, **meta: Any) -> Raw:
        body: Raw = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
        body |= {"metadata": {"name": name, **meta}}
        if spec != {}:
            body["spec"] = spec or {"config": CONFIG}
        return self.cluster.request("POST", self.path(namespace=namespace), body)

    def find(self, name: str, namespace: str = "") -> Raw | None:
        try:
            return self.cluster.request("GET", self.path(name, namespace))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def is_held(self, name: str, namespace: str = "") -> bool:
        meta = (self.find(name, namespace) or {"metadata": {}})["metadata"]
        return FINALIZER in meta.get("finalizers", ()) and MARKER in meta.get("annotations", {})

    def wait_held(self, name: str, namespace: str = "") -> None:
        wait_for(lambda: self.is_held(name, namespace), PATIENCE, f"{name} to be held")

    def wait_gone(self, name: str, namespace: str = "") -> None:
        wait_for(lambda: self.find(name, namespace) is None, PATIENCE, f"{name} to be gone")

    def is_leaving(self, name: str) -> bool:
        raw = self.find(name)
        return raw is not None and "deletionTimestamp" in raw["metadata"]

    def pod(self, name: str, networks: str) -> None:
        """One that no node runs: it uses its networks all the same."""
        self.cluster.create_pods([Pod(name, self.users, annotations={NETWORKS: networks})])

    def remove_pod(self, name: str) -> None:
        self.cluster.remove(f"/api/v1/namespaces/{self.users}/pods/{name}")

    def refusal(self, name: str) -> str:
        """What the API server says to who deletes one; ``""`` = it does so."""
        try:
            self.cluster.request("DELETE", self.path(name))
        except ApiError as error:
            return str(error)
        return ""

    def reasons(self, name: str) -> list[str]:
        """Of the Events of one."""
        events = self.cluster.request("GET", f"/api/v1/namespaces/{self.users}/events")["items"]
        return [one["reason"] for one in events if one["involvedObject"]["name"] == name]


def nad_lab(cluster: EmbeddedCluster, *, policies: bool) -> Iterator[Lab]:
    """For the tests of a module: two controllers at once would hold each other's objects."""
    tag = secrets.token_hex(3)
    namespace, users = f"endpoints-{tag}", f"networks-{tag}"
    cluster.apply([nad_crd()])
    wait_for(lambda: _served(cluster), PATIENCE, "the kind to be served")
    part = {"enabled": True, "fullnameOverride": ACCOUNT, "policies": {"enabled": policies}}
    made = rights(namespace, {"core": {"enabled": False}, "endpoints": part})
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": one}}
        for one in (namespace, users)
    ]
    cluster.apply([*spaces, *made])
    with Run.open() as run:
        kubeconfig = cluster.kubeconfig_for(f"{namespace}/{ACCOUNT}")
        lab = Lab(cluster, run, namespace, kubeconfig, users)
        yield lab
        for child in lab.replicas:
            child.stop()
            log = child.log.read_text()
            assert refused_rights(log) == []
            assert "Traceback" not in log
    without_policies(cluster, made)
    for raw in cluster.request("GET", lab.path())["items"]:
        name = raw["metadata"]["name"]
        cluster.request("PATCH", lab.path(name), {"metadata": {"finalizers": None}})
    cluster.kubectl("delete", "namespace", namespace, users, "--wait=false")


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether net-attach-defs can be listed; 404 and 429 for a moment after their kind is made."""
    try:
        cluster.request("GET", "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions")
    except ApiError:
        return False
    return True
