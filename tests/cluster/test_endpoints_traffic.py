"""A client that asks a Service all the time is answered from secondary addresses, on a real node.

Pods run, kube-proxy translates, and the pods' default addresses are taken out of reach on the way.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_example_controller import bind

from moorage_endpoints import names
from moorage_endpoints.rbac import ALL_RULES
from moorage_testing.cluster.toolchain import tool_path
from moorage_testing.lab import Requests, requesting
from moorage_testing.lab.namespace import Namespace
from moorage_testing.nodes import RealNodes, write_image
from moorage_testing.processes import Command, Run
from moorage_testing.pytest_plugin import start_nodes
from moorage_testing.waiting import PATIENCE, wait_for

NODE, SPACE, IMAGE = "node-1", "traffic", "localhost/probe:1"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
GATE = "example.com/on"
STEADY, FEW = 20, 3
Raw = dict[str, Any]


@dataclass
class Traffic:
    """A node, a Service `web`, its pods, and whoever asks from the node."""

    real: RealNodes
    inside: Namespace

    def path(self, plural: str, name: str = "") -> str:
        group = "/apis/discovery.k8s.io/v1" if plural == "endpointslices" else "/api/v1"
        return f"{group}/namespaces/{SPACE}/{plural}/{name}".rstrip("/")

    def get(self, plural: str, name: str = "") -> Raw:
        return dict(self.real.cluster.request("GET", self.path(plural, name)))

    def run_pod(self, name: str) -> None:
        """One that is on the network `blue`, and ready as its gate says."""
        container = {"name": "main", "image": IMAGE, "args": ["serve"]}
        spec = {
            "nodeName": NODE,
            "containers": [container | {"imagePullPolicy": "Never"}],
            "readinessGates": [{"conditionType": GATE}],
            "terminationGracePeriodSeconds": 2,
        }
        meta = {"name": name, "labels": {"app": "web"}, "annotations": {NETWORKS: "blue"}}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        self.real.cluster.request("POST", self.path("pods"), body)
        wait_for(lambda: self.is_running(name), PATIENCE, f"{name} to run")
        self.switch(name, on=True)
        kubectl = self.real.cluster.kubectl
        kubectl("-n", SPACE, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")

    def is_running(self, name: str) -> bool:
        statuses = self.get("pods", name)["status"].get("containerStatuses") or ()
        return any("running" in one["state"] for one in statuses)

    def switch(self, name: str, *, on: bool) -> None:
        """Whether a pod is ready."""
        condition = {"type": GATE, "status": str(on)}
        conditions = self.get("pods", name)["status"]["conditions"]
        others = [one for one in conditions if one["type"] != GATE]
        body = {"status": {"conditions": [*others, condition]}}
        self.real.cluster.request("PATCH", self.path("pods", name) + "/status", body)

    def hide(self, name: str) -> str:
        """Have nobody on the node reach a pod's default address; returns that."""
        address = str(self.get("pods", name)["status"]["podIP"])
        self.inside.ip("route", "replace", "blackhole", f"{address}/32")
        return address

    def managers(self) -> set[str]:
        slices = self.get("endpointslices")["items"]
        ours = (one for one in slices if one["metadata"]["labels"][names.SERVICE_LABEL] == "web")
        return {one["metadata"]["labels"][names.MANAGED_BY_LABEL] for one in ours}

    @property
    def address(self) -> str:
        return str(self.get("services", "web")["spec"]["clusterIP"])

    def wait_answers(self, seen: Requests, *pods: str) -> None:
        """Wait until all of these and no others answer, without one request lost."""

        def steady() -> bool:
            last = Requests(sorted(seen.samples)[-STEADY:])
            full = len(last.samples) == STEADY
            return full and not last.lost and last.answers == frozenset(pods)

        wait_for(steady, PATIENCE, f"{pods} and nobody else to answer")


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traffic]:
    """Two pods behind a Service that leads to their default addresses, and the controller."""
    folder = tmp_path_factory.mktemp("traffic")
    with start_nodes(1, networks=True) as real, Run.open() as run:
        cluster = real.cluster
        real.load_image(write_image(folder / "probe.tar", IMAGE, tool_path("probe")))
        kubeconfig = cluster.kubeconfig_for(f"{SPACE}/example")
        bind(cluster, SPACE, ALL_RULES)
        account = f"/api/v1/namespaces/{SPACE}/serviceaccounts/default"
        wait_for(lambda: _is_there(real, account), PATIENCE, "the ServiceAccount of pods")
        cluster.apply([_network("blue")])
        with _inside(real) as inside:
            traffic = Traffic(real, inside)
            for name in ("one", "two"):
                traffic.run_pod(name)
            spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
            body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
            cluster.request("POST", traffic.path("services"), body | {"spec": spec})
            child = run.start(_command(kubeconfig))
            yield traffic
            assert child.stop() == 0, child.log_tail()


