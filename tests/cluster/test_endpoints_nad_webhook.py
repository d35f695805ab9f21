"""The webhook on net-attach-defs, on a real API server without policies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lab_endpoints import EndpointsLab, opened
from lab_endpoints_webhook import serve

from moorage_endpoints.nads.names import NETWORKS
from moorage_endpoints.nads.registration import nad_webhook
from moorage_testing.cluster import ApiError, EmbeddedCluster, Pod
from moorage_testing.cni import nad_crd
from moorage_testing.waiting import PATIENCE, wait_for

GOOD, BROKEN = '{"cniVersion": "0.3.1", "type": "bridge"}', "type: bridge"


@pytest.fixture(name="lab")
def _lab(cluster: EmbeddedCluster, host: str) -> Iterator[EndpointsLab]:
    """With one net-attach-def that was broken before anybody looked."""
    cluster.apply([nad_crd()])
    with opened(cluster) as lab:
        wait_for(lambda: _refusal(lab, "GET") == "", PATIENCE, "the kind to be served")
        assert _refusal(lab, "POST", body=_nad("old", BROKEN)) == ""
        entry = nad_webhook(lab.namespace, lab.namespace)
        serve(lab, host, "ValidatingWebhookConfiguration", entry, "--webhook-nads")
        wait_for(
            lambda: _refusal(lab, "POST", "?dryRun=All", body=_nad("probe", BROKEN)),
            PATIENCE,
            "the API server to ask the webhook",
        )
        yield lab
        cluster.kubectl("delete", "validatingwebhookconfiguration", lab.namespace)


def _nad(name: str, config: str) -> dict[str, Any]:
    kind = {"apiVersion": "k8s.cni.cncf.io/v1", "kind": "NetworkAttachmentDefinition"}
    return kind | {"metadata": {"name": name}, "spec": {"config": config}}


def _refusal(
    lab: EndpointsLab, method: str, name: str = "", body: dict[str, Any] | None = None
) -> str:
    """What the API server says to the administrator; ``""`` = it does so."""
    base = f"/apis/k8s.cni.cncf.io/v1/namespaces/{lab.namespace}/network-attachment-definitions"
    path = base + (name if name.startswith("?") else f"/{name}" if name else "")
    try:
        lab.cluster.request(method, path, body)
    except ApiError as error:
        return str(error)
    return ""


def test_what_cni_cannot_read_is_refused_and_what_is_broken_already_can_go(
    lab: EndpointsLab,
) -> None:
    said = _refusal(lab, "POST", body=_nad("new", BROKEN))
    assert "422" in said
    assert "spec.config: it is no JSON" in said
    assert 'metadata.name: "a.b"' in _refusal(lab, "POST", body=_nad("a.b", GOOD))
    assert _refusal(lab, "POST", body=_nad("new", GOOD)) == ""
    assert "is missing" in _refusal(lab, "PATCH", "new", {"spec": {"config": "{}"}})
    note = {"metadata": {"annotations": {"a": "b"}, "finalizers": ["example.com/x"]}}
    assert _refusal(lab, "PATCH", "old", note) == ""
    assert "it is no JSON" in _refusal(lab, "PATCH", "old", {"spec": {"config": "{,}"}})
    assert _refusal(lab, "DELETE", "old") == ""
    assert _refusal(lab, "PATCH", "old", {"metadata": {"finalizers": None}}) == ""
    assert "not found" in _refusal(lab, "GET", "old")


def test_na_39_a_deletion_is_refused_with_the_users_named(lab: EndpointsLab) -> None:
    assert _refusal(lab, "POST", body=_nad("net", GOOD)) == ""
    names = [f"user-{number}" for number in range(5)]
    lab.cluster.create_pods(
        [Pod(name, lab.namespace, annotations={NETWORKS: "net"}) for name in names]
    )
    # Whether all of them are known yet is the cache's affair.
    wait_for(
        lambda: "and 2 more" in _refusal(lab, "DELETE", "net?dryRun=All"), PATIENCE, "all users"
    )
    said = _refusal(lab, "DELETE", "net")
    assert f"{lab.namespace}/net is in use by {lab.namespace}/user-0" in said
    for name in names:
        lab.cluster.remove(lab.path("pods", name))
    wait_for(lambda: _refusal(lab, "DELETE", "net?dryRun=All") == "", PATIENCE, "no user")
    assert _refusal(lab, "DELETE", "net") == ""
