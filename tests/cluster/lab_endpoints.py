"""Services over secondary networks on a real API server, with the controllers of Kubernetes."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_logs import refused_rights
from lab_pages import answer
from lab_rights import held
from test_example_controller import bind

from moorage_endpoints import names
from moorage_endpoints.networks.status import STATUS_ANNOTATION
from moorage_endpoints.rbac import ALL_RULES
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster.objects import Node, Pod
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

Raw = dict[str, Any]


@dataclass
class EndpointsLab:
    """A namespace, a fake node of its own, and the controllers started for it."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    replicas: list[Child] = field(default_factory=list)

    def start(self, *flags: str) -> Child:
        """One more replica, which leads: each has a Lease of its own."""
        name = f"endpoints-{len(self.replicas)}"
        argv = [sys.executable, "-m", "moorage_endpoints", "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1", "--lease-name", name]
        argv += ["--lease-namespace", self.namespace, *flags]
        child = self.run.start(Command(name, argv))
        self.replicas.append(child)
        return child

    # What people and kubelets write.

    def path(self, plural: str, name: str = "") -> str:
        group = "/apis/discovery.k8s.io/v1" if plural == "endpointslices" else "/api/v1"
        return f"{group}/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")

    def service(self, name: str, notes: Raw | None = None, **spec: Any) -> None:
        usual: Raw = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]}
        wanted = {key: one for key, one in (usual | spec).items() if one is not None}
        meta = {"name": name, "annotations": notes or {}}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": wanted}
        self.cluster.request("POST", self.path("services"), body)

    def annotate(self, service: str, **notes: str | None) -> None:
        keys = {f"moorage.dev/{key}": one for key, one in notes.items()}
        body = {"metadata": {"annotations": keys}}
        self.cluster.request("PATCH", self.path("services", service), body)

    def pods(self, app: str, *ips: str, network: str = "net") -> None:
        """Ready pods, each with one address in a network."""
        made = [
            Pod(
                f"{app}-{number}",
                self.namespace,
                node=self.namespace,
                labels={"app": app},
                annotations={STATUS_ANNOTATION: self.status(ip, network)},
            )
            for number, ip in enumerate(ips)
        ]
        self.cluster.create_pods(made)
        for pod in made:
            self.is_ready(pod.name)

    def status(self, ip: str, network: str = "net") -> str:
        name = network if "/" in network else f"{self.namespace}/{network}"
        return json.dumps([{"name": name, "interface": "net1", "ips": [ip]}])

    def attach(self, pod: str, ip: str) -> None:
        body = {"metadata": {"annotations": {STATUS_ANNOTATION: self.status(ip)}}}
        self.cluster.request("PATCH", self.path("pods", pod), body)

    def ready(self, pod: str, *, ready: bool) -> None:
        raw = self.cluster.request("GET", self.path("pods", pod))
        conditions = [
            one | ({"status": str(ready)} if one["type"] == "Ready" else {})
            for one in raw["status"]["conditions"]
        ]
        body = {"status": {"conditions": conditions}}
        self.cluster.request("PATCH", self.path("pods", pod) + "/status", body)

    # What they see.

    def get(self, service: str) -> Raw:
        return dict(self.cluster.request("GET", self.path("services", service)))

    def exists(self, plural: str, name: str) -> bool:
        items = self.cluster.request("GET", self.path(plural))["items"]
        return any(one["metadata"]["name"] == name for one in items)

    def slices(self, service: str, manager: str = "") -> list[Raw]:
        """Slices of a Service, all or those of one manager."""
        query = f"?labelSelector=kubernetes.io/service-name={service}"
        if manager:
            query += f",{names.MANAGED_BY_LABEL}={manager}"
        return list(self.cluster.request("GET", self.path("endpointslices") + query)["items"])

    def managers(self, service: str) -> set[str]:
        return {one["metadata"]["labels"][names.MANAGED_BY_LABEL] for one in self.slices(service)}

    def ready_addresses(self, service: str, manager: str = "") -> set[str]:
        return ready_in(self.slices(service, manager))

    def with_address(self, service: str, address: str) -> list[Raw]:
        """Endpoints of slices of ours that have an address."""
        return [
            one
            for raw in self.slices(service, names.MANAGER)
            for one in raw.get("endpoints") or ()
            if address in one["addresses"]
        ]

    def messages(self, name: str, reason: str) -> list[str]:
        items = self.cluster.request("GET", self.path("events"))["items"]
        same = [one for one in items if one["involvedObject"]["name"] == name]
        return [one["message"] for one in same if one["reason"] == reason]

    def has(self, service: str, *ips: str) -> None:
        """Wait until exactly these addresses are ready, whoever says so."""
        wait_for(
            lambda: self.ready_addresses(service) == set(ips), PATIENCE, f"{service} to have {ips}"
        )

    def counted(self, child: Child, resource: str, verb: str) -> int:
        """Requests of a controller that succeeded, as its metrics count them."""
        text = answer(child, "/metrics")[1]
        pattern = rf'kube_requests_total{{code="2\d\d",resource="{resource}",verb="{verb}"}} (\d+)'
        return sum(int(one) for one in re.findall(pattern, text))

    def stop(self) -> None:
        for child in self.replicas:
            child.stop()
            log = child.log.read_text()
            assert refused_rights(log) == []
            assert "Traceback" not in log

    def is_ready(self, pod: str) -> None:
        """Wait until a fake kubelet runs it."""
        wait_for(lambda: self._is_ready(pod), PATIENCE, f"{pod} to be ready")

    def _is_ready(self, pod: str) -> bool:
        raw = self.cluster.request("GET", self.path("pods", pod))
        conditions = raw["status"].get("conditions") or ()
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def ready_in(slices: list[Raw]) -> set[str]:
    """Addresses of all ready endpoints."""
    return {
        address
        for raw in slices
        for one in raw.get("endpoints") or ()
        if one["conditions"].get("ready")
        for address in one["addresses"]
    }


