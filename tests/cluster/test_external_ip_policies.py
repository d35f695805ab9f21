"""The chart's admission policies hold external-ip to the Services and claims that it serves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from lab_policies import GONE, RECORDS, Refusal, api_of, record, refusal_of, tried
from lab_rights import rights, without_policies
from test_external_ip import DEFINITIONS, GROUP

from moorage_api.crds import crd
from moorage_testing.cluster import EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for

Raw = dict[str, Any]
NAMESPACE = "external-policies"
CLASS = "example.com/policed"
SERVICES = f"/api/v1/namespaces/{NAMESPACE}/services"
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
MADE_FOR = {"moorage.dev/made-for": f"{NAMESPACE}/ours"}
ADDRESS = "192.0.2.77"
INGRESS = {"loadBalancer": {"ingress": [{"ip": ADDRESS, "ipMode": "VIP"}]}}


def service(name: str, meta: Raw | None = None, **spec: Any) -> Raw:
    wanted: Raw = {"ports": [{"port": 80}], "selector": {"app": name}} | spec
    head = {"name": name, "namespace": NAMESPACE} | (meta or {})
    return {"apiVersion": "v1", "kind": "Service", "metadata": head, "spec": wanted}


def of_class(name: str, load_balancer_class: str | None) -> Raw:
    named: Raw = {"loadBalancerClass": load_balancer_class} if load_balancer_class else {}
    return service(name, type="LoadBalancer", allocateLoadBalancerNodePorts=False, **named)


def condition(kind: str) -> Raw:
    meant = {"type": kind, "status": "True", "reason": "Told", "message": ""}
    return meant | {"lastTransitionTime": "2026-01-01T00:00:00Z"}


def claim(name: str, annotations: Raw | None = None) -> Raw:
    meta = {"name": name, "annotations": annotations or {}}
    spec = {"cidr": f"{name.rpartition('-')[0].replace('-', '.')}/32"}
    body = {"apiVersion": "ipcontroller.ext/v1", "kind": "IpClaim"}
    return body | {"metadata": meta, "spec": spec}


@pytest.fixture(scope="module")
def refusal(cluster: EmbeddedCluster) -> Iterator[Refusal]:
    """What the API server tells the controller's account, once the policies are in force."""
    cluster.apply([crd(one) for one in DEFINITIONS])
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")
    config = {"loadBalancerClass": CLASS, "serveWithoutClass": False}
    part = {"enabled": True, "fullnameOverride": "moorage", "config": config}
    made = rights(NAMESPACE, {"core": {"enabled": False}, "externalIp": part})
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    pool: Raw = {"apiVersion": "ipcontroller.ext/v1", "kind": "IpClaimPool"}
    pool |= {"metadata": {"name": NAMESPACE}, "spec": {"cidr": "192.0.2.76/30"}}
    auto = {"annotations": {"external-ip": "auto"}}
    cluster.apply([space, *made])
    cluster.apply([
        pool,
        of_class("ours", CLASS), of_class("others", "example.com/other"), of_class("none", None),
        service("plain", externalIPs=["192.0.2.9"]),
        service("first", auto),
        claim("192-0-2-77-32", MADE_FOR), claim("192-0-2-78-32"),
        record("policed-machine", "192.0.2.201", "Machine"),
        record("policed-claim", "192.0.2.202", "IpClaim"),
    ])  # fmt: skip
    asked = refusal_of(api_of(cluster, cluster.service_account_token(f"{NAMESPACE}/moorage")))
    for path in (f"{SERVICES}/plain", f"{GROUP}/ipclaims/192-0-2-77-32"):
        wait_for(partial(tried, asked, path), PATIENCE, f"the policy of {path} to be in force")
    others = f"{SERVICES}/others/status"
    wait_for(lambda: tried(asked, others), PATIENCE, "the policy of statuses to be in force")
    forged = {"status": {"nodes": {"n": {"state": "Announced"}}}}
    said = f"{GROUP}/ipclaims/192-0-2-77-32/status?dryRun=All"
    wait_for(lambda: asked("PATCH", said, forged), PATIENCE, "that of claims, too")
    machine = f"{RECORDS}/policed-machine?dryRun=All"
    wait_for(lambda: asked("DELETE", machine), PATIENCE, "that of records, too")
    foreign = {"metadata": {"name": "foreign"}, "spec": {}}
    lease = f"{LEASES}?dryRun=All"
    wait_for(lambda: asked("POST", lease, foreign), PATIENCE, "that of names, too")
    yield asked
    without_policies(cluster, made)
    for path in (f"{GROUP}/ipclaimpools/{NAMESPACE}", f"{GROUP}/ipclaims/192-0-2-77-32",
                 f"{GROUP}/ipclaims/192-0-2-78-32", f"{RECORDS}/policed-machine",
                 f"{RECORDS}/policed-claim"):  # fmt: skip
        cluster.remove(path)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.parametrize("name", ["others", "none", "plain"])
def test_sec_06_services_of_others_get_no_address_and_no_change(
    refusal: Refusal, name: str
) -> None:
    said, path = "Services that it serves", f"{SERVICES}/{name}"
    # No Service of another type has addresses there, whoever writes them.
    status = {"conditions": [condition("moorage.dev/Addresses")]} if name == "plain" else INGRESS
    assert said in refusal("PATCH", f"{path}/status", {"status": status})
    changes: list[Raw] = [{"externalIPs": [ADDRESS]}, {"selector": {"app": "evil"}}]
    changes += [{"externalIPs": None}] if name == "plain" else []
    for spec in changes:
        assert said in refusal("PATCH", path, {"spec": spec})


