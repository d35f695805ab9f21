"""A node that somebody broke into draws neither addresses nor pods: tried as its kubelet."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_lab import ACCOUNT, CoreLab, Pool
from lab_rights import grant

from moorage_testing.cluster import KubectlError
from moorage_testing.waiting import PATIENCE, wait_for

pytestmark = pytest.mark.usefixtures("core", "alone")

PROTECTED = "moorage.node-restriction.kubernetes.io"
OLD = {"ip.ready": "true", "moorage.dev/ip": "203-0-113-1"}
NEW = {f"{PROTECTED}/ip.ready": "true", f"{PROTECTED}/ip": "203-0-113-1"}
OWN_POOL = "example.com.node-restriction.kubernetes.io/fixed-ip"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


def kubelet_of(lab: CoreLab, node: str) -> Path:
    """The credentials of a node's kubelet."""
    return lab.cluster.kubeconfig_for(user=f"system:node:{node}", groups=["system:nodes"])


def as_kubelet(lab: CoreLab, node: str, *words: str, stdin: str | None = None) -> str:
    """What kubectl says to a node's kubelet."""
    # Of two kubeconfigs the last one counts.
    return lab.cluster.kubectl(*words, f"--kubeconfig={kubelet_of(lab, node)}", stdin=stdin)


def labels_of(lab: CoreLab, node: str) -> dict[str, str]:
    labels: dict[str, str] = lab.cluster.request("GET", f"/api/v1/nodes/{node}")["metadata"][
        "labels"
    ]
    return labels


def register(lab: CoreLab, name: str, provider_id: str, **labels: str) -> None:
    """Have a kubelet register its node as Ready: kubelets say so when they create it.

    Later the controller manager may have tainted it, and no kubelet may take a taint off.
    """
    node: dict[str, Any] = {
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
        "spec": {"providerID": provider_id},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }  # fmt: skip
    as_kubelet(lab, name, "create", "-f-", stdin=json.dumps(node))


@pytest.fixture
def impostor(lab: CoreLab) -> Iterator[str]:
    """The name of a node that a test registers."""
    yield "a-impostor"
    lab.cluster.kubectl("delete", "node", "a-impostor", "--ignore-not-found")


@pytest.mark.parametrize("key", NEW)
def test_sec_04_no_kubelet_sets_the_labels_that_pods_select(
    lab: CoreLab, key: str, impostor: str
) -> None:
    """NodeRestriction refuses it before the policy is asked."""
    (node,) = lab.pool(1).names
    with pytest.raises(KubectlError, match="is not allowed to modify labels"):
        as_kubelet(lab, node, "label", "node", node, f"{key}={NEW[key]}")
    with pytest.raises(KubectlError, match="is not allowed to set the following labels"):
        register(lab, impostor, "aws:///eu-west-1a/i-0123456789abcdef0", **{key: NEW[key]})


def test_sec_04_no_kubelet_joins_a_pool_of_protected_labels(lab: CoreLab, impostor: str) -> None:
    """The pool that the README tells people to build: neither later nor when it registers."""
    pool, (ip,) = lab.pool(1), lab.addresses(1)
    (stranger,) = lab.pool(1).names
    name = lab.allocate(pool, [ip], nodeSelector={OWN_POOL: "edge"})
    lab.wait_reason(name, ip, "NoEligibleNode")
    with pytest.raises(KubectlError, match="is not allowed to modify labels"):
        as_kubelet(lab, stranger, "label", "node", stranger, f"{OWN_POOL}=edge")
    with pytest.raises(KubectlError, match="is not allowed to set the following labels"):
        register(lab, impostor, "aws:///eu-west-1a/i-0123456789abcdef0", **{OWN_POOL: "edge"})
    lab.cluster.kubectl("label", "node", *pool.names, f"{OWN_POOL}=edge")
    lab.wait_bound(name, ip, pool.names[0])


@pytest.mark.parametrize("key", OLD)
def test_sec_04_no_kubelet_sets_the_older_labels_where_the_policies_are_on(
    lab: CoreLab, key: str, impostor: str
) -> None:
    (node,) = lab.pool(1).names

    def refused() -> bool:
        # Another value each time: what was once let through would be no change.
        value = secrets.token_hex(4)
        try:
            as_kubelet(lab, node, "label", "node", node, f"{key}={value}", "--overwrite")
        except KubectlError as error:
            return "only moorage-core may set these labels" in str(error)
        return False

    wait_for(refused, PATIENCE, "the policies to be in force")
    with pytest.raises(KubectlError, match="only moorage-core may set these labels"):
        register(lab, impostor, "aws:///eu-west-1a/i-0123456789abcdef0", **{key: OLD[key]})


@pytest.fixture
def no_policy(lab: CoreLab) -> Iterator[None]:
    """As where the chart's policies are off: a kubelet may set the older labels."""
    # Of every release that tests have made on this control plane.
    for raw in lab.cluster.request("GET", BINDINGS)["items"]:
        if (name := raw["metadata"]["name"]).endswith(".moorage-core-kubelets"):
            lab.cluster.remove(f"{BINDINGS}/{name}")
    yield
    grant(lab.cluster, ACCOUNT, any_lease=True)


