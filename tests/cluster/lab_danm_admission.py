"""A control plane that calls the admission service of danm, registered as the chart does it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import re
import secrets
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import trustme
import yaml
from helm import Helm
from lab_pages import answer

from moorage_danm.names import WANTED
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.danm import danm_crds
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

Raw = dict[str, Any]
GROUP = "danm.k8s.io"
KEY = f"{GROUP}/interfaces"
IP = "10.0.0.5"
API_SERVER = "kube-apiserver-of-the-lab"
NAME = "danm"
SERVICE = f"{NAME}-webhook"
METRICS_SECONDS = 1.0
"""So old may be what a scrape says."""
_KINDS = (
    "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount", "Service",
    "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
)  # fmt: skip
_WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server says to somebody who creates something."""

    status: int
    warnings: Sequence[str]
    body: Raw

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


@dataclass(frozen=True, slots=True)
class Callers:
    """A cluster whose API server shows a certificate to webhooks, and who signed that."""

    cluster: EmbeddedCluster
    authority: Path


@contextlib.contextmanager
def cluster_that_shows_a_certificate() -> Iterator[Callers]:
    """As an administrator sets it up who wants webhooks to know who calls."""
    authority = trustme.CA()
    leaf = authority.issue_cert("api.test", common_name=API_SERVER)
    chain = b"".join(one.bytes() for one in leaf.cert_chain_pems)
    user = {
        "client-certificate-data": base64.b64encode(chain).decode(),
        "client-key-data": base64.b64encode(leaf.private_key_pem.bytes()).decode(),
    }
    with TemporaryDirectory() as folder:
        signer, kubeconfig, config = (Path(folder) / name for name in ("ca", "users", "admission"))
        signer.write_bytes(authority.cert_pem.bytes())
        users = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": user}]}
        kubeconfig.write_text(yaml.safe_dump(users), encoding="utf-8")
        said = _said("AdmissionConfiguration", plugins=[_plugin(kubeconfig)])
        config.write_text(yaml.safe_dump(said), encoding="utf-8")
        flag = f"--admission-control-config-file={config}"
        flags = {"kube-apiserver": [flag]}
        # Nodes have no kubelets here, and stay as they are made.
        with EmbeddedCluster.start(
            kwok=False, node_monitor_grace_seconds=3600.0, extra_args=flags
        ) as cluster:
            cluster.apply(danm_crds(GROUP))
            cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
            yield Callers(cluster, signer)


def _plugin(kubeconfig: Path) -> Raw:
    inner = _said("WebhookAdmissionConfiguration", kubeConfigFile=str(kubeconfig))
    return {"name": "ValidatingAdmissionWebhook", "configuration": inner}


def _said(kind: str, **fields: Any) -> Raw:
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": kind, **fields}