@dataclass
class Recorder:
    """Every state of all slices of a Service, from a watch of the API server.

    Attributes:
        unions: ready addresses of all slices together, after each change.
        changes: manager and name of the slice of each change.
    """

    service: str
    unions: list[set[str]] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)

    def read(self, text: str) -> None:
        """Take what ``kubectl get --watch`` has printed."""
        held: dict[str, Raw] = {}
        decoder, position = json.JSONDecoder(), 0
        while position < len(text):
            event, position = decoder.raw_decode(text, position)
            position += len(text[position:]) - len(text[position:].lstrip())
            raw = event["object"]
            name, labels = raw["metadata"]["name"], raw["metadata"]["labels"]
            if event["type"] == "DELETED":
                held.pop(name, None)
            else:
                held[name] = raw
            self.unions.append(ready_in(list(held.values())))
            self.changes.append((labels[names.MANAGED_BY_LABEL], name))


@contextmanager
def recorded(lab: EndpointsLab, service: str) -> Iterator[Recorder]:
    """Record what readers of all slices of a Service see; it is there at the end."""
    recorder = Recorder(service)
    argv = [
        str(tool_path("kubectl")),
        f"--kubeconfig={lab.cluster.kubeconfig}",
        "get",
        "endpointslices",
    ]
    argv += ["--namespace", lab.namespace]
    argv += [
        "--selector",
        f"kubernetes.io/service-name={service}",
        "--watch",
        "--output-watch-events",
        "--output",
        "json",
    ]
    path = lab.run.folder / f"watch-{secrets.token_hex(3)}"
    with path.open("w") as output:
        watching = subprocess.Popen(argv, stdout=output)  # noqa: S603 - a test's own arguments, without a shell
        try:
            wait_for(lambda: path.stat().st_size > 0, PATIENCE, "the watch to begin")
            yield recorder
        finally:
            watching.terminate()
            watching.wait()
    recorder.read(path.read_text())


@contextmanager
def opened(cluster: EmbeddedCluster) -> Iterator[EndpointsLab]:
    """A namespace of its own; nothing that was made in it is left."""
    namespace = f"ep-{secrets.token_hex(3)}"
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/example")
    bind(cluster, namespace, ALL_RULES)
    cluster.add_nodes([Node(namespace, labels={names.ZONE_LABEL: "zone-a"})])
    with held(cluster, namespace, "endpoints", config={"protectNads": "off"}), Run.open() as run:
        lab = EndpointsLab(cluster, run, namespace, kubeconfig)
        yield lab
        lab.stop()
    cluster.kubectl("delete", "node", namespace, "--wait=false")
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")
