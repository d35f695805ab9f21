"""The part for machines: claims get addresses, which stay until they are cleaned up on purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from e2e.clusters.cluster import Cluster
from e2e.tests.installation import CHART, NAMESPACE, RELEASE, Installation
from e2e.tests.leftovers import everything, left, wait_left
from e2e.tests.test_uninstall import VERSION
from moorage_testing.cluster.kubectl import Object
from moorage_testing.cluster_api import ipam_crds

PART = "machine-ipam"
# In full: Kubernetes itself has a kind `ipaddresses`, and others have `ippools`.
ADDRESSES = "ipaddresses.ipam.cluster.x-k8s.io"
POOLS = "ippools.ipamcontroller.openshift.io"
POOL: Object = {
    "apiVersion": "ipamcontroller.openshift.io/v1",
    "kind": "IPPool",
    "metadata": {"name": "lab", "namespace": "default"},
    "spec": {"address-cidr": "192.168.101.64/28", "prefix": 23, "gateway": "192.168.100.1"},
}
REF = {"apiGroup": "ipamcontroller.openshift.io", "kind": "IPPool", "name": "lab"}
# As machine-ipam-controller leaves it: no owner, no finalizer, no record of whose it is.
FIRST = {"address": "192.168.101.70", "prefix": 23, "gateway": "192.168.100.1"}
GIVEN = {"first": "192.168.101.70", "second": "192.168.101.64", "third": "192.168.101.65"}


def of_ipam(kind: str, name: str, **spec: Any) -> Object:
    """A claim or an address."""
    meta = {"name": name, "namespace": "default"}
    version = "ipam.cluster.x-k8s.io/v1beta1"
    return {"apiVersion": version, "kind": kind, "metadata": meta, "spec": {"poolRef": REF} | spec}


class Machines:
    """A release with this part alone, and what it did."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.kubectl = installation.kubectl

    def values(self, **more: Any) -> dict[str, Any]:
        """No cloud is needed."""
        image = dict(self.installation.cluster.image(PART))
        return {
            "core": {"enabled": False},
            "machineIpam": {"enabled": True, "image": image, **more},
        }

    def addresses(self) -> Mapping[str, str]:
        """The address of each claim that says that it has one."""
        claims = self.kubectl.items("ipaddressclaims", "-n", "default")
        named = {
            one["metadata"]["name"]: ref["name"]
            for one in claims
            if (ref := one.get("status", {}).get("addressRef"))
        }
        there = self.kubectl.items(ADDRESSES, "-n", "default")
        said = {one["metadata"]["name"]: str(one["spec"]["address"]) for one in there}
        return {claim: said[name] for claim, name in named.items()}

    def all_given(self) -> bool:
        """The first has its own, the others the lowest ones: which of them, two at once decide."""
        now = self.addresses()
        same = now.keys() == GIVEN.keys() and sorted(now.values()) == sorted(GIVEN.values())
        return same and now["first"] == GIVEN["first"]

    def objects(self) -> dict[str, str]:
        """The uid of every object of the four kinds."""
        kinds = (POOLS, "ipallocations", "ipaddressclaims", ADDRESSES)
        found = [one for kind in kinds for one in self.kubectl.items(kind, "-A")]
        return {f"{o['kind']} {o['metadata']['name']}": o["metadata"]["uid"] for o in found}

    def held(self) -> list[str]:
        """The claims and pools that cannot be deleted without the controller."""
        found = [
            one for kind in ("ipaddressclaims", POOLS) for one in self.kubectl.items(kind, "-A")
        ]
        return [one["metadata"]["name"] for one in found if one["metadata"].get("finalizers")]

    def clean_up(self) -> None:
        """As the chart's README says."""
        parts = ("serviceaccount", "rbac", "machines", "clean-up")
        shown = [f"--show-only=charts/machineIpam/templates/{part}.yaml" for part in parts]
        manifest = self.installation.helm.run(
            "template", RELEASE, str(CHART), "-n", NAMESPACE, *shown, *VERSION,
            values=self.values(cleanUp={"enabled": True}),
        )  # fmt: skip
        self.kubectl.run("apply", "-f-", stdin=manifest)
        # Where kubelets are fake, the Job says at once that it is complete.
        self.installation.wait(lambda: not self.held(), "our finalizers to be gone")
        self.kubectl.run(
            "wait", "-n", NAMESPACE, "--for=condition=Complete", "--timeout=120s",
            "job/moorage-machine-ipam-clean-up",
        )  # fmt: skip
        self.kubectl.run("delete", "-f-", stdin=manifest)


@pytest.fixture(scope="module")
def machines(installation: Installation, before: set[str]) -> Iterator[Machines]:
    """Machines of the first controller, which is stopped, and then this part."""
    del before
    kubectl = installation.kubectl
    made = {f"CustomResourceDefinition /{one['metadata']['name']}" for one in ipam_crds()}
    made -= everything(installation.cluster)
    kubectl.apply(*ipam_crds())
    kubectl.run("wait", "--for=condition=Established", "crd", "--all")
    kubectl.apply(of_ipam("IPAddressClaim", "first"))
    kubectl.apply(of_ipam("IPAddress", "first", claimRef={"name": "first"}, **FIRST))
    yield Machines(installation)
    kubectl.run("delete", "crd", *(one.rpartition("/")[2] for one in made))


@pytest.fixture(scope="module")
def served(machines: Machines) -> Machines:
    """With a pool, and three claims that have their addresses."""
    installation = machines.installation
    installation.upgrade(machines.values())
    machines.kubectl.run("wait", "--for=condition=Established", "crd", "--all")
    machines.kubectl.apply(POOL)
    machines.kubectl.apply(*(of_ipam("IPAddressClaim", name) for name in ("second", "third")))
    installation.wait_working(part=PART)
    installation.wait(machines.all_given, "all claims to have an address")
    return machines


def test_claims_get_addresses_and_those_of_the_first_controller_stay(served: Machines) -> None:
    addresses = {o["metadata"]["name"]: o for o in served.kubectl.items(ADDRESSES, "-A")}
    assert {name: one["spec"]["prefix"] for name, one in addresses.items()} == dict.fromkeys(
        GIVEN, 23
    )
    said = served.installation.run_helm("test", RELEASE, "--timeout", "120s")
    assert "Succeeded" in said


def test_uninstalling_takes_no_address_away_and_the_clean_up_leaves_nothing(
    served: Machines, cluster: Cluster, before: set[str]
) -> None:
    there, addresses = served.objects(), served.addresses()
    assert len(there) == 1 + 3 * len(GIVEN)
    served.installation.run_helm("uninstall", RELEASE, "--wait")
    served.installation.wait(lambda: not cluster.pods(NAMESPACE, PART), "the controller to be gone")
    assert served.objects() == there
    assert served.addresses() == addresses
    assert len(served.held()) == 1 + len(GIVEN)
    served.clean_up()
    assert served.objects() == there
    # Nobody is left who would take a finalizer off.
    for kind in ("ipaddressclaims", POOLS):
        served.kubectl.run("delete", kind, "--all", "-n", "default", "--timeout=60s")
    ours = ("ipallocations.moorage.dev", POOLS, "netipallocations.netinfra.darkbrains.com")
    served.installation.wait(
        lambda: not served.kubectl.items(ADDRESSES, "-A"), "the IPAddresses to go"
    )
    served.kubectl.run("delete", "crd", *ours)
    kept = {one for one in left(cluster, before) if one.endswith(".ipam.cluster.x-k8s.io")}
    secrets = {one for one in left(cluster, before) if one.startswith("Secret ")}
    wait_left(cluster, before, kept | secrets)
