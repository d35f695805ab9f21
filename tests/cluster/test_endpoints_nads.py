"""Net-attach-defs on a real API server: real deletions, the garbage collector, whole namespaces.

The controller and the policies are those of the chart, and it has no other rights.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from lab_nad_cluster import ACCOUNT, Lab, nad_lab
from lab_policies import Refusal, api_of, refusal_of

from moorage_endpoints.nads.names import ALLOW_DELETE, FINALIZER, MARKER
from moorage_testing.cluster import ApiError, EmbeddedCluster
from moorage_testing.waiting import PATIENCE, wait_for

Raw = dict[str, Any]


@pytest.fixture(scope="module")
def guarded(cluster: EmbeddedCluster) -> Iterator[Lab]:
    """With the policies of the chart in force."""
    yield from nad_lab(cluster, policies=True)


@pytest.fixture(scope="module")
def refusing(guarded: Lab) -> Lab:
    """One that is used and marked is refused to its deleter by now."""
    guarded.start()
    guarded.nad("first")
    guarded.pod("first", "first")
    guarded.wait_held("first")
    dry = f"{guarded.path('first')}?dryRun=All"

    def refused() -> bool:
        try:
            guarded.cluster.request("DELETE", dry)
        except ApiError as error:
            return "is in use" in str(error)
        return False

    wait_for(refused, PATIENCE, "the policy to be in force")
    return guarded


def test_na_39_a_deletion_is_refused_and_names_a_user(refusing: Lab) -> None:
    said = refusing.refusal("first")
    assert f"{refusing.users}/first is in use" in said
    assert f"first pods that used it: {refusing.users}/first" in said
    assert f"{ALLOW_DELETE}=true" in said
    assert not refusing.is_leaving("first")


def test_na_39_so_is_the_deletion_of_all_but_not_of_those_that_are_free(refusing: Lab) -> None:
    refusing.nad("free")
    with pytest.raises(ApiError, match="is in use"):
        refusing.cluster.request("DELETE", refusing.path())
    assert not refusing.is_leaving("first")
    # Whether it was deleted before that is the API server's affair.
    assert refusing.find("free") is None or refusing.refusal("free") == ""


@pytest.mark.parametrize("spec", [{}, None], ids=["without spec", "with spec"])
def test_na_39_one_without_spec_labels_and_annotations(refusing: Lab, spec: Raw | None) -> None:
    refusing.nad("plain", spec=spec)
    assert refusing.refusal("plain") == ""
    refusing.wait_gone("plain")
    refusing.nad("plain", spec=spec)
    refusing.pod("plain", "plain")
    refusing.wait_held("plain")
    assert "is in use" in refusing.refusal("plain")
    refusing.remove_pod("plain")
    wait_for(lambda: not refusing.is_held("plain"), PATIENCE, "it to be free")
    assert refusing.refusal("plain") == ""
    refusing.wait_gone("plain")


def test_na_39_allow_delete_passes(refusing: Lab) -> None:
    refusing.nad("allowed", annotations={ALLOW_DELETE: "true"})
    refusing.nad("later")
    refusing.pod("both", "allowed,later")
    refusing.wait_held("later")
    assert refusing.refusal("allowed") == ""
    refusing.wait_gone("allowed")
    change = {"metadata": {"annotations": {ALLOW_DELETE: "true"}}}
    refusing.cluster.request("PATCH", refusing.path("later"), change)
    assert refusing.refusal("later") == ""
    refusing.wait_gone("later")
    refusing.remove_pod("both")


def test_na_39_the_garbage_collector_is_not_refused_and_the_finalizer_holds(refusing: Lab) -> None:
    owners = f"/api/v1/namespaces/{refusing.users}/configmaps"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}
    uid = refusing.cluster.request("POST", owners, body)["metadata"]["uid"]
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    refusing.nad("owned", ownerReferences=[owner])
    refusing.pod("owned", "owned")
    refusing.wait_held("owned")
    refusing.cluster.request("DELETE", f"{owners}/owner")
    wait_for(lambda: refusing.is_leaving("owned"), PATIENCE, "the garbage collector")
    assert refusing.is_held("owned")
    refusing.remove_pod("owned")
    refusing.wait_gone("owned")


def test_na_39_namespace_deletion_completes(refusing: Lab) -> None:
    """Although pods of another namespace use what is in it."""
    name = f"ends-{secrets.token_hex(3)}"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    refusing.cluster.apply([space])
    refusing.nad("net", name)
    refusing.pod("abroad", f"{name}/net")
    refusing.wait_held("net", name)
    refusing.cluster.kubectl("delete", "namespace", name, "--timeout=120s")
    assert refusing.find("net", name) is None
    refusing.remove_pod("abroad")


@pytest.fixture(scope="module")
def account(refusing: Lab) -> Refusal:
    """What the API server tells the controller's account, once the policy about it is in force."""
    token = refusing.cluster.service_account_token(f"{refusing.namespace}/{ACCOUNT}")
    asked = refusal_of(api_of(refusing.cluster, token))
    refusing.nad("ours", labels={"a": "b"}, finalizers=["example.com/theirs"])

    def abused() -> str:
        change = {"metadata": {"labels": {"tried": secrets.token_hex(4)}}}
        return asked("PATCH", refusing.path("ours"), change)

    wait_for(abused, PATIENCE, "the policy to be in force")
    return asked


def test_the_account_may_write_finalizer_and_mark_and_nothing_else(
    refusing: Lab, account: Refusal
) -> None:
    path = refusing.path("ours")
    own = {"finalizers": ["example.com/theirs", FINALIZER], "annotations": {MARKER: "a/b"}}
    assert account("PATCH", path, {"metadata": own}) == ""
    assert "own annotation" in account("PATCH", path, {"metadata": {"annotations": {"a": "b"}}})
    assert "own finalizer" in account("PATCH", path, {"metadata": {"finalizers": [FINALIZER]}})
    for change in ({"spec": {"config": ""}}, {"metadata": {"labels": None}}):
        assert "may not change what" in account("PATCH", path, change)
    undone = {"finalizers": ["example.com/theirs"], "annotations": {MARKER: None}}
    assert account("PATCH", path, {"metadata": undone}) == ""
