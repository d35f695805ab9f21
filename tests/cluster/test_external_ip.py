"""external-ip on a real API server, under its own rights: Services, claims, pools, records."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab_logs import refused_rights
from lab_rights import held
from test_example_controller import bind

from moorage_api import ipallocation, ipclaim, ipclaimpool, ipnode
from moorage_api.crds import crd
from moorage_external_ip.rbac import RULES
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

GROUP = "/apis/ipcontroller.ext/v1"
RECORDS = "/apis/moorage.dev/v1alpha1/ipallocations"
DEFINITIONS = (
    ipclaim.DEFINITION,
    ipclaimpool.DEFINITION,
    ipnode.DEFINITION,
    ipallocation.DEFINITION,
)
Raw = dict[str, Any]


@dataclass
class Lab:
    """A namespace with Services, a class of its own, and the replicas started for it."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    replicas: list[Child] = field(default_factory=list)

    @property
    def load_balancer_class(self) -> str:
        return f"example.com/{self.namespace}"

    def start(self, *flags: str) -> Child:
        """One more replica, which leads: each has a Lease of its own."""
        name = f"external-ip-{len(self.replicas)}"
        argv = [sys.executable, "-m", "moorage_external_ip", "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1", "--lease-name", name]
        argv += ["--lease-namespace", self.namespace, "--no-serve-without-class"]
        argv += ["--load-balancer-class", self.load_balancer_class, *flags]
        child = self.run.start(Command(name, argv))
        self.replicas.append(child)
        return child

    def pool(self, **spec: Any) -> None:
        meta = {"name": self.namespace}
        body = {"apiVersion": "ipcontroller.ext/v1", "kind": "IpClaimPool", "metadata": meta}
        usual = {"namespaces": [self.namespace]}
        self.cluster.request("POST", f"{GROUP}/ipclaimpools", body | {"spec": usual | spec})

    def service(self, name: str, meta: Raw | None = None, **spec: Any) -> None:
        usual: Raw = {"type": "LoadBalancer", "loadBalancerClass": self.load_balancer_class}
        usual |= {"ports": [{"port": 80}], "selector": {"app": name}}
        wanted = {key: one for key, one in (usual | spec).items() if one is not None}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name} | (meta or {})}
        self.cluster.request("POST", self.services(), body | {"spec": wanted})

    def services(self, name: str = "") -> str:
        base = f"/api/v1/namespaces/{self.namespace}/services"
        return f"{base}/{name}" if name else base

    def ingress(self, name: str) -> list[Raw]:
        raw = self.cluster.request("GET", self.services(name))
        return list(raw["status"]["loadBalancer"].get("ingress") or ())

    def has(self, name: str) -> list[Raw]:
        return wait_for(lambda: self.ingress(name), PATIENCE, f"{name} to have an address")

    def records(self) -> list[str]:
        """All IPAllocations; there were none before."""
        return self.names(RECORDS)

    def clear(self) -> None:
        """Remove all claims, pools and IPAllocations, whoever made them."""
        for path in (f"{GROUP}/ipclaims", f"{GROUP}/ipclaimpools", RECORDS):
            for name in self.names(path):
                self.cluster.remove(f"{path}/{name}")

    def names(self, path: str) -> list[str]:
        return [one["metadata"]["name"] for one in self.cluster.request("GET", path)["items"]]

    def stop(self) -> None:
        for child in self.replicas:
            child.stop()
            log = child.log.read_text()
            assert refused_rights(log) == []
            assert "Traceback" not in log


@pytest.fixture
def lab(cluster: EmbeddedCluster) -> Iterator[Lab]:
    with opened(cluster) as lab:
        yield lab


