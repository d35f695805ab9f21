"""The chart's admission policies hold machine-ipam to its own addresses, and to finalizers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from lab_openshift import GROUP
from lab_policies import GONE, RECORDS, Refusal, api_of, record, refusal_of, tried
from lab_rights import rights, without_policies

from moorage_api.crds import crd
from moorage_api.ipallocation import DEFINITION as IPALLOCATION
from moorage_api.ippool import DEFINITION as IPPOOL
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster.api import Api
from moorage_testing.cluster_api import ipam_crds
from moorage_testing.openshift import machine_crd
from moorage_testing.waiting import PATIENCE, wait_for

NAMESPACE = "ipam-policies"
IPAM = f"/apis/ipam.cluster.x-k8s.io/v1beta1/namespaces/{NAMESPACE}"
MACHINES = f"/apis/{GROUP}/v1beta1/namespaces/{NAMESPACE}/machines"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
POOLS = f"/apis/ipamcontroller.openshift.io/v1/namespaces/{NAMESPACE}/ippools"
OURS = {"apiGroup": "ipamcontroller.openshift.io", "kind": "IPPool", "name": "lab"}
PLURAL = {**OURS, "kind": "ippools"}
ALIAS = {"apiGroup": "installer.openshift.io", "kind": "IPPool", "name": "default-0"}
NO_ALIAS = {**ALIAS, "name": "default-1"}
OTHERS = {"apiGroup": "ipam.cluster.x-k8s.io", "kind": "InClusterIPPool", "name": "lab"}


def address(name: str, pool: dict[str, str]) -> dict[str, Any]:
    spec = {"address": "192.0.2.9", "prefix": 24, "claimRef": {"name": name}, "poolRef": pool}
    meta = {"name": name, "namespace": NAMESPACE}
    version = "ipam.cluster.x-k8s.io/v1beta1"
    return {"apiVersion": version, "kind": "IPAddress", "metadata": meta, "spec": spec}


@pytest.fixture(scope="module")
def api(cluster: EmbeddedCluster) -> Iterator[Api]:
    """The API server for the controller's account, which is held to what the chart gives it."""
    cluster.apply([*ipam_crds(), crd(IPALLOCATION), crd(IPPOOL), machine_crd("preCreate")])
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    config: dict[str, Any] = {"poolAliases": "installer.openshift.io/IPPool/default-0=lab"}
    config["watchMachines"] = True
    part = {"enabled": True, "fullnameOverride": "moorage", "config": config}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    made = rights(NAMESPACE, {"core": {"enabled": False}, "machineIpam": part})
    cluster.apply([space, *made])
    spec = {"address-cidr": "192.0.2.0/24", "prefix": 24}
    meta = {"name": "lab", "namespace": NAMESPACE}
    pool: dict[str, Any] = {"apiVersion": "ipamcontroller.openshift.io/v1", "kind": "IPPool"}
    claim = {**address("mine", OURS), "kind": "IPAddressClaim", "spec": {"poolRef": OURS}}
    cluster.apply([{**pool, "metadata": meta, "spec": spec}, claim, address("theirs", OTHERS)])
    value = {"template": "rhcos", "network": {"devices": [{"networkName": "lab"}]}}
    machine: dict[str, Any] = {"apiVersion": f"{GROUP}/v1beta1", "kind": "Machine"}
    machine |= {"metadata": {"name": "policed", "namespace": NAMESPACE}}
    machine |= {"spec": {"providerSpec": {"value": value}}}
    cluster.apply([machine, record("policed-claim", "192.0.2.201", "IpClaim")])
    token = cluster.service_account_token(f"{NAMESPACE}/moorage")
    yield api_of(cluster, token)
    without_policies(cluster, made)
    cluster.remove(f"{RECORDS}/policed-claim")
    # Else the controller of the next test finds them in a namespace that ends.
    for path in (f"{POOLS}/lab", *(f"{IPAM}/ipaddressclaims/{one}" for one in ("mine", "theirs"))):
        cluster.remove(path)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def refusal(api: Api) -> Refusal:
    """What the API server tells that account, once the policies are in force.

    It is empty where it is allowed.
    """

    asked = refusal_of(api)
    for path in (f"{POOLS}/lab", f"{IPAM}/ipaddresses/theirs", f"{MACHINES}/policed"):
        wait_for(partial(tried, asked, path), PATIENCE, f"the policy of {path} to be in force")
    claim = f"{RECORDS}/policed-claim?dryRun=All"
    wait_for(lambda: asked("DELETE", claim), PATIENCE, "that of records, too")
    lease = f"{LEASES}?dryRun=All"
    foreign = {"metadata": {"name": "foreign"}, "spec": {}}
    wait_for(lambda: asked("POST", lease, foreign), PATIENCE, "that of names, too")
    return asked


