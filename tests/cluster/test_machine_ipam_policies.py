"""The chart's admission policies hold machine-ipam to its own addresses, and to finalizers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from lab_policies import Refusal, api_of, refusal_of
from lab_rights import rights

from moorage_api.crds import crd
from moorage_api.ipallocation import DEFINITION as IPALLOCATION
from moorage_api.ippool import DEFINITION as IPPOOL
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.cluster.api import Api
from moorage_testing.cluster_api import ipam_crds
from moorage_testing.waiting import PATIENCE, wait_for

NAMESPACE = "ipam-policies"
IPAM = f"/apis/ipam.cluster.x-k8s.io/v1beta1/namespaces/{NAMESPACE}"
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
    cluster.apply([*ipam_crds(), crd(IPALLOCATION), crd(IPPOOL)])
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    config = {"poolAliases": "installer.openshift.io/IPPool/default-0=lab"}
    part = {"enabled": True, "fullnameOverride": "moorage", "config": config}
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    made = rights(NAMESPACE, {"core": {"enabled": False}, "machineIpam": part})
    cluster.apply([space, *made])
    spec = {"address-cidr": "192.0.2.0/24", "prefix": 24}
    meta = {"name": "lab", "namespace": NAMESPACE}
    pool = {"apiVersion": "ipamcontroller.openshift.io/v1", "kind": "IPPool"}
    claim = {**address("mine", OURS), "kind": "IPAddressClaim", "spec": {"poolRef": OURS}}
    cluster.apply([{**pool, "metadata": meta, "spec": spec}, claim, address("theirs", OTHERS)])
    token = cluster.service_account_token(f"{NAMESPACE}/moorage")
    yield api_of(cluster, token)
    names = [f"{one['kind']}/{one['metadata']['name']}" for one in made if "Policy" in one["kind"]]
    cluster.kubectl("delete", *names)
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

    def abused(path: str) -> str:
        # Another one each time: what was once let through would be no change, which is allowed.
        return asked("PATCH", path, {"metadata": {"annotations": {"tried": secrets.token_hex(4)}}})

    wait_for(lambda: abused(f"{POOLS}/lab"), PATIENCE, "one policy to be in force")
    wait_for(lambda: abused(f"{IPAM}/ipaddresses/theirs"), PATIENCE, "the other one, too")
    return asked


@pytest.mark.parametrize("path", [f"{POOLS}/lab", f"{IPAM}/ipaddressclaims/mine"])
def test_of_claims_and_pools_it_may_change_the_finalizers_only(refusal: Refusal, path: str) -> None:
    for body in ({"metadata": {"labels": {"a": "b"}}}, {"metadata": {"annotations": {"a": "b"}}}):
        assert "only change the finalizers" in refusal("PATCH", path, body)
    for finalizers in (["moorage.dev/try"], None):
        assert refusal("PATCH", path, {"metadata": {"finalizers": finalizers}}) == ""
    assert "only change the finalizers" in refusal(
        "PATCH", f"{POOLS}/lab", {"spec": {"prefix": 23}}
    )


@pytest.mark.parametrize("pool", [OURS, PLURAL, ALIAS], ids=["ours", "plural", "alias"])
def test_addresses_of_our_pools_are_its_own(refusal: Refusal, pool: dict[str, str]) -> None:
    assert refusal("POST", f"{IPAM}/ipaddresses", address("mine", pool)) == ""
    path = f"{IPAM}/ipaddresses/mine"
    assert (
        refusal("PATCH", path, {"metadata": {"annotations": {"moorage.dev/claim-uid": "x"}}}) == ""
    )
    assert "which address" in refusal("PATCH", path, {"spec": {"address": "192.0.2.10"}})
    assert refusal("DELETE", path) == ""


def test_addresses_of_other_providers_are_safe_from_it(refusal: Refusal) -> None:
    path = f"{IPAM}/ipaddresses/theirs"
    said = "machineIpam.config.poolAliases"
    for pool in (OTHERS, NO_ALIAS):
        assert said in refusal("POST", f"{IPAM}/ipaddresses", address("more", pool))
    assert said in refusal("PATCH", path, {"metadata": {"annotations": {"a": "b"}}})
    assert said in refusal("PATCH", path, {"spec": {"poolRef": OURS}})
    assert said in refusal("DELETE", path)