@contextmanager
def opened(cluster: EmbeddedCluster, *, without_class: bool = False) -> Iterator[Lab]:
    """A namespace of its own; nothing that was made in it is left.

    With ``without_class`` the policies let Services be served that name no class.
    """
    namespace = f"eip-{secrets.token_hex(3)}"
    cluster.apply([crd(one) for one in DEFINITIONS])
    wait_for(lambda: _served(cluster), PATIENCE, "the kinds to be served")
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/example")
    bind(cluster, namespace, RULES)
    config = {"loadBalancerClass": "example.com/NAMESPACE", "serveWithoutClass": without_class}
    policies = held(cluster, namespace, "externalIp", config=config)
    with policies, Run.open() as run:
        lab = Lab(cluster, run, namespace, kubeconfig)
        # Claims that others left would get records, and nobody would release them.
        lab.clear()
        yield lab
        lab.stop()
    lab.clear()
    cluster.kubectl("delete", "namespace", namespace, "--wait=false")


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether all kinds can be listed: right after they are made the API server throttles that."""
    try:
        kinds = ("ipclaims", "ipclaimpools", "ipnodes")
        for path in (*(f"{GROUP}/{one}" for one in kinds), RECORDS):
            cluster.request("GET", path)
    except ApiError:
        return False
    return True


def test_services_get_share_and_give_back_addresses(lab: Lab) -> None:
    lab.start()
    lab.pool(cidr="10.77.0.0/28")
    lab.service("web")
    assert lab.has("web") == [{"ip": "10.77.0.1", "ipMode": "VIP"}]
    key = {"annotations": {"moorage.dev/sharing-key": "dns"}}
    lab.service("tcp", key, ports=[{"port": 53}])
    first = lab.has("tcp")
    lab.service("udp", key, ports=[{"port": 53, "protocol": "UDP"}])
    assert lab.has("udp") == first == [{"ip": "10.77.0.2", "ipMode": "VIP"}]
    lab.service("local", externalTrafficPolicy="Local")
    lab.has("local")
    claim = lab.cluster.request("GET", f"{GROUP}/ipclaims/10-77-0-3-28")
    assert len(claim["spec"]["healthCheckNodePorts"]) == 1
    for name in ("web", "tcp", "udp"):
        lab.cluster.request("DELETE", lab.services(name))
    gone = wait_for(
        lambda: lab.names(f"{GROUP}/ipclaims") == ["10-77-0-3-28"] and len(lab.records()) == 1,
        PATIENCE,
        "the others to be released",
    )
    assert gone


def test_seed_compat_annotation_flags_and_external_ips(lab: Lab) -> None:
    child = lab.start("--mask=24", "--nodefilter=first-alive", "--monitor=4s", "--leader-elect")
    lab.pool(ranges=[["10.78.0.9", "10.78.0.10"]])
    notes = {"annotations": {"external-ip": "auto"}}
    usual: Raw = {"type": "NodePort", "loadBalancerClass": None}
    lab.service("nginx", notes, **usual)
    wait_for(
        lambda: lab.cluster.request("GET", lab.services("nginx"))["spec"].get("externalIPs"),
        PATIENCE,
        "spec.externalIPs to be written",
    )
    assert lab.names(f"{GROUP}/ipclaims") == ["10-78-0-9-24"]
    log = child.log.read_text()
    assert [log.count(f"--{flag}: Of the first version and without effect") for flag in
            ("monitor", "leader-elect", "mask")] == [1, 1, 0]  # fmt: skip
    lab.service("other", notes, type="LoadBalancer", loadBalancerClass="example.com/other")
    off = {"metadata": {"annotations": {"external-ip": None}}}
    lab.cluster.request("PATCH", lab.services("nginx"), off)
    wait_for(lambda: not lab.records(), PATIENCE, "the address to be released")
    raw = lab.cluster.request("GET", lab.services("nginx"))
    assert "externalIPs" not in raw["spec"]
    assert not raw["status"].get("conditions")
    assert lab.ingress("other") == []


def test_an_address_of_the_service_network_is_given_to_nobody(lab: Lab) -> None:
    lab.start()
    lab.pool(ranges=[["10.95.255.254", "10.96.0.3"]])
    lab.service("one")
    lab.service("two")
    given = {one["ip"] for name in ("one", "two") for one in lab.has(name)}
    assert given == {"10.95.255.254", "10.95.255.255"}
    lab.service("asks", loadBalancerIP="10.96.0.3")

    def message() -> str:
        raw = lab.cluster.request("GET", lab.services("asks"))
        found = raw["status"].get("conditions") or ()
        return next((str(one["message"]) for one in found), "")

    assert wait_for(message, PATIENCE, "a condition") == (
        "10.96.0.3: it is in 10.96.0.0/16, a network of the cluster's Services (ServiceCIDR"
        " kubernetes)"
    )


def test_status_heal_and_exhaustion_on_a_real_server(lab: Lab) -> None:
    lab.start()
    lab.pool(cidr="10.79.0.0/30")
    for number in range(5):
        lab.service(f"s{number}")
    names = [f"s{number}" for number in range(5)]
    served = wait_for(
        lambda: [one for one in names if lab.ingress(one)][1:] and names, PATIENCE, "two of five"
    )
    served = [one for one in served if lab.ingress(one)]
    assert len(served) == 2
    path = lab.services(served[0])
    before = lab.ingress(served[0])
    lab.cluster.request("PATCH", f"{path}/status", {"status": {"loadBalancer": {"ingress": None}}})
    assert lab.has(served[0]) == before
    late = next(one for one in names if one not in served)

    def condition() -> str:
        raw = lab.cluster.request("GET", lab.services(late))
        found = raw["status"].get("conditions") or ()
        return next((str(one["reason"]) for one in found), "")

    assert wait_for(condition, PATIENCE, "a condition") == "PoolExhausted"
    lab.cluster.request("DELETE", path)
    # They were created within one second, so any of them may be the oldest.
    late_ones = [one for one in names if one not in served]
    wait_for(lambda: any(map(lab.ingress, late_ones)), PATIENCE, "the next one to be served")
    pool = f"{GROUP}/ipclaimpools/{lab.namespace}"
    wait_for(
        lambda: lab.cluster.request("GET", pool).get("status", {}).get("waiting") == 2,
        PATIENCE,
        "the pool to count",
    )