def test_sec_06_of_its_own_services_it_changes_addresses_and_one_condition_alone(
    refusal: Refusal,
) -> None:
    path = f"{SERVICES}/ours"
    assert refusal("PATCH", f"{path}/status", {"status": INGRESS}) == ""
    other = {"type": "example.com/other", "status": "True", "reason": "Other", "message": ""}
    other["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    own = {**other, "type": "moorage.dev/Addresses"}
    assert refusal("PATCH", f"{path}/status", {"status": {"conditions": [own]}}) == ""
    assert "own condition" in refusal(
        "PATCH", f"{path}/status", {"status": {"conditions": [other]}}
    )
    for meta in ({"labels": {"a": "b"}}, {"annotations": {"external-ip": "auto"}},
                 {"finalizers": ["example.com/f"]}, {"ownerReferences": [GONE]}):  # fmt: skip
        assert "own condition" in refusal("PATCH", f"{path}/status", {"metadata": meta})
        assert "own annotation" in refusal("PATCH", path, {"metadata": meta})
    for spec in ({"selector": {"app": "evil"}}, {"ports": [{"port": 22}]}, {"type": "ClusterIP"},
                 {"externalTrafficPolicy": "Local"}):  # fmt: skip
        assert "only change spec.externalIPs" in refusal("PATCH", path, {"spec": spec})
    assert "external-ip: auto" in refusal("PATCH", path, {"spec": {"externalIPs": [ADDRESS]}})


def test_with_the_first_versions_annotation_it_writes_external_ips_and_takes_them_out(
    refusal: Refusal,
) -> None:
    path = f"{SERVICES}/first"
    for addresses in ([ADDRESS], None):
        note = {"moorage.dev/external-ips": ADDRESS if addresses else None}
        body = {"metadata": {"annotations": note}, "spec": {"externalIPs": addresses}}
        assert refusal("PATCH", path, body) == ""


def test_sec_06_claims_that_people_made_stay_and_no_node_is_spoken_for(refusal: Refusal) -> None:
    by_hand, own = f"{GROUP}/ipclaims/192-0-2-78-32", f"{GROUP}/ipclaims/192-0-2-77-32"
    assert "made-for" in refusal("DELETE", by_hand)
    assert "made-for" in refusal("POST", f"{GROUP}/ipclaims", claim("192-0-2-79-32"))
    said = {"nodes": {"n": {"state": "Announced"}}}
    assert "name of a node" in refusal("PATCH", f"{own}/status", {"status": said})
    labels = {"ipnode": "n", "ip-pool-name": "p"}
    change = {"metadata": {"labels": labels}, "spec": {"nodeName": "n"}}
    assert refusal("PATCH", own, change) == ""
    for meta in ({"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"ownerReferences": [GONE]},
                 {"finalizers": ["example.com/f"]}):  # fmt: skip
        assert "own labels" in refusal("PATCH", own, {"metadata": meta})
    new = claim("192-0-2-80-32", MADE_FOR)
    assert refusal("POST", f"{GROUP}/ipclaims", new) == ""
    assert refusal("DELETE", f"{GROUP}/ipclaims/192-0-2-80-32") == ""


def test_sec_06_of_a_pool_it_changes_its_finalizer_alone(refusal: Refusal) -> None:
    path = f"{GROUP}/ipclaimpools/{NAMESPACE}"
    for finalizers in (["moorage.dev/addresses-in-use"], None):
        assert refusal("PATCH", path, {"metadata": {"finalizers": finalizers}}) == ""
    for body in ({"spec": {"allowExternalIPs": True}}, {"metadata": {"ownerReferences": [GONE]}},
                 {"metadata": {"finalizers": ["example.com/f"]}}):  # fmt: skip
        assert "own finalizer" in refusal("PATCH", path, body)


def test_sec_06_records_of_other_owners_are_safe_from_it(refusal: Refusal) -> None:
    said = "IPAllocations of its own owners"
    path = f"{RECORDS}/policed-machine"
    assert said in refusal("DELETE", path)
    assert said in refusal("PATCH", path, {"spec": {"owner": {"kind": "IpClaim"}}})
    assert said in refusal("POST", RECORDS, record("more", "192.0.2.203", "Machine"))
    own = f"{RECORDS}/policed-claim"
    assert "to nobody but" in refusal("PATCH", own, {"spec": {"owner": {"kind": "Machine"}}})
    assert refusal("PATCH", own, {"status": {"phase": "Quarantined"}}) == ""
    new = record("more", "192.0.2.203", "IpClaim")
    assert refusal("POST", RECORDS, new) == ""
    assert refusal("DELETE", f"{RECORDS}/more") == ""


def test_sec_06_it_makes_no_lease_but_its_own(refusal: Refusal) -> None:
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {}}
    assert "leases of its own" in refusal("POST", LEASES, lease | {"metadata": {"name": "other"}})
    own = lease | {"metadata": {"name": "moorage-external-ip"}}
    assert refusal("POST", LEASES, own) == ""