@pytest.mark.parametrize(
    ("path", "finalizer"),
    [
        (f"{POOLS}/lab", "moorage.dev/addresses-in-use"),
        (f"{IPAM}/ipaddressclaims/mine", "moorage.dev/release-address"),
    ],
)
def test_sec_06_of_claims_and_pools_it_may_change_its_finalizers_only(
    refusal: Refusal, path: str, finalizer: str
) -> None:
    for meta in ({"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"ownerReferences": [GONE]},
                 {"finalizers": ["example.com/f"]}):  # fmt: skip
        assert "own finalizers" in refusal("PATCH", path, {"metadata": meta})
    for finalizers in ([finalizer], None):
        assert refusal("PATCH", path, {"metadata": {"finalizers": finalizers}}) == ""
    assert "own finalizers" in refusal("PATCH", f"{POOLS}/lab", {"spec": {"prefix": 23}})


def test_sec_06_of_a_machine_it_changes_hooks_and_the_network_alone(refusal: Refusal) -> None:
    path = f"{MACHINES}/policed"
    hooks = {"preTerminate": [{"name": "ipamController", "owner": "network-admin"}]}
    devices = [{"networkName": "lab", "ipAddrs": ["192.0.2.9/24"]}]
    value = {"network": {"devices": devices}}
    spec = {"lifecycleHooks": hooks, "providerSpec": {"value": value}}
    note = {"annotations": {"moorage.dev/lifecycle-hook": "{}"}}
    assert refusal("PATCH", path, {"metadata": note, "spec": spec}) == ""
    values: tuple[dict[str, Any], ...] = ({"template": "evil"}, {"userDataSecret": {"name": "x"}})
    machines = [{"providerSpec": {"value": one}} for one in values]
    for wrong in (*machines, {"authoritativeAPI": "ClusterAPI"}):
        assert "hooks of a Machine" in refusal("PATCH", path, {"spec": wrong})
    for meta in ({"labels": {"a": "b"}}, {"ownerReferences": [GONE]}, {"finalizers": ["a.com/f"]}):
        assert "hooks of a Machine" in refusal("PATCH", path, {"metadata": meta})


def test_sec_06_records_of_external_addresses_are_safe_from_it(refusal: Refusal) -> None:
    path, said = f"{RECORDS}/policed-claim", "IPAllocations of its own owners"
    assert said in refusal("DELETE", path)
    assert said in refusal("PATCH", path, {"spec": {"owner": {"kind": "Machine"}}})
    own = record("policed-machine", "192.0.2.202", "Machine")
    assert refusal("POST", RECORDS, own) == ""
    assert refusal("DELETE", f"{RECORDS}/policed-machine") == ""
    assert said in refusal("POST", RECORDS, record("more", "192.0.2.203", "IpClaim"))


@pytest.mark.parametrize("pool", [OURS, PLURAL, ALIAS], ids=["ours", "plural", "alias"])
def test_addresses_of_our_pools_are_its_own(refusal: Refusal, pool: dict[str, str]) -> None:
    assert refusal("POST", f"{IPAM}/ipaddresses", address("mine", pool)) == ""
    path = f"{IPAM}/ipaddresses/mine"
    assert (
        refusal("PATCH", path, {"metadata": {"annotations": {"moorage.dev/claim-uid": "x"}}}) == ""
    )
    assert "which address" in refusal("PATCH", path, {"spec": {"address": "192.0.2.10"}})
    assert refusal("DELETE", path) == ""


def test_sec_06_addresses_of_other_providers_are_safe_from_it(refusal: Refusal) -> None:
    path = f"{IPAM}/ipaddresses/theirs"
    said = "machineIpam.config.poolAliases"
    for pool in (OTHERS, NO_ALIAS):
        assert said in refusal("POST", f"{IPAM}/ipaddresses", address("more", pool))
    assert said in refusal("PATCH", path, {"metadata": {"annotations": {"a": "b"}}})
    assert said in refusal("PATCH", path, {"spec": {"poolRef": OURS}})
    assert said in refusal("DELETE", path)