def _inside(real: RealNodes) -> Namespace:
    return Namespace(f"/proc/{real.nodes[NODE].machine.pid}/ns/net")


def _is_there(real: RealNodes, path: str) -> bool:
    name = path.rpartition("/")[2]
    items = real.cluster.request("GET", path.removesuffix(f"/{name}"))["items"]
    return any(one["metadata"]["name"] == name for one in items)


def _has_asked(seen: Requests) -> bool:
    return len(seen.samples) >= FEW


def _network(name: str) -> Raw:
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.77.1.0/24"}]], "dataDir": "/run/cni"}
    config = {"cniVersion": "0.4.0", "type": "bridge", "bridge": name, "isGateway": True}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"config": json.dumps(config | {"ipam": ipam})},
    }


def _command(kubeconfig: Path) -> Command:
    argv = [sys.executable, "-m", "moorage_endpoints", "--kubeconfig", str(kubeconfig)]
    argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1", "--lease-namespace", SPACE]
    return Command("endpoints", [*argv, "--selector-services", "handover"])


def test_na_26_the_handover_of_a_live_service_loses_no_request(traffic: Traffic) -> None:
    with requesting(traffic.inside, traffic.address, 80) as seen:
        traffic.wait_answers(seen, "one", "two")
        begun = time.monotonic()
        change = {"metadata": {"annotations": {NETWORKS: "blue"}}}
        traffic.real.cluster.request("PATCH", traffic.path("services", "web"), change)
        wait_for(lambda: traffic.managers() == {names.MANAGER}, PATIENCE, "ours alone")
        handed_over = time.monotonic()
        wait_for(lambda: len(seen.since(handed_over).samples) >= STEADY, PATIENCE, "more answers")
    assert seen.since(begun).lost == 0


def test_only_secondary_addresses_answer(traffic: Traffic) -> None:
    for name in ("one", "two"):
        address = traffic.hide(name)
        with requesting(traffic.inside, address, 8080) as hidden:
            wait_for(partial(_has_asked, hidden), PATIENCE, "no answers")
        assert hidden.answers == frozenset()
    with requesting(traffic.inside, traffic.address, 80) as seen:
        traffic.wait_answers(seen, "one", "two")
    assert seen.lost == 0


def test_a_change_of_readiness_is_followed(traffic: Traffic) -> None:
    with requesting(traffic.inside, traffic.address, 80) as seen:
        traffic.wait_answers(seen, "one", "two")
        traffic.switch("one", on=False)
        traffic.wait_answers(seen, "two")
        traffic.switch("one", on=True)
        traffic.wait_answers(seen, "one", "two")
    assert seen.lost == 0


def test_the_replacement_of_a_pod_is_followed(traffic: Traffic) -> None:
    with requesting(traffic.inside, traffic.address, 80) as seen:
        traffic.wait_answers(seen, "one", "two")
        traffic.run_pod("three")
        traffic.hide("three")
        traffic.switch("one", on=False)
        traffic.wait_answers(seen, "two", "three")
        kubectl = traffic.real.cluster.kubectl
        kubectl("-n", SPACE, "delete", "pod", "one", "--timeout=60s")
        traffic.wait_answers(seen, "two", "three")
    assert seen.lost == 0
