"""IpClaimPool, IpClaim and IpNode on a real API server: what it takes, refuses and shows."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from moorage_api import ipclaim, ipclaimpool, ipnode
from moorage_api.crds import crd
from moorage_testing.cluster import ApiError, EmbeddedCluster

GROUP = "/apis/ipcontroller.ext/v1"
Raw = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _kinds(cluster: EmbeddedCluster) -> None:
    definitions = (ipclaim.DEFINITION, ipclaimpool.DEFINITION, ipnode.DEFINITION)
    cluster.apply([crd(one) for one in definitions])
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all")


def created(cluster: EmbeddedCluster, kind: str, body: Raw) -> Raw:
    """What the API server makes of an object of a name of its own."""
    meta = {"name": f"{kind.lower()}-{secrets.token_hex(4)}"} | body.pop("metadata", {})
    whole = {"apiVersion": "ipcontroller.ext/v1", "kind": kind, "metadata": meta} | body
    return cluster.request("POST", f"{GROUP}/{kind.lower()}s", whole)


def refusal(cluster: EmbeddedCluster, kind: str, spec: Raw) -> str:
    with pytest.raises(ApiError) as refused:
        created(cluster, kind, {"spec": spec})
    return str(refused.value)


def test_seed_compat_objects_of_the_first_version_are_taken_as_they_are(
    cluster: EmbeddedCluster,
) -> None:
    pool: Raw = {
        "cidr": "192.168.0.248/29",
        "ranges": [["192.168.0.249", "192.168.0.250"], ["192.168.0.252", "192.168.0.253"]],
        "allocated": {"192.168.0.249": "192-168-0-249-29"},
    }
    claim: Raw = {"cidr": "10.0.0.7/24", "nodeName": "node-1", "link": ""}
    labels = {"ipnode": "node-1", "ip-pool-name": "test-pool"}
    reference = {"apiVersion": "v1", "kind": "ServiceReference", "name": "nginx"}
    reference |= {"uid": "default/nginx"}
    meta: Raw = {"labels": labels, "ownerReferences": [reference]}
    assert pool.items() <= created(cluster, "IpClaimPool", {"spec": pool})["spec"].items()
    found = created(cluster, "IpClaim", {"spec": claim, "metadata": meta})
    assert claim.items() <= found["spec"].items()
    assert found["metadata"]["labels"] == labels
    assert created(cluster, "IpNode", {"Revision": "42"})["Revision"] == "42"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({}, ("spec", "neither cidr nor ranges")),
        ({"cidr": "192.168.0.250/29"}, ("spec.cidr", "192.168.0.250/29", "no range")),
        ({"cidr": "nonsense"}, ("spec.cidr", "nonsense", "as in")),
        (
            {"ranges": [["10.0.0.9", "10.0.0.10"], ["10.0.1.0", "10.0.0.255"]]},
            ("spec.ranges[1]", "10.0.1.0", "reversed"),
        ),
        ({"ranges": [["10.0.0.9", "fd00::1"]]}, ("spec.ranges[0]", "fd00::1", "two families")),
        (
            {"ranges": [["10.0.0.9", "10.0.0.9/24"]]},
            ("spec.ranges[0][1]", "10.0.0.9/24", "write one"),
        ),
        ({"ranges": [["10.0.0.9"]]}, ("spec.ranges[0]", "[10.0.0.9]", "no range")),
        (
            {"ranges": [["10.0.0.9", "10.0.0.9"], ["fd00::1", "fd00::2"]]},
            ("spec", "two families", "another pool"),
        ),
        (
            {"cidr": "10.0.0.0/24", "ranges": [["10.0.0.9", "10.0.1.9"]]},
            ("spec", "not in cidr"),
        ),
        ({"cidr": "10.0.0.0/24", "ranges": [["fd00::1", "fd00::2"]]}, ("spec", "not in cidr")),
        ({"cidr": "10.0.0.0/24", "exclude": ["10.0.0.1-x"]}, ("spec.exclude[0]", "10.0.0.1-x")),
        ({"cidr": "10.0.0.0/24", "network": "A_B"}, ("spec.network", "A_B", "lower-case")),
        ({"cidr": "10.0.0.0/24", "placement": "Both"}, ("spec.placement", "Both", "EveryNode")),
        (
            {"cidr": "10.0.0.0/24", "interfacePattern": "(eth[0-9]+)*"},
            ("spec.interfacePattern", "(eth[0-9]+)*", "as in eth[0-9]+"),
        ),
        (
            {"cidr": "10.0.0.0/24", "interfacePattern": ".*.*.*.*.*.*.*x"},
            ("spec.interfacePattern", ".*.*.*.*.*.*.*x", "repeats too often", "six at most"),
        ),
        (
            {"cidr": "10.0.0.0/24", "placement": "EveryNode", "onlyServicePorts": True},
            ("spec", "onlyServicePorts", "EveryNode"),
        ),
        (
            {
                "cidr": "10.0.0.0/24",
                "serviceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]},
            },
            ("spec.serviceSelector.matchExpressions[0]", "no values"),
        ),
    ],
)
def test_validation_of_a_pool_names_field_value_and_way_out(
    cluster: EmbeddedCluster, spec: Raw, words: tuple[str, ...]
) -> None:
    message = refusal(cluster, "IpClaimPool", spec)
    assert [word for word in words if word not in message] == [], message


def test_a_pool_may_be_of_ipv6_or_of_ranges_alone(cluster: EmbeddedCluster) -> None:
    for spec in (
        {"cidr": "fd00:1::/64"},
        {"ranges": [["10.0.0.250", "10.0.1.5"], ["10.1.0.9", "10.1.0.9"]]},
        {"ranges": [["fd00::1", "fd00::ff"]]},
        {"cidr": "10.0.0.0/24", "exclude": ["10.0.0.1", "10.0.0.8-10.0.0.9", "10.0.0.64/26"]},
    ):
        assert created(cluster, "IpClaimPool", {"spec": spec})


@pytest.mark.parametrize(
    "pattern", ["", "eth0", r"^bond\d\.[0-9]{1,4}$", "en(p|s)[0-9]+.*", "[^l].*|eth[0-9]"]
)
def test_usual_patterns_of_links_are_taken(cluster: EmbeddedCluster, pattern: str) -> None:
    spec = {"cidr": "10.0.0.0/24", "interfacePattern": pattern}
    found = created(cluster, "IpClaimPool", {"spec": spec})
    assert found["spec"]["interfacePattern"] == pattern


def test_a_claim_is_of_one_address_for_ever(cluster: EmbeddedCluster) -> None:
    message = refusal(cluster, "IpClaim", {"cidr": "10.0.0.7"})
    assert "spec.cidr" in message
    assert "no address with its length" in message
    name = created(cluster, "IpClaim", {"spec": {"cidr": "2001:db8::1/64"}})["metadata"]["name"]
    patch = {"spec": {"cidr": "2001:db8::2/64"}}
    with pytest.raises(ApiError) as refused:
        cluster.request("PATCH", f"{GROUP}/ipclaims/{name}", patch)
    assert "make another claim" in str(refused.value)


def test_an_agent_writes_and_removes_its_own_entry_of_the_status(cluster: EmbeddedCluster) -> None:
    name = created(cluster, "IpClaim", {"spec": {"cidr": "10.0.0.7/24"}})["metadata"]["name"]
    path = f"{GROUP}/ipclaims/{name}/status"
    for node in ("node-1", "node-2.example.com"):
        body = {"status": {"nodes": {node: {"state": "Announced", "link": "eth0"}}}}
        cluster.request("PATCH", path, body)
    found = cluster.request("PATCH", path, {"status": {"nodes": {"node-1": None}}})
    assert found["status"]["nodes"].keys() == {"node-2.example.com"}


def test_kubectl_shows_node_service_and_phase(cluster: EmbeddedCluster) -> None:
    services = [{"namespace": "default", "name": "nginx"}, {"namespace": "x", "name": "other"}]
    spec = {"cidr": "10.0.0.7/24", "services": services, "nodeName": "node-1"}
    meta = {"labels": {"ipnode": "node-1"}}
    name = created(cluster, "IpClaim", {"spec": spec, "metadata": meta})["metadata"]["name"]
    ready = {"type": "Ready", "status": "True", "reason": "Announced"}
    ready["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    path = f"{GROUP}/ipclaims/{name}/status"
    cluster.request("PATCH", path, {"status": {"conditions": [ready]}})
    heading, line = cluster.kubectl("get", "icl", name).splitlines()
    assert heading.split() == ["NAME", "ADDRESS", "NODE", "SERVICE", "PHASE", "AGE"]
    assert line.split()[1:5] == ["10.0.0.7/24", "node-1", "nginx", "Announced"]