@dataclass
class AdmissionLab:
    """A release in a namespace, its admission service as a process, and pods that ask for it."""

    callers: Callers
    run: Run
    host: str
    mode: str
    flags: Sequence[str] = ()
    namespace: str = field(default_factory=lambda: f"danm-{secrets.token_hex(4)}")
    child: Child | None = None

    @property
    def cluster(self) -> EmbeddedCluster:
        return self.callers.cluster

    @property
    def shop(self) -> str:
        """The namespace of the pods: the service is never asked about its own."""
        return f"{self.namespace}-shop"

    def install(self) -> None:
        """What a release has beside its pods."""
        webhook = {"config": {"mode": self.mode}}
        part = {"enabled": True, "fullnameOverride": NAME, "webhook": webhook}
        values = {"core": {"enabled": False}, "danm": part}
        with TemporaryDirectory() as folder:
            made = Helm("helm3", Path(folder)).render(values, namespace=self.namespace)
        objects = [one for one in made if one["kind"] in _KINDS]
        for one in objects:
            if one["kind"] == "Service":
                del one["spec"]["selector"]  # its endpoints are written by hand
        spaces = [{"metadata": {"name": name}} for name in (self.namespace, self.shop)]
        self.cluster.apply([{"apiVersion": "v1", "kind": "Namespace"} | one for one in spaces])
        self.cluster.apply(objects)
        # Without its default ServiceAccount no pod is created in a namespace.
        for name in (self.namespace, self.shop):
            self.cluster.kubectl(
                "wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=60s"
            )

    def start(self) -> Child:
        """The service under its own rights; returns when it is ready and called."""
        kubeconfig = self.cluster.kubeconfig_for(f"{self.namespace}/{SERVICE}")
        said = yaml.safe_load(kubeconfig.read_text("utf-8"))
        said["contexts"][0]["context"]["namespace"] = self.namespace
        kubeconfig.write_text(yaml.safe_dump(said), encoding="utf-8")
        argv = [
            sys.executable, "-m", "moorage_danm", "webhook", "--kubeconfig", str(kubeconfig),
            "--webhook-host", self.host, "--webhook-port", "0", "--webhook-name", SERVICE,
            "--metrics-host", "127.0.0.1", "--metrics-port", "0", "--mode", self.mode, *self.flags,
        ]  # fmt: skip
        child = self.child = self.run.start(Command("webhook", argv))
        wait_for(self._is_ready, PATIENCE, "the service to be ready")
        (port,) = re.findall(r"webhooks listen on [^\"]*:(\d+)\"", child.log.read_text())
        self._put_endpoint(int(port))
        return child

    def _is_ready(self) -> bool:
        assert self.child is not None
        self.child.check()
        return answer(self.child, "/readyz")[0] == 200

    def _put_endpoint(self, port: int) -> None:
        labels = {"kubernetes.io/service-name": SERVICE}
        meta = {"name": SERVICE, "namespace": self.namespace, "labels": labels}
        conditions = {"ready": True, "serving": True, "terminating": False}
        slice_of_it = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta,
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [self.host], "conditions": conditions}],
        }
        self.cluster.apply([slice_of_it])

    def remove(self) -> None:
        for kind in ("validatingwebhookconfiguration", "validatingadmissionpolicybinding"):
            self.cluster.kubectl("delete", kind, "-l", "app.kubernetes.io/part-of=moorage")
        self.cluster.kubectl("delete", "namespace", self.namespace, self.shop, "--wait=false")

    # What users do.

    def create(self, plural: str, body: Raw, *, dry_run: bool = False, place: str = "") -> Answer:
        """Create an object as the admin does, and read the warnings."""
        groups = {"deployments": "/apis/apps/v1", "daemonsets": "/apis/apps/v1"}
        path = f"{groups.get(plural, '/api/v1')}/namespaces/{place or self.shop}/{plural}"
        where = urlsplit(self.cluster.server)
        context = ssl.create_default_context(cafile=str(self.cluster.ca_file))
        connection = http.client.HTTPSConnection(
            str(where.hostname), where.port, context=context, timeout=30
        )
        headers = {
            "Authorization": f"Bearer {self.cluster.token}",
            "Content-Type": "application/json",
        }
        query = "?dryRun=All" if dry_run else ""
        with contextlib.closing(connection):
            connection.request("POST", path + query, json.dumps(body), headers)
            answered = connection.getresponse()
            found = _WARNING.findall(", ".join(answered.headers.get_all("Warning") or ()))
            return Answer(answered.status, tuple(found), json.loads(answered.read()))

    def pod(self, ip: str = IP, *, asks: bool = True, **more: Any) -> Answer:
        """Create a pod that asks for an address, or for none."""
        wanted = {KEY: json.dumps([{"network": "net", "ip": ip}])} if asks else {}
        meta = {"name": f"new-{secrets.token_hex(4)}", "annotations": wanted}
        containers = [{"name": "main", "image": "app"}]
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta}
        return self.create("pods", body | {"spec": {"containers": containers}}, **more)

    def deployment(self, **spec: Any) -> Answer:
        labels = {"app": "web"}
        wanted = {KEY: json.dumps([{"network": "net", "ip": IP}])}
        template = {
            "metadata": {"labels": labels, "annotations": wanted},
            "spec": {"containers": [{"name": "main", "image": "app"}]},
        }
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"web-{secrets.token_hex(4)}"},
            "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
        }
        return self.create("deployments", body, dry_run=True)

    # What DANM and the cluster have.

    def holder(self, *, node: str = "") -> None:
        """A pod has the address; without ``node`` that one is gone."""
        network = {"NetworkID": "net", "Options": {"cidr": "10.0.0.0/24"}}
        objects: list[Raw] = [self._danm("DanmNet", "net", network)]
        uid = "gone"
        if node:
            status = {"conditions": [{"type": "Ready", "status": "True"}]}
            objects.append({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})
            self.cluster.apply(objects)
            self.cluster.request("PATCH", f"/api/v1/nodes/{node}/status", {"status": status})
            body = {"metadata": {"name": "old"}, "apiVersion": "v1", "kind": "Pod"}
            spec = {"nodeName": node, "containers": [{"name": "main", "image": "app"}]}
            made = self.create("pods", body | {"spec": spec})
            uid = made.body["metadata"]["uid"]
        interface = {"Name": "eth1", "Address": f"{IP}/24"}
        holding: Raw = {
            "NetworkName": "net", "apiType": "DanmNet", "Pod": "old", "PodUID": uid,
            "Host": node or "n9", "Interface": interface,
        }  # fmt: skip
        self.cluster.apply([*objects, self._danm("DanmEp", "ep", holding)])

    def _danm(self, kind: str, name: str, spec: Raw) -> Raw:
        meta = {"name": name, "namespace": self.shop}
        return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": meta, "spec": spec}

    @property
    def endpoint_path(self) -> str:
        return f"/apis/{GROUP}/v1/namespaces/{self.shop}/danmeps/ep"

    @property
    def network_path(self) -> str:
        return f"/apis/{GROUP}/v1/namespaces/{self.shop}/danmnets/net"

    def demanded(self) -> bool:
        meta = self.cluster.request("GET", self.endpoint_path)["metadata"]
        return WANTED in (meta.get("annotations") or {})

    def settled_answers(self) -> float:
        """All pods that were allowed; what is measured is up to a second old."""
        time.sleep(2 * METRICS_SECONDS)
        return self.answers("allowed")

    def answers(self, decision: str) -> float:
        """How many answers of a kind the service has given."""
        assert self.child is not None
        pattern = rf'danm_webhook_requests_total\{{[^}}]*decision="{decision}"[^}}]*\}} (\S+)'
        return sum(map(float, re.findall(pattern, answer(self.child, "/metrics")[1])))


@contextlib.contextmanager
def admission(
    callers: Callers, host: str, mode: str = "advise", *flags: str
) -> Iterator[AdmissionLab]:
    """The service of a release, called by the API server."""
    with Run.open() as run:
        lab = AdmissionLab(callers, run, host, mode, flags)
        lab.install()
        try:
            yield lab
        finally:
            lab.remove()