@pytest.mark.usefixtures("no_policy")
def test_sec_04_what_a_kubelet_says_falsely_goes_whatever_owner_and_pool_it_names(
    lab: CoreLab,
) -> None:
    """Also while the addresses of another allocation cannot be read."""
    pool, (ip,) = lab.pool(1), lab.addresses(1)
    name = lab.allocate(pool, [ip])
    lab.wait_bound(name, ip)
    cloud = {"provider": "gcp", "region": "us-west1"}  # without credentials
    unreadable = lab.allocate(pool, ["34.123.45.67"], "unreadable", cloud=cloud)
    lab.wait_reason(unreadable, "34.123.45.67", "CredentialsRejected")
    uid = lab.cluster.kubectl("get", "nia", name, "-o", "jsonpath={.metadata.uid}")
    (liar,) = lab.pool(1).names  # of a pool that no allocation has

    def says_so() -> bool:
        words = (f"{key}={value}" for key, value in OLD.items())
        as_kubelet(lab, liar, "label", "node", liar, *words, "--overwrite")
        return set(OLD) <= set(labels_of(lab, liar))

    wait_for(says_so, PATIENCE, "the policy to be gone")
    as_kubelet(lab, liar, "annotate", "node", liar, f"moorage.dev/owner={uid}")
    wait_for(lambda: not set(OLD) & set(labels_of(lab, liar)), PATIENCE, "the labels to be gone")
    selector = f"involvedObject.kind=Node,involvedObject.name={liar},reason=FalseLabels"
    found = ("get", "events", "-n", "default", "--field-selector", selector, "-o", "json")
    wait_for(
        lambda: json.loads(lab.cluster.kubectl(*found))["items"], PATIENCE, "the Event at the node"
    )
    assert set(lab.labelled(pool)) == set(pool.names), "what is true stays"


def test_sec_04_a_node_with_an_address_has_all_four_labels_until_it_leaves(lab: CoreLab) -> None:
    pool, (ip,) = lab.pool(2), lab.addresses(1)
    name = lab.allocate(pool, [ip])
    first = lab.wait_bound(name, ip)
    wanted = dict(zip((*OLD, *NEW), ("true", ip.replace(".", "-")) * 2, strict=True))
    assert wanted.items() <= labels_of(lab, first).items()
    lab.cordon(first)
    (second,) = set(pool.names) - {first}
    lab.wait_bound(name, ip, second)
    assert wanted.items() <= labels_of(lab, second).items()
    assert not wanted.keys() & labels_of(lab, first).keys()


# Another machine's providerID.


def victim_of(lab: CoreLab, pool: Pool, ip: str) -> tuple[str, str]:
    """Have an address come to a node; the allocation and the node's name."""
    name = lab.allocate(pool, [ip])
    return name, lab.wait_bound(name, ip)


def provider_id(lab: CoreLab, node: str) -> str:
    return str(lab.cluster.request("GET", f"/api/v1/nodes/{node}")["spec"]["providerID"])


def duplicate(lab: CoreLab, name: str) -> str:
    """What the condition says, ``""`` = nothing."""
    found: dict[str, Any] = lab.condition(name, "DuplicateProviderID")
    return str(found["message"]) if found.get("status") == "True" else ""


def test_sec_05_an_impostor_gets_nothing_and_is_named_with_its_victim(
    lab: CoreLab, impostor: str
) -> None:
    pool, ips = lab.pool(1), lab.addresses(2)
    name, victim = victim_of(lab, pool, ips[0])
    register(lab, impostor, provider_id(lab, victim), pool=pool.label)
    said = wait_for(lambda: duplicate(lab, name), PATIENCE, "the condition")
    assert f"nodes {impostor} and {victim} have one providerID" in said
    wait_for(lambda: "DuplicateProviderID" in dict(lab.events(name)), PATIENCE, "the Warning")
    lab.allocate(pool, ips, name)
    lab.wait_reason(name, ips[1], "NoEligibleNode")
    assert f"{impostor} the same machine as {victim}" in lab.record(name, ips[1])["message"]
    lab.cordon(victim)
    lab.wait_reason(name, ips[0], "NoEligibleNode")
    assert lab.record(name, ips[0])["nodeName"] == victim
    assert set(lab.labelled(pool)) == {victim}
    lab.grow(pool, 1)
    lab.wait_bound(name, ips[0], pool.names[-1])
    lab.cluster.kubectl("delete", "node", impostor)
    wait_for(lambda: not duplicate(lab, name), PATIENCE, "the condition to be taken back")


@pytest.mark.parametrize("spelling", ["aws:///../{id}", "AWS:///eu-west-1a/{id}", "{id}"])
def test_sec_05_what_no_cloud_spells_so_is_no_machine(
    lab: CoreLab, impostor: str, spelling: str
) -> None:
    pool, ips = lab.pool(1), lab.addresses(2)
    name, victim = victim_of(lab, pool, ips[0])
    text = spelling.format(id=pool.machines[victim])
    register(lab, impostor, text, pool=pool.label)
    lab.allocate(pool, ips, name)
    lab.wait_reason(name, ips[1], "NoEligibleNode")
    wait_for(
        lambda: f"{impostor} without a machine" in lab.record(name, ips[1])["message"],
        PATIENCE,
        "the reason",
    )
    assert duplicate(lab, name) == ""
