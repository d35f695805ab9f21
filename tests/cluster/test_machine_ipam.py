"""machine-ipam on a real API server with the kinds of Cluster API, under its own rights."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from lab_logs import refused_rights
from lab_rights import held
from test_example_controller import bind

from moorage_api.crds import crd
from moorage_api.ipallocation import DEFINITION as IPALLOCATION
from moorage_api.ippool import DEFINITION as IPPOOL
from moorage_machine_ipam.rbac import RULES
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.cluster_api import ipam_crds
from moorage_testing.processes import Child, Command, Run
from moorage_testing.waiting import PATIENCE, wait_for

CRASHING = Path(__file__).with_name("crashing_machine_ipam.py")
WRITES = 4
"""For a claim until it says which address it has: finalizer, record, IPAddress, status."""
RELEASES = 4
"""And then: IPAddress, record in quarantine, finalizer, record."""
CLAIMS = 300
Raw = dict[str, Any]


@dataclass
class Lab:
    """A namespace with pools and claims, and the replicas started for it."""

    cluster: EmbeddedCluster
    run: Run
    namespace: str
    kubeconfig: Path
    version: str = "v1beta1"
    asked: str = ""
    """What ``--ipam-version`` says; ``""`` = the version."""
    replicas: list[Child] = field(default_factory=list)

    def start(self, environment: Mapping[str, str] | None = None, *flags: str) -> Child:
        """One more replica, which leads: each has a Lease of its own."""
        program = [str(CRASHING)] if environment else ["-m", "moorage_machine_ipam"]
        name = f"ipam-{len(self.replicas)}"
        argv = [sys.executable, *program, "--kubeconfig", str(self.kubeconfig)]
        argv += ["--metrics-port", "0", "--metrics-host", "127.0.0.1", "--lease-name", name]
        argv += ["--lease-namespace", self.namespace, *flags]
        argv += ["--ipam-version", self.asked or self.version]
        child = self.run.start(Command(name, argv, env=environment or {}))
        self.replicas.append(child)
        return child

    def path(self, plural: str, name: str = "") -> str:
        """Of objects of the contract."""
        base = f"/apis/ipam.cluster.x-k8s.io/{self.version}/namespaces/{self.namespace}/{plural}"
        return f"{base}/{name}" if name else base

    @property
    def pool_path(self) -> str:
        base = f"/apis/ipamcontroller.openshift.io/v1/namespaces/{self.namespace}/ippools"
        return f"{base}/lab"

    def pool(self, **spec: Any) -> None:
        usual = {"address-cidr": "10.0.0.0/16", "prefix": 16, "gateway": "10.0.0.1"}
        # A network of its own: the records of all tests are in one cluster.
        wanted = usual | {"network": self.namespace, "reuse-delay-seconds": 0} | spec
        meta = {"name": "lab", "namespace": self.namespace}
        body = {"apiVersion": "ipamcontroller.openshift.io/v1", "kind": "IPPool"}
        pools = self.pool_path.removesuffix("/lab")
        self.cluster.request("POST", pools, body | {"metadata": meta, "spec": wanted})

    def claim(self, *names: str, pool: str = "lab") -> None:
        ref = {"apiGroup": "ipamcontroller.openshift.io", "kind": "IPPool", "name": pool}
        body = {"apiVersion": f"ipam.cluster.x-k8s.io/{self.version}", "kind": "IPAddressClaim"}
        for name in names:
            meta = {"name": name, "namespace": self.namespace}
            one = body | {"metadata": meta, "spec": {"poolRef": ref}}
            self.cluster.request("POST", self.path("ipaddressclaims"), one)

    def items(self, path: str) -> list[Raw]:
        return list(self.cluster.request("GET", path)["items"])

    @property
    def records(self) -> list[Raw]:
        found = self.items("/apis/moorage.dev/v1alpha1/ipallocations")
        return [one for one in found if one["spec"]["network"] == self.namespace]

    def bound(self) -> dict[str, str]:
        """The addresses of all claims that are ready, by name."""
        ready = [
            (one["metadata"]["name"], one["status"]["addressRef"]["name"])
            for one in self.items(self.path("ipaddressclaims"))
            if (one.get("status") or {}).get("addressRef")
        ]
        # Afterwards: each of those that are ready has its own by now.
        addresses = {
            one["metadata"]["name"]: str(one["spec"]["address"])
            for one in self.items(self.path("ipaddresses"))
        }
        return {name: addresses[its] for name, its in ready}

    def wait_bound(self, count: int, seconds: float = PATIENCE) -> dict[str, str]:
        def done() -> dict[str, str]:
            bound = self.bound()
            return bound if len(bound) == count else {}

        return wait_for(done, seconds, f"{count} claims to have an address")

    def delete(self, name: str) -> None:
        self.cluster.request("DELETE", self.path("ipaddressclaims", name))

    def is_empty(self) -> bool:
        here = (self.path("ipaddressclaims"), self.path("ipaddresses"))
        return not self.records and not any(map(self.items, here))

    def pool_status(self) -> Raw:
        return dict(self.cluster.request("GET", self.pool_path).get("status") or {})

    def stop(self) -> None:
        for child in self.replicas:
            child.stop()
            log = child.log.read_text()
            assert refused_rights(log) == []
            assert "Traceback" not in log


@pytest.fixture
def lab(cluster: EmbeddedCluster) -> Iterator[Lab]:
    namespace = f"ipam-{secrets.token_hex(3)}"
    cluster.apply([*ipam_crds(), crd(IPALLOCATION), crd(IPPOOL)])
    wait_for(lambda: _served(cluster), PATIENCE, "the kinds to be served")
    kubeconfig = cluster.kubeconfig_for(f"{namespace}/example")
    bind(cluster, namespace, RULES)
    # For test_rbac_minimal, which has Machines, too.
    policies = held(cluster, namespace, "machineIpam", config={"watchMachines": True})
    with policies, Run.open() as run:
        lab = Lab(cluster, run, namespace, kubeconfig)
        yield lab
        lab.stop()
    _remove(lab)


def _served(cluster: EmbeddedCluster) -> bool:
    """Whether all kinds can be listed: right after they are made the API server throttles that."""
    ipam = "/apis/ipam.cluster.x-k8s.io/v1beta1"
    pools = "/apis/ipamcontroller.openshift.io/v1/ippools"
    records = "/apis/moorage.dev/v1alpha1/ipallocations"
    try:
        for path in (f"{ipam}/ipaddressclaims", f"{ipam}/ipaddresses", pools, records):
            cluster.request("GET", path)
    except ApiError:
        return False
    return True


def _remove(lab: Lab) -> None:
    """Leave nothing to those that come after."""
    # Without a pool nobody gives addresses to claims while their namespace goes.
    for path in (lab.pool_path.removesuffix("/lab"), lab.path("ipaddressclaims")):
        for one in lab.items(path):
            lab.cluster.remove(f"{path}/{one['metadata']['name']}")
    lab.cluster.kubectl("delete", "namespace", lab.namespace, "--wait=false")
    for one in lab.records:
        name = one["metadata"]["name"]
        lab.cluster.remove(f"/apis/moorage.dev/v1alpha1/ipallocations/{name}")


@pytest.mark.parametrize("version", ["v1beta1", "v1beta2"])
def test_contract_v1beta1_v1beta2(lab: Lab, version: str) -> None:
    lab.version = version
    lab.start()
    lab.pool()
    lab.claim("a")
    assert lab.wait_bound(1) == {"a": "10.0.0.2"}
    claim = lab.cluster.request("GET", lab.path("ipaddressclaims", "a"))
    (ready,) = claim["status"]["conditions"]
    assert (ready["type"], ready["status"], ready["reason"]) == ("Ready", "True", "Allocated")
    wait_for(lambda: lab.pool_status().get("used") == 1, PATIENCE, "the pool to count it")
    shown = lab.cluster.kubectl("get", "ippools", "-n", lab.namespace)
    assert all(one in shown for one in ("TOTAL", "USED", "FREE", "QUARANTINED", "65533"))
    shown = lab.cluster.kubectl("get", "ipa")
    assert all(one in shown for one in ("ADDRESS", "OWNER", "PHASE", "10.0.0.2", "Bound"))
    lab.delete("a")
    wait_for(lab.is_empty, PATIENCE, "all to be released")


def test_the_version_that_the_api_server_prefers_is_found(lab: Lab) -> None:
    group = lab.cluster.request("GET", "/apis/ipam.cluster.x-k8s.io")
    lab.asked, lab.version = "auto", group["preferredVersion"]["version"]
    child = lab.start()
    lab.pool()
    lab.claim("a")
    assert lab.wait_bound(1) == {"a": "10.0.0.2"}
    assert f"is read and written in {lab.version}" in child.log.read_text()


@pytest.mark.parametrize("number", range(1, WRITES + 1))
def test_crash_each_step_of_binding(lab: Lab, number: int) -> None:
    lab.pool()
    crashing = lab.start({"CRASH_AFTER": str(number)})
    lab.claim("a")
    wait_for(lambda: not crashing.alive, PATIENCE, "it to kill itself")
    lab.start()
    assert lab.wait_bound(1) == {"a": "10.0.0.2"}
    assert len(lab.records) == 1


@pytest.mark.parametrize("number", range(1, RELEASES + 1))
def test_crash_each_step_of_a_release(lab: Lab, number: int) -> None:
    lab.pool()
    crashing = lab.start({"CRASH_AFTER": str(WRITES + number)})
    lab.claim("a")
    lab.wait_bound(1)
    lab.delete("a")
    wait_for(lambda: not crashing.alive, PATIENCE, "it to kill itself")
    lab.start()
    wait_for(lab.is_empty, PATIENCE, "all to be released")


def test_uniq_two_replicas(lab: Lab) -> None:
    """Both lead, as after a partition, and nothing but the API server keeps them apart."""
    lab.pool()
    lab.start()
    lab.start()
    lab.claim(*(f"m{number:04}" for number in range(CLAIMS)))
    bound = lab.wait_bound(CLAIMS, 2 * PATIENCE)
    assert len(set(bound.values())) == CLAIMS
    owners = {one["spec"]["address"]: one["spec"]["owner"]["name"] for one in lab.records}
    assert {owners[address]: address for address in bound.values()} == bound


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"address-cidr": "10.0.0.1/24"}, "write the first address and the length"),
        ({"address-cidr": "10.0.0.0"}, "write the first address and the length"),
        ({"prefix": 33}, "prefix is longer than"),
        ({"gateway": "2001:db8::1"}, "different families"),
        ({"ranges": ["10.0.0.9-"]}, "is no range"),
        ({"exclude": ["lab"]}, "is no range"),
        ({"nameserver": ["dns.example.org"]}, "is no IP address"),
        ({"strategy": "fastest"}, "Unsupported value"),
        ({"network": "Lab 1"}, "is no name of a network"),
    ],
    ids=str,
)
def test_a_pool_that_makes_no_sense_is_refused(lab: Lab, spec: Raw, says: str) -> None:
    with pytest.raises(ApiError) as refused:
        lab.pool(**spec)
    assert says in str(refused.value)


def test_an_address_that_is_none_is_refused(lab: Lab) -> None:
    def record(address: str) -> Raw:
        body = {"apiVersion": "moorage.dev/v1alpha1", "kind": "IPAllocation"}
        meta = {"name": f"{lab.namespace}-x"}
        return body | {"metadata": meta, "spec": {"address": address, "network": lab.namespace}}

    for address, says in (("10.0.0", "is no IP address"), ("2001:DB8::1", "shortest form")):
        with pytest.raises(ApiError) as refused:
            lab.cluster.request("POST", "/apis/moorage.dev/v1alpha1/ipallocations", record(address))
        assert says in str(refused.value)
    path = "/apis/moorage.dev/v1alpha1/ipallocations"
    lab.cluster.request("POST", path, record("10.0.0.9"))
    change = {"spec": {"address": "10.0.0.10"}}
    with pytest.raises(ApiError) as refused:
        lab.cluster.request("PATCH", f"{path}/{lab.namespace}-x", change)
    assert "cannot be changed" in str(refused.value)
